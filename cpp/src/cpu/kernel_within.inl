// Sweeps that leave out what cannot matter (specs/physics.md, "Within a stated error"): from many terms at once to
// fewer, each test with kWidth pixels, orientations or groups of wavelengths as the vector, and then the terms that are
// left. Nothing here depends on a pixel's neighbours. Tests are compiled for each shape, evaluations for each shape and
// precision (kernel_steps.inl), and the rest once. A part of kernel.inl.

constexpr int kFewLines = kWidth / 4 + 1;  // fewer are taken one by one
constexpr int kFewTurns = 2 * kWidth;      // so few orientations are tested together only

// kWidth blocks of kWidth pixels of a straight row: the ray to the middle of each, how it changes to its ends, and what
// is left of that (m of path over m of distance: the second derivative of a direction along a straight line is at most
// 2/sqrt(3) over the distance squared).
struct Blocks {
    Reach to, along;
    Singles rest, allowed;
    int count;
};

struct Within;

// Tests of a shape, and evaluations of a shape in a precision. Tests return the threshold of bounds that are left out.
struct WithinSteps {
    // All orientations of the batch at all wavelengths, for each block of pixels; and for each pixel: what is more than
    // it may lose is packed.
    Singles (*screen_blocks)(const Within&, const Lines&, const Blocks&);
    void (*screen_pixels)(Within&, const Lines&, int p, float together);
    // Registers full of orientations, and orientations at all wavelengths, of packed pixels; and groups of wavelengths
    // of one packed pixel.
    Singles (*test_registers)(Within&, const Lines&, int p, Singles& spent);
    Singles (*test_spectra)(Within&, const Lines&, int p, Singles slack[3], Singles& spent);
    float (*test_groups)(Within&, const Lines&, int at, int lane, const float* slack, float allowed, float& spent);
    // Sums of the terms of some orientations in kWidth pixels; and the terms that tests left, of packed pixels.
    Halves (*of_pixels)(const Within&, const Lines&, const double* to[3], const uint16_t* which, int count);
    void (*of_registers)(Within&, const Lines&, int p);
    void (*of_groups)(Within&, const Lines&, int at, int lane, float threshold);
    PowderSteps powder;
    double unit, unit_of_bounds;  // of sums; and of bounds, without the scale of mixed sums
    double work;                  // of kWidth terms
    bool alternates, mixed;       // Evaluator; and its precision
};

struct Within {
    const KernelScene& s;
    const Lookup lookup;
    const Bounds& bounds;
    const Beamline& line;
    const int n;
    double* acc;
    Allowance& allowance;
    const WithinSteps& steps;
    // Allowances are sums of terms.
    const double unit_of_losses;

    // Orientations of a batch, and tested together.
    const double* turns = nullptr;
    int turned = 0;
    Range all{};
    alignas(64) float single[9 * kOrientationBatch];
    alignas(64) double in_registers[9 * kOrientationBatch];
    Range alike[kOrientationBatch / kWidth];

    alignas(64) double ray_x[kChunk], ray_y[kChunk], ray_z[kChunk];  // directions less the incident one
    Packed packed;
    alignas(64) float bound[kOrientationBatch * kWidth];
    uint16_t list[kWidth][kOrientationBatch];
    int listed[kWidth];
    alignas(64) Singles group_bound[kOrientationBatch * kMostGroups / kWidth];

    Within(const KernelScene& scene, Lookup from, const Bounds& b, const Beamline& beamline, int number, double* sums,
           Allowance& allow, const WithinSteps& its)
        : s(scene),
          lookup(from),
          bounds(b),
          line(beamline),
          n(number),
          acc(sums),
          allowance(allow),
          steps(its),
          unit_of_losses(its.unit_of_bounds * (1 + 1e-4)) {
        for (int p = 0; p < n; p += kHalf) {
            const Ray<Doubles> ray = ray_of(line.rays, p);
            doubles_at(ray_x + p) = ray.x - line.incident[0];
            doubles_at(ray_y + p) = ray.y - line.incident[1];
            doubles_at(ray_z + p) = ray.z - line.incident[2];
        }
    }

    // Of a powder, batches whose orientations have nothing in common come last, and with a budget of their own.
    void run() {
        const bool few = line.count < kFewLines, powder = few && line.rays.squares && bounds.unlike != nullptr;
        const int64_t most = few ? 1 : kMostLines;
        for (int64_t m = 0; m < s.orientation_count; m += kOrientationBatch) {
            if (powder && bounds.unlike[m / kOrientationBatch] != 0) continue;
            const int64_t rest = s.orientation_count - m;
            turned = rest < kOrientationBatch ? (int)rest : kOrientationBatch;
            turns = bounds.orientations + 9 * m;
            all.span(turns, turned, bounds.longest);
            few ? prepare_registers() : prepare_singles();
            for (int64_t w = 0; w < line.count; w += most) {
                const int64_t lines_left = line.count - w;
                together(Lines(line.sources + w, (int)(lines_left < most ? lines_left : most), steps.alternates), few);
            }
        }
        for (int64_t w = 0; powder && w < line.count; ++w) {
            sum_powder(s, lookup, bounds, line.rays, line.incident, line.sources[w], n, steps.powder, allowance, acc);
        }
    }

    // What kWidth pixels lose for bounds of all that is left out of them.
    void spend(int p, Singles most) {
        spend(p, first_half(most) * unit_of_losses);
        spend(p + kHalf, second_half(most) * unit_of_losses);
    }

  private:
    void spend(int p, Doubles lost) {
        doubles_at(allowance.left + p) -= lost;
        if (bounds.given_back > 0) doubles_at(acc + p) += lost * bounds.given_back;
    }

    // A batch of orientations at some wavelengths.
    void together(const Lines& lines, bool few) {
        screen(lines);
        --allowance.calls;
        for (int p = 0; p < packed.count; p += kWidth) {
            if (!few) {
                spectra(lines, p);
            } else if (turned > kFewTurns) {
                registers(lines, p);
            } else {
                pixels(lines, p);
            }
        }
    }

    void prepare_singles() {
        for (int i = 0; i < 9 * turned; ++i) single[i] = (float)turns[i];
    }
    // Registers full of orientations, the last one repeated.
    void prepare_registers() {
        for (int m = 0; m < turned; m += kWidth) {
            const int count = turned - m < kWidth ? turned - m : kWidth;
            alike[m / kWidth].span(turns + 9 * m, count, bounds.longest);
            for (int i = 0; i < 9; ++i) {
                alignas(64) double own[kWidth];
                for (int j = 0; j < kWidth; ++j) own[j] = turns[9 * (m + (j < count ? j : count - 1)) + i];
                const Halves order = arranged(doubles_at(own), doubles_at(own + kHalf), steps.alternates);
                doubles_at(in_registers + 9 * m + i * kWidth) = order.first;
                doubles_at(in_registers + 9 * m + i * kWidth + kHalf) = order.second;
            }
        }
    }

    [[gnu::noinline]] Blocks blocks_at(int p) const {
        Blocks out;
        const Row& row = line.rays.row;
        const double half = 0.5 * (kWidth - 1), reach = half * length3(row.step);
        Halves at[3], change[3], rest;
        for (int part = 0; part < 2; ++part) {
            const Doubles column = (kCount + (double)(part * kHalf)) * (double)kWidth + ((double)p + half + row.first);
            Doubles to[3];
            for (int i = 0; i < 3; ++i) to[i] = row.start[i] + column * row.step[i];
            const Doubles inverse = inverse_root(to[0] * to[0] + to[1] * to[1] + to[2] * to[2]);
            for (Doubles& each : to) each *= inverse;
            const Doubles along = to[0] * row.step[0] + to[1] * row.step[1] + to[2] * row.step[2];
            for (int i = 0; i < 3; ++i) {
                (part == 0 ? change[i].first : change[i].second) = (row.step[i] - to[i] * along) * (inverse * half);
            }
            for (int i = 0; i < 3; ++i) (part == 0 ? at[i].first : at[i].second) = to[i] - line.incident[i];
            const Doubles angle = reach * inverse, near = angle / (1.0 - angle);
            const Doubles beyond = 0.5774 * (near * near);
            // Next to the sample nothing is known.
            const auto known = (angle < 0.5) & (inverse > 0.0);
            (part == 0 ? rest.first : rest.second) = known ? beyond : filled<Doubles>(4.0);
        }
        const auto joined_halves = [](const Halves& x) { return singles_of(x.first, x.second); };
        out.to = {joined_halves(at[0]), joined_halves(at[1]), joined_halves(at[2])};
        out.along = {joined_halves(change[0]), joined_halves(change[1]), joined_halves(change[2])};
        out.rest = joined_halves(rest) * 1.0001f;
        // The share that any pixel of the block is given at least, whether it is seen or not: how a raster was cut into
        // panels changes nothing.
        out.count = n - p < kWidth * kWidth ? (n - p) / kWidth : kWidth;
        out.allowed = filled<Singles>(-1.0f);
        const double share = 1.0 / ((double)allowance.shares * steps.unit_of_bounds);
        for (int b = 0; b < out.count; ++b) {
            Doubles least = filled<Doubles>(__builtin_inf()), most_left = least;
            for (int j = 0; j < kWidth; j += kHalf) {
                const Doubles own = doubles_at(allowance.given + p + b * kWidth + j),
                              left = doubles_at(allowance.left + p + b * kWidth + j);
                least = own < least ? own : least;
                most_left = left < most_left ? left : most_left;
            }
            double smallest = least[0], left = most_left[0];
            for (int j = 1; j < kHalf; ++j) {
                smallest = least[j] < smallest ? least[j] : smallest;
                left = most_left[j] < left ? most_left[j] : left;
            }
            out.allowed[b] = left < __builtin_inf() ? (float)(smallest * share * (1 - 1e-6)) : __FLT_MAX__;
        }
        return out;
    }

    // All orientations of the batch at all wavelengths: pixels that they may matter for are packed.
    void screen(const Lines& lines) {
        packed.count = 0;
        const float together = lines.weight * (float)turned;
        for (int p = 0; p < n; p += kWidth * kWidth) {
            const int count = n - p < kWidth * kWidth ? (n - p) / kWidth : kWidth;
            uint32_t kept = (1u << count) - 1;
            if (line.rays.straight) {
                const Blocks to = blocks_at(p);
                const Singles most = steps.screen_blocks(*this, lines, to) * together;
                const uint32_t matter = kept & bits_of(~(most <= to.allowed));
                for (uint32_t gone = kept & ~matter; gone != 0; gone &= gone - 1) {
                    const int b = __builtin_ctz(gone);
                    spend_block(p + b * kWidth, most[b]);
                }
                kept = matter;
                allowance.work += 5;
            }
            for (; kept != 0; kept &= kept - 1) {
                steps.screen_pixels(*this, lines, p + __builtin_ctz(kept) * kWidth, together);
            }
        }
        if (packed.count > 0) packed.fill();
    }

    void spend_block(int p, double most) {
        const Doubles lost = filled<Doubles>(most * unit_of_losses);
        for (int j = 0; j < kWidth; j += kHalf) spend(p + j, lost);
    }
    void spend_packed(int at, double most) {
        const double lost = most * unit_of_losses;
        allowance.left[packed.number[at]] -= lost;
        acc[packed.number[at]] += lost * bounds.given_back;
    }

    // Few orientations: the pixels that are left are the vector.
    void pixels(const Lines& lines, int p) {
        const double* to[3] = {packed.x + p, packed.y + p, packed.z + p};
        uint16_t which[kFewTurns];
        for (int i = 0; i < turned; ++i) which[i] = (uint16_t)i;
        const Halves sum = steps.of_pixels(*this, lines, to, which, turned);
        const int count = packed.count - p < kWidth ? packed.count - p : kWidth;
        for (int j = 0; j < count; ++j) {
            acc[packed.number[p + j]] += steps.unit * (j < kHalf ? sum.first[j] : sum.second[j - kHalf]);
        }
        allowance.terms += (int64_t)turned * count;
        allowance.work += steps.work * turned;
    }

    // Many orientations: tested, and evaluated, kWidth at a time.
    void registers(const Lines& lines, int p) {
        const int tests = (turned + kWidth - 1) / kWidth;
        allowance.work += 1.5 * tests;
        Singles spent;
        const Singles threshold = steps.test_registers(*this, lines, p, spent);
        collect(tests, threshold);
        for (int j = 0; j < kWidth && p + j < packed.count; ++j) spend_packed(p + j, spent[j]);
        steps.of_registers(*this, lines, p);
    }

    // A spectrum: each orientation at all wavelengths, then groups of kWidth wavelengths, which are evaluated together.
    void spectra(const Lines& lines, int p) {
        const Singles allowed = singles_at(packed.allowed + p);
        allowance.work += 1.5 * turned;
        Singles slack[3], spent;
        const Singles threshold = steps.test_spectra(*this, lines, p, slack, spent);
        collect(turned, threshold);
        for (int j = 0; j < kWidth && p + j < packed.count; ++j) {
            double gone = spent[j];
            if (listed[j] > 0) {
                const float own_slack[3] = {slack[0][j], slack[1][j], slack[2][j]};
                allowance.work += 2.5 * listed[j] * lines.registers;
                float beyond;
                const float least =
                    steps.test_groups(*this, lines, p + j, j, own_slack, allowed[j] - spent[j] * 1.0001f, beyond);
                steps.of_groups(*this, lines, p + j, j, least);
                gone += beyond;
            }
            spend_packed(p + j, gone);
        }
    }

    // Which of `tests` bounds stay above the thresholds, pixel by pixel.
    void collect(int tests, Singles threshold) {
        for (auto& each : listed) each = 0;
        for (int t = 0; t < tests; ++t) {
            uint32_t kept = bits_of(~(singles_at(bound + t * kWidth) <= threshold));
            for (; kept != 0; kept &= kept - 1) {
                const int j = __builtin_ctz(kept);
                list[j][listed[j]++] = (uint16_t)t;
            }
        }
    }
};

// Shares that a beam's sweep gives.
int64_t shares_of(const KernelScene& s, int64_t lines) {
    const int64_t most = lines < kFewLines ? 1 : kMostLines;
    return (lines + most - 1) / most * ((s.orientation_count + kOrientationBatch - 1) / kOrientationBatch);
}

// acc += sum over orientations and wavelengths, less what may be left out.
void sweep_within(const KernelScene& s, Lookup lookup, const Bounds& bounds, const Beamline& line, int n,
                  const WithinSteps& steps, Allowance& allowance, double* acc) {
    Within within(s, lookup, bounds, line, n, acc, allowance, steps);
    within.run();
}
