// Sweeps that leave out what cannot matter (specs/physics.md, "Within a stated error"): from many terms at once to
// fewer, each test with kWidth pixels, orientations or groups of wavelengths as the vector, and then the terms that are
// left. Nothing here depends on a pixel's neighbours. A part of kernel.inl.

constexpr int kMostLines = 8 * kWidth * kWidth;  // wavelengths that are tested together
constexpr int kFewLines = kWidth / 4 + 1;        // fewer are taken one by one
constexpr int kMostGroups = kMostLines / kWidth;
constexpr int kFewTurns = 2 * kWidth;  // so few orientations are tested together only

// What each pixel of a chunk may still lose, and how it went.
struct Allowance {
    alignas(64) double left[kChunk], given[kChunk];  // as sums of terms; infinite for pixels that nobody sees
    int64_t shares = 0, calls = 0;                   // in all, and still to be given
    int64_t terms = 0;                               // that were evaluated
    double work = 0;                                 // evaluations of a register that would take as long (estimated)
};

// ---- evaluations ------------------------------------------------------------------------------------------

// Two registers for kWidth numbers: the first half and the second, or even and odd ones.
struct Halves {
    Doubles first, second;
};
NANOBRAGG_FN Halves operator*(const Halves& x, double y) { return {x.first * y, x.second * y}; }

// kWidth terms at a time; the lanes' sums.
template <class Lattice, bool mixed>
struct Evaluator {
    // Shapes that depend on a radius, and double precision, take pixels in two halves; phases take even and odd ones.
    static constexpr bool radial = !same<typename RadiiOf<Lattice>::Type, void>;
    static constexpr bool alternates = mixed && !radial;

    const KernelScene& s;
    const bool grid;
    Nearest known{};
    Singles part{};
    Halves sum{};
    int terms = 0;

    explicit Evaluator(const KernelScene& scene)
        : s(scene), grid(scene.f_shape[0] * scene.f_shape[1] * scene.f_shape[2] > 0) {
        known.h = Unsigned{} + 0x80000000u;  // no index is that small
        known.f_squared = filled<Singles>((float)(s.default_F * s.default_F));
    }

    static NANOBRAGG_FN_MEMBER Halves arranged(Doubles first, Doubles second) {
        if constexpr (alternates) return {even_of(first, second), odd_of(first, second)};
        return {first, second};
    }
    static NANOBRAGG_FN_MEMBER double unit(const KernelScene& scene) {
        if constexpr (mixed) return Lattice::mixed_unit(scene);
        return Lattice::unit(scene);
    }
    // Weights stay in their order.
    NANOBRAGG_FN_MEMBER void add(Halves h, Halves k, Halves l, Doubles weight, Doubles second_weight) {
        if constexpr (mixed) {
            part += singles_of(weight, second_weight) * value(h, k, l);
            if (++terms == kMostTerms) join();
        } else {
            sum.first += weight * value(h.first, k.first, l.first);
            sum.second += second_weight * value(h.second, k.second, l.second);
        }
    }
    NANOBRAGG_FN_MEMBER void join() {
        if constexpr (mixed) {
            sum.first += first_half(part);
            sum.second += second_half(part);
            part = Singles{};
            terms = 0;
        }
    }
    NANOBRAGG_FN_MEMBER double all() {
        join();
        double total = 0;
        for (int i = 0; i < kHalf; ++i) total += sum.first[i];
        for (int i = 0; i < kHalf; ++i) total += sum.second[i];
        sum = Halves{};
        return total;
    }

  private:
    // Looks up F^2 where it is not known yet.
    NANOBRAGG_FN_MEMBER void structure(Unsigned h, Unsigned k, Unsigned l, uint32_t bias) {
        if (any_of((h ^ known.h) | (k ^ known.k) | (l ^ known.l))) {
            known = {h, k, l, gathered(s.f_sqr_grid, grid_place_of(s, h, k, l, bias))};
        }
    }
    static NANOBRAGG_FN_MEMBER Unsigned nearest(Halves index) {
        return (Unsigned)wholes_in(nearest_whole(index.first) + kRoundingSum,
                                   nearest_whole(index.second) + kRoundingSum);
    }
    NANOBRAGG_FN_MEMBER Singles value(Halves h, Halves k, Halves l) {
        if constexpr (radial) {
            using Radii = typename RadiiOf<Lattice>::Type;
            if (grid) structure(nearest(h), nearest(k), nearest(l), 0);
            const Doubles first = radius_at<Radii>(s, h.first, k.first, l.first),
                          second = radius_at<Radii>(s, h.second, k.second, l.second);
            return known.f_squared * (Radii::squared(Radii::kept(first, second)) * Radii::kUnit);
        } else {
            const Halves a{h.first + kNearestShift, h.second + kNearestShift},
                b{k.first + kNearestShift, k.second + kNearestShift},
                c{l.first + kNearestShift, l.second + kNearestShift};
            if (grid) {
                structure(wholes_of(a.first, a.second), wholes_of(b.first, b.second), wholes_of(c.first, c.second),
                          (uint32_t)kPhaseShiftBits);
            }
            return known.f_squared * Lattice::squared_mixed(s, phases_beside(a.first, a.second),
                                                            phases_beside(b.first, b.second),
                                                            phases_beside(c.first, c.second));
        }
    }
    NANOBRAGG_FN_MEMBER Doubles value(Doubles h, Doubles k, Doubles l) {
        const Doubles h0 = nearest_whole(h), k0 = nearest_whole(k), l0 = nearest_whole(l);
        Doubles f = filled<Doubles>(s.default_F);
        if (grid) {
            const Doubles place = grid_number(s, h0, k0, l0);
            for (int i = 0; i < kHalf; ++i) f[i] = place[i] < 0 ? s.default_F : s.f_grid[(int64_t)place[i]];
        }
        return f * f * Lattice::squared(s, h - h0, k - k0, l - l0);
    }
};

// ---- what is tested together ------------------------------------------------------------------------------

// Wavelengths of a beam.
template <class Evaluate>
struct Lines {
    int count, groups, registers;                                 // groups of kWidth, and registers full of groups
    float middle, half, most;                                     // of all 1/wavelength; the largest
    float weight;                                                 // of all together, at most
    alignas(64) double inverse[kMostLines], weights[kMostLines];  // arranged; in order, 0 behind the last
    alignas(64) float group_middle[kMostGroups], group_half[kMostGroups], group_weight[kMostGroups];

    Lines(const KernelSource* sources, int number) : count(number), groups((number + kWidth - 1) / kWidth) {
        registers = (groups + kWidth - 1) / kWidth;
        double low = sources[0].inverse_wavelength, high = low, all = 0;
        for (int g = 0; g < groups; ++g) {
            double least = sources[g * kWidth].inverse_wavelength, largest = least, sum = 0;
            alignas(64) double own[kWidth];
            for (int i = 0; i < kWidth; ++i) {
                const int at = g * kWidth + i < number ? g * kWidth + i : number - 1;
                own[i] = sources[at].inverse_wavelength;
                weights[g * kWidth + i] = g * kWidth + i < number ? sources[at].weight : 0.0;
                sum += absolute(weights[g * kWidth + i]);
                least = own[i] < least ? own[i] : least;
                largest = own[i] > largest ? own[i] : largest;
            }
            const Halves order = Evaluate::arranged(doubles_at(own), doubles_at(own + kHalf));
            doubles_at(inverse + g * kWidth) = order.first;
            doubles_at(inverse + g * kWidth + kHalf) = order.second;
            put(least, largest, sum, group_middle[g], group_half[g], group_weight[g]);
            low = least < low ? least : low;
            high = largest > high ? largest : high;
            all += sum;
        }
        for (int g = groups; g < registers * kWidth; ++g) {
            group_middle[g] = group_middle[0];
            group_half[g] = group_half[0];
            group_weight[g] = 0;
        }
        put(low, high, all, middle, half, weight);
        most = (float)(high * (1 + 1e-6));
    }

  private:
    static NANOBRAGG_FN_MEMBER void put(double low, double high, double sum, float& mid, float& span, float& total) {
        mid = (float)((low + high) / 2);
        span = (float)((high - low) / 2 * (1 + 1e-4) + 1e-7 * high);
        total = (float)(sum * (1 + 1e-4));
    }
};

// Matrices between which some orientations lie: the middle, and how far any is from it.
struct Range {
    float middle[9], away[9];

    NANOBRAGG_FN_MEMBER void span(const double* orientations, int count, const double* longest) {
        for (int i = 0; i < 9; ++i) {
            double low = orientations[i], high = low;
            for (int m = 1; m < count; ++m) {
                const double x = orientations[9 * m + i];
                low = x < low ? x : low;
                high = x > high ? x : high;
            }
            middle[i] = (float)((low + high) / 2);
            // The rounding of indices is an axis no shorter than any.
            away[i] = (float)((high - low) / 2 * (1 + 1e-4) + kIndexRounding * longest[i / 3]);
        }
    }
};

// Indices times the wavelength of kWidth rays, in the middle of a range, and how far they may be from it.
struct Reach {
    Singles x, y, z;  // directions less the incident one
    NANOBRAGG_FN_MEMBER void along(const float* axis, Singles& out) const {
        out = axis[0] * x + (axis[1] * y + axis[2] * z);
    }
    NANOBRAGG_FN_MEMBER void away(const float* axis, Singles& out) const {
        out = axis[0] * absolute(x) + (axis[1] * absolute(y) + axis[2] * absolute(z));
    }
};

// Some orientations at all wavelengths.
template <class Evaluate>
NANOBRAGG_FN Boxes boxes_of(const Range& range, const Reach& to, const Lines<Evaluate>& lines) {
    Boxes out;
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) {
        Singles middle, away;
        to.along(range.middle + 3 * i, middle);
        to.away(range.away + 3 * i, away);
        out.at[i] = middle * lines.middle;
        out.span[i] = absolute(middle) * lines.half + away * lines.most + kIndexSlack;
    }
    return out;
}

// Rays that have something to evaluate, packed.
struct Packed {
    int count = 0;
    int number[kChunk + kWidth];  // pixels of the chunk
    alignas(64) double x[kChunk + kWidth], y[kChunk + kWidth], z[kChunk + kWidth];
    alignas(64) float structure[kChunk + kWidth], allowed[kChunk + kWidth];

    // Fills the last register with copies that may lose everything.
    void fill() {
        for (int i = count; i % kWidth != 0; ++i) {
            number[i] = number[count - 1];
            x[i] = x[count - 1];
            y[i] = y[count - 1];
            z[i] = z[count - 1];
            structure[i] = 0;
            allowed[i] = 1e30f;
        }
    }
    NANOBRAGG_FN_MEMBER Reach reach(int p) const {
        return {singles_of(doubles_at(x + p), doubles_at(x + p + kHalf)),
                singles_of(doubles_at(y + p), doubles_at(y + p + kHalf)),
                singles_of(doubles_at(z + p), doubles_at(z + p + kHalf))};
    }
};

// ---- the sweep --------------------------------------------------------------------------------------------

template <class Lattice, bool mixed>
struct SweepWithin {
    using Evaluate = Evaluator<Lattice, mixed>;
    static constexpr double kTerm = mixed ? 1.3 : 2.6;  // work of kWidth terms

    const KernelScene& s;
    const Bounds& bounds;
    const Beamline& line;
    const int n;
    double* acc;
    Allowance& allowance;
    const double unit = Evaluate::unit(s);

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

    SweepWithin(const KernelScene& scene, const Bounds& b, const Beamline& beamline, int number, double* sums,
                Allowance& allow)
        : s(scene), bounds(b), line(beamline), n(number), acc(sums), allowance(allow) {
        for (int p = 0; p < n; p += kHalf) {
            const Ray<Doubles> ray = ray_of(line.rays, p);
            doubles_at(ray_x + p) = ray.x - line.incident[0];
            doubles_at(ray_y + p) = ray.y - line.incident[1];
            doubles_at(ray_z + p) = ray.z - line.incident[2];
        }
    }

    void run() {
        for (int64_t m = 0; m < s.orientation_count; m += kOrientationBatch) {
            const int64_t rest = s.orientation_count - m;
            turned = rest < kOrientationBatch ? (int)rest : kOrientationBatch;
            turns = bounds.orientations + 9 * m;
            all.span(turns, turned, bounds.longest);
            const bool few = line.count < kFewLines, by_block = few && line.rays.straight && unlike();
            few && !by_block ? prepare_registers() : prepare_singles();
            const int64_t most = few ? 1 : kMostLines;
            for (int64_t w = 0; w < line.count; w += most) {
                const int64_t lines_left = line.count - w;
                const Lines<Evaluate> lines(line.sources + w, (int)(lines_left < most ? lines_left : most));
                if (by_block) {
                    for (int p = 0; p < n; p += kWidth * kWidth) blocks(lines, p);
                    --allowance.calls;
                    continue;
                }
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
        }
    }

  private:
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
                const Halves order = Evaluate::arranged(doubles_at(own), doubles_at(own + kHalf));
                doubles_at(in_registers + 9 * m + i * kWidth) = order.first;
                doubles_at(in_registers + 9 * m + i * kWidth + kHalf) = order.second;
            }
        }
    }

    // Whether the orientations of the batch differ so much that no test of all together can hold.
    bool unlike() const {
        bool wide = true;
        for (int i = 0; i < 3; ++i) {
            const float* away = all.away + 3 * i;
            const float* mid = all.middle + 3 * i;
            const float length = away[0] * away[0] + away[1] * away[1] + away[2] * away[2],
                        most = mid[0] * mid[0] + mid[1] * mid[1] + mid[2] * mid[2];
            wide &= length > 0.04f * (most + length);
        }
        return wide;
    }

    // kWidth blocks of kWidth pixels of a straight row: the ray to the middle of each, how it changes to its ends along
    // the row, and what is left of that (m of path over m of distance: the second derivative of a direction along a
    // straight line is at most 2/sqrt(3) over the distance squared).
    struct Blocks {
        Reach to, along;
        Singles rest, allowed;
        int count;
    };
    Blocks blocks_at(int p) const {
        Blocks out;
        const Row& row = line.rays.row;
        const double half = 0.5 * (kWidth - 1), reach = half * length3(row.step);
        Halves at[3], change[3], rest;
        for (int part = 0; part < 2; ++part) {
            const Doubles number = (kCount + (double)(part * kHalf)) * (double)kWidth + ((double)p + half + row.first);
            Doubles to[3];
            for (int i = 0; i < 3; ++i) to[i] = row.start[i] + number * row.step[i];
            const Doubles inverse = inverse_root(to[0] * to[0] + to[1] * to[1] + to[2] * to[2]);
            for (Doubles& each : to) each *= inverse;
            const Doubles along = to[0] * row.step[0] + to[1] * row.step[1] + to[2] * row.step[2];
            for (int i = 0; i < 3; ++i) {
                (part == 0 ? at[i].first : at[i].second) = to[i] - line.incident[i];
                (part == 0 ? change[i].first : change[i].second) = (row.step[i] - to[i] * along) * (inverse * half);
            }
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
        const double share = 1.0 / ((double)allowance.shares * unit_ratio());
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
    // What a block's pixels add to half the width of its boxes.
    NANOBRAGG_FN_MEMBER void widen(const Blocks& to, const float* middle, const float* away, float most,
                                   Boxes& boxes) const {
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) {
            Singles along, more;
            to.along.along(middle + 3 * i, along);
            to.along.away(away + 3 * i, more);
            boxes.span[i] +=
                (absolute(along) * 1.00001f + more + to.rest * (float)(bounds.longest[i] * 1.00001)) * most;
        }
    }

    // All orientations of the batch at all wavelengths: pixels that they may matter for are packed.
    void screen(const Lines<Evaluate>& lines) {
        packed.count = 0;
        const float together = lines.weight * (float)turned;
        for (int p = 0; p < n; p += kWidth * kWidth) {
            const int count = n - p < kWidth * kWidth ? (n - p) / kWidth : kWidth;
            uint32_t kept = (1u << count) - 1;
            if (line.rays.straight) {
                const Blocks to = blocks_at(p);
                Boxes boxes = boxes_of(all, to.to, lines);
                widen(to, all.middle, all.away, lines.most, boxes);
                const Singles most = most_lattice<Lattice>(bounds, boxes) * most_structure(bounds, boxes) * together;
                const uint32_t matter = kept & bits_of(~(most <= to.allowed));
                for (uint32_t gone = kept & ~matter; gone != 0; gone &= gone - 1) {
                    const int b = __builtin_ctz(gone);
                    spend_block(p + b * kWidth, most[b]);
                }
                kept = matter;
                allowance.work += 5;
            }
            for (; kept != 0; kept &= kept - 1) screen_pixels(lines, p + __builtin_ctz(kept) * kWidth, together);
        }
        if (packed.count > 0) packed.fill();
    }
    void screen_pixels(const Lines<Evaluate>& lines, int p, float together) {
        const double share = 1.0 / ((double)allowance.calls * unit_ratio());
        const Doubles left = doubles_at(allowance.left + p), left_on = doubles_at(allowance.left + p + kHalf);
        const Singles allowed = singles_of(left * share, left_on * share);
        if (!any_of(allowed <= __FLT_MAX__)) return;
        const auto of = [&](const double* values) {
            return singles_of(doubles_at(values + p), doubles_at(values + p + kHalf));
        };
        const Boxes boxes = boxes_of(all, {of(ray_x), of(ray_y), of(ray_z)}, lines);
        Singles most = most_lattice<Lattice>(bounds, boxes) * together;
        Singles structure = filled<Singles>(bounds.largest);
        uint32_t kept = bits_of(~(most * structure <= allowed));
        if (kept != 0) {
            structure = most_structure(bounds, boxes);
            kept = bits_of(~(most * structure <= allowed));
        }
        most *= structure;
        allowance.work += 3;
        spend(p, most <= allowed ? most : Singles{});
        for (; kept != 0; kept &= kept - 1) {
            const int j = __builtin_ctz(kept), at = packed.count++;
            packed.number[at] = p + j;
            packed.x[at] = ray_x[p + j];
            packed.y[at] = ray_y[p + j];
            packed.z[at] = ray_z[p + j];
            packed.structure[at] = structure[j];
            packed.allowed[at] = allowed[j];
        }
    }

    // Orientations that have nothing in common, at one wavelength: for each block of pixels those that may matter.
    void blocks(const Lines<Evaluate>& lines, int p) {
        const Blocks to = blocks_at(p);
        uint32_t seen = bits_of(to.allowed < __FLT_MAX__) & ((1u << to.count) - 1);
        if (seen == 0) return;
        const Singles length = (absolute(to.to.x) + absolute(to.to.y) + absolute(to.to.z)) * kIndexRounding;
        Singles slack[3];
        for (int i = 0; i < 3; ++i) {
            slack[i] = (length + to.rest) * (lines.most * (float)(bounds.longest[i] * 1.00001)) + kIndexSlack;
        }
        Ladder ladder(to.allowed, turned);
        for (int m = 0; m < turned; ++m) {
            Boxes boxes;
            NANOBRAGG_UNROLL
            for (int i = 0; i < 3; ++i) {
                Singles index, along;
                to.to.along(single + 9 * m + 3 * i, index);
                to.along.along(single + 9 * m + 3 * i, along);
                boxes.at[i] = index * lines.middle;
                boxes.span[i] = absolute(index) * lines.half + absolute(along) * (lines.most * 1.00001f) + slack[i];
            }
            Singles now = most_lattice<Lattice>(bounds, boxes) * lines.weight;
            now *= most_structure(bounds, boxes);
            singles_at(bound + m * kWidth) = now;
            ladder.add(now);
        }
        allowance.work += 2.5 * turned;
        Singles spent;
        const Singles threshold = ladder.choose(to.allowed, spent);
        collect(turned, threshold);
        for (; seen != 0; seen &= seen - 1) {
            const int b = __builtin_ctz(seen);
            spend_block(p + b * kWidth, spent[b]);
            if (listed[b] > 0) block(lines, p + b * kWidth, list[b], listed[b]);
        }
    }
    void spend_block(int p, double most) {
        const double lost = most * (unit_ratio() * (1 + 1e-4));
        for (int j = 0; j < kWidth; j += kHalf) doubles_at(allowance.left + p + j) -= lost;
    }
    // The terms of some orientations in a block of pixels.
    void block(const Lines<Evaluate>& lines, int p, const uint16_t* own, int count) {
        const Evaluate evaluate =
            of_pixels(lines, ray_x + p, ray_y + p, ray_z + p, count, [&](int i) { return (int)own[i]; });
        int seen = 0;
        for (int j = 0; j < kWidth; ++j) {
            acc[p + j] += unit * (j < kHalf ? evaluate.sum.first[j] : evaluate.sum.second[j - kHalf]);
            seen += allowance.left[p + j] < __builtin_inf() ? 1 : 0;
        }
        allowance.terms += (int64_t)count * seen;
        allowance.work += kTerm * count;
    }
    // Of kWidth pixels with these directions: which(i) are the orientations.
    template <class Which>
    Evaluate of_pixels(const Lines<Evaluate>& lines, const double* to_x, const double* to_y, const double* to_z,
                       int count, const Which& which) const {
        const Halves ax = Evaluate::arranged(doubles_at(to_x), doubles_at(to_x + kHalf)),
                     ay = Evaluate::arranged(doubles_at(to_y), doubles_at(to_y + kHalf)),
                     az = Evaluate::arranged(doubles_at(to_z), doubles_at(to_z + kHalf));
        const double scale = line_inverse(lines);
        const Doubles weight = filled<Doubles>(line_weight(lines));
        Evaluate evaluate(s);
        for (int i = 0; i < count; ++i) {
            const double* o = turns + 9 * which(i);
            const auto index = [&](const double* axis) {
                const double u = axis[0] * scale, v = axis[1] * scale, w = axis[2] * scale;
                return Halves{u * ax.first + (v * ay.first + w * az.first),
                              u * ax.second + (v * ay.second + w * az.second)};
            };
            evaluate.add(index(o), index(o + 3), index(o + 6), weight, weight);
        }
        evaluate.join();
        return evaluate;
    }

    // Allowances are sums of terms; bounds are in the lattice's unit without the scale of mixed sums.
    double unit_ratio() const { return Lattice::unit(s); }
    void spend(int p, Singles most) {
        const double unit_of_bounds = unit_ratio() * (1 + 1e-4);
        doubles_at(allowance.left + p) -= first_half(most) * unit_of_bounds;
        doubles_at(allowance.left + p + kHalf) -= second_half(most) * unit_of_bounds;
    }
    void spend(int at, double most) { allowance.left[packed.number[at]] -= most * (unit_ratio() * (1 + 1e-4)); }

    // Few orientations: the pixels that are left are the vector.
    void pixels(const Lines<Evaluate>& lines, int p) {
        const Evaluate evaluate =
            of_pixels(lines, packed.x + p, packed.y + p, packed.z + p, turned, [](int i) { return i; });
        const int count = packed.count - p < kWidth ? packed.count - p : kWidth;
        for (int j = 0; j < count; ++j) {
            acc[packed.number[p + j]] += unit * (j < kHalf ? evaluate.sum.first[j] : evaluate.sum.second[j - kHalf]);
        }
        allowance.terms += (int64_t)turned * count;
        allowance.work += kTerm * turned;
    }
    static double line_inverse(const Lines<Evaluate>& lines) { return lines.inverse[0]; }
    static double line_weight(const Lines<Evaluate>& lines) { return lines.weights[0]; }

    // Many orientations: tested, and evaluated, kWidth at a time.
    void registers(const Lines<Evaluate>& lines, int p) {
        const int tests = (turned + kWidth - 1) / kWidth;
        const Reach to = packed.reach(p);
        const Singles allowed = singles_at(packed.allowed + p);
        const Singles most = singles_at(packed.structure + p) * (lines.weight * (float)kWidth);
        Ladder ladder(allowed, tests);
        for (int t = 0; t < tests; ++t) {
            const Singles now = most_lattice<Lattice>(bounds, boxes_of(alike[t], to, lines)) * most;
            singles_at(bound + t * kWidth) = now;
            ladder.add(now);
        }
        allowance.work += 1.5 * tests;
        Singles spent;
        const Singles threshold = ladder.choose(allowed, spent);
        collect(tests, threshold);
        const double scale = line_inverse(lines);
        for (int j = 0; j < kWidth && p + j < packed.count; ++j) {
            spend(p + j, spent[j]);
            if (listed[j] == 0) continue;
            const double x = packed.x[p + j] * scale, y = packed.y[p + j] * scale, z = packed.z[p + j] * scale;
            Evaluate evaluate(s);
            int64_t terms = 0;
            for (int i = 0; i < listed[j]; ++i) {
                const int m = list[j][i] * kWidth;
                const double* o = in_registers + 9 * m;
                const auto index = [&](const double* axis) {
                    return Halves{
                        doubles_at(axis) * x + (doubles_at(axis + kWidth) * y + doubles_at(axis + 2 * kWidth) * z),
                        doubles_at(axis + kHalf) * x +
                            (doubles_at(axis + kWidth + kHalf) * y + doubles_at(axis + 2 * kWidth + kHalf) * z)};
                };
                const int count = turned - m < kWidth ? turned - m : kWidth;
                const double weight = line_weight(lines);
                const Doubles first = kCount < (double)count ? filled<Doubles>(weight) : Doubles{},
                              second = kCount < (double)(count - kHalf) ? filled<Doubles>(weight) : Doubles{};
                evaluate.add(index(o), index(o + 3 * kWidth), index(o + 6 * kWidth), first, second);
                terms += count;
            }
            allowance.terms += terms;
            allowance.work += kTerm * listed[j] + 2;
            acc[packed.number[p + j]] += unit * evaluate.all();
        }
    }

    // A spectrum: each orientation at all wavelengths, then groups of kWidth wavelengths, which are evaluated together.
    void spectra(const Lines<Evaluate>& lines, int p) {
        const Reach to = packed.reach(p);
        const Singles allowed = singles_at(packed.allowed + p), share = allowed * 0.5f;
        const Singles most = singles_at(packed.structure + p) * lines.weight;
        const Singles length = (absolute(to.x) + absolute(to.y) + absolute(to.z)) * (kIndexRounding * lines.most);
        Singles slack[3];
        for (int i = 0; i < 3; ++i) slack[i] = length * (float)(bounds.longest[i] * (1 + 1e-6)) + kIndexSlack;
        Ladder ladder(share, turned);
        for (int m = 0; m < turned; ++m) {
            Boxes boxes;
            NANOBRAGG_UNROLL
            for (int i = 0; i < 3; ++i) {
                Singles index;
                to.along(single + 9 * m + 3 * i, index);
                boxes.at[i] = index * lines.middle;
                boxes.span[i] = absolute(index) * lines.half + slack[i];
            }
            const Singles now = most_lattice<Lattice>(bounds, boxes) * most;
            singles_at(bound + m * kWidth) = now;
            ladder.add(now);
        }
        allowance.work += 1.5 * turned;
        Singles spent;
        const Singles threshold = ladder.choose(share, spent);
        collect(turned, threshold);
        for (int j = 0; j < kWidth && p + j < packed.count; ++j) {
            double gone = spent[j];
            if (listed[j] > 0) {
                const float own_slack[3] = {slack[0][j], slack[1][j], slack[2][j]};
                gone += groups(lines, p + j, list[j], listed[j], own_slack, (allowed[j] - spent[j] * 1.0001f));
            }
            spend(p + j, gone);
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

    // Groups of wavelengths of one pixel and some orientations; returns what was left out.
    double groups(const Lines<Evaluate>& lines, int at, const uint16_t* own, int count, const float* slack,
                  float allowed) {
        const double x = packed.x[at], y = packed.y[at], z = packed.z[at];
        Ladder ladder(filled<Singles>(allowed), (int64_t)count * lines.groups);
        for (int i = 0; i < count; ++i) {
            const double* o = turns + 9 * own[i];
            float index[3];
            for (int a = 0; a < 3; ++a) index[a] = (float)(o[3 * a] * x + (o[3 * a + 1] * y + o[3 * a + 2] * z));
            for (int r = 0; r < lines.registers; ++r) {
                const Singles middle = singles_at(lines.group_middle + r * kWidth),
                              half = singles_at(lines.group_half + r * kWidth);
                Boxes boxes;
                NANOBRAGG_UNROLL
                for (int a = 0; a < 3; ++a) {
                    boxes.at[a] = index[a] * middle;
                    boxes.span[a] = absolute(index[a]) * half + slack[a];
                }
                const Singles now = most_lattice<Lattice>(bounds, boxes) * most_structure(bounds, boxes) *
                                    singles_at(lines.group_weight + r * kWidth);
                group_bound[i * lines.registers + r] = now;
                ladder.add(now);
            }
        }
        allowance.work += 2.5 * count * lines.registers;
        float spent;
        const float threshold = ladder.choose_one(allowed, spent);
        Evaluate evaluate(s);
        int64_t terms = 0, kept_groups = 0;  // locals, so that nothing else is loaded again
        for (int i = 0; i < count; ++i) {
            const double* o = turns + 9 * own[i];
            double index[3];
            bool known = false;
            for (int r = 0; r < lines.registers; ++r) {
                uint32_t kept = bits_of(~(group_bound[i * lines.registers + r] <= threshold));
                if (kept == 0) continue;
                if (!known) {
                    for (int a = 0; a < 3; ++a) index[a] = o[3 * a] * x + (o[3 * a + 1] * y + o[3 * a + 2] * z);
                    known = true;
                }
                for (; kept != 0; kept &= kept - 1) {
                    const int g = __builtin_ctz(kept) + r * kWidth;
                    if (g >= lines.groups) break;
                    const Halves near{doubles_at(lines.inverse + g * kWidth),
                                      doubles_at(lines.inverse + g * kWidth + kHalf)};
                    evaluate.add(near * index[0], near * index[1], near * index[2],
                                 doubles_at(lines.weights + g * kWidth),
                                 doubles_at(lines.weights + g * kWidth + kHalf));
                    const int rest = lines.count - g * kWidth;
                    terms += rest < kWidth ? rest : kWidth;
                    ++kept_groups;
                }
            }
        }
        allowance.terms += terms;
        allowance.work += kTerm * (double)kept_groups;
        acc[packed.number[at]] += unit * evaluate.all();
        return spent;
    }
};

// Shares that a beam's sweep gives.
int64_t shares_of(const KernelScene& s, int64_t lines) {
    const int64_t most = lines < kFewLines ? 1 : kMostLines;
    return (lines + most - 1) / most * ((s.orientation_count + kOrientationBatch - 1) / kOrientationBatch);
}

// acc += sum over orientations and wavelengths, less what may be left out.
template <class Lattice, bool mixed>
void sweep_within(const KernelScene& s, const Bounds& bounds, const Beamline& line, int n, Allowance& allowance,
                  double* acc) {
    SweepWithin<Lattice, mixed> sweep(s, bounds, line, n, acc, allowance);
    sweep.run();
}

// What each pixel of a chunk may lose: the tolerance over the photons that a sum of 1 becomes at most.
void allow(const Chunk& c, const ChunkTask& task, const Rays& centre, double unit, Allowance& out) {
    const KernelScene& s = c.scene;
    const KernelPanel& g = c.panel;
    const Bounds& b = *task.bounds;
    // Whatever belongs to a pixel is no farther from its centre than this (m).
    double reach = b.depth * length3(g.normal);
    reach += 0.5 * (absolute(g.pixel_fast) * length3(g.fast) + absolute(g.pixel_slow) * length3(g.slow));
    const double area = s.point_pixel ? 1.0 : absolute(g.pixel_area * g.close_distance);
    // Of sums that rounding makes a little wrong.
    const double tolerance = b.tolerance * (1 - 2e-3);
    const Doubles most = filled<Doubles>(1e30 * unit);
    for (int p = 0; p < c.n; p += kHalf) {
        const Ray<Doubles> ray = ray_of(centre, p);
        const Doubles angle = ray.inverse * reach, near = ray.inverse / (1.0 - angle);
        const Doubles solid = near * near * area * (s.point_pixel ? filled<Doubles>(1.0) : near);
        Doubles left = tolerance / (b.photons * solid);
        left = left < most ? left : most;
        // Where a pixel is next to the sample, or not seen from the front all over, there is no bound.
        auto sound = (angle < 0.5) & (ray.inverse > 0.0) & (b.photons * solid >= 0.0);
        if (s.capture != Factor::off) sound &= ray.along(g.normal) > 4.0 * angle * (1 + length3(g.normal));
        doubles_at(out.given + p) = sound ? left : Doubles{};
    }
    for (int p = 0; p < c.n; ++p) out.left[p] = __builtin_inf();
    for (int p = 0; p < task.count; ++p) out.left[task.lead + p] = out.given[task.lead + p];
    for (int p = 0; p < task.count && task.mask != nullptr; ++p) {
        if (task.mask[p] == 0) out.left[task.lead + p] = __builtin_inf();
    }
}

// The largest part of the tolerance that was used up in any pixel.
double used_up(const ChunkTask& task, const Allowance& allowance) {
    double most = 0;
    for (int p = task.lead; p < task.lead + task.count; ++p) {
        if (!(allowance.left[p] < (1.0 - most) * allowance.given[p])) continue;
        // Sums are right to a thousandth, and the rest of the tolerance is for that.
        const double used = (1.0 - allowance.left[p] / allowance.given[p]) * (1 - 1e-3);
        most = used > most ? used : most;
    }
    return most;
}

using WithinSweep = void (*)(const KernelScene&, const Bounds&, const Beamline&, int, Allowance&, double*);
