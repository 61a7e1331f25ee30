// Sweeps that leave out what cannot matter (specs/physics.md, "Within a stated error"): from many terms at once to
// fewer, each test with kWidth pixels, orientations or groups of wavelengths as the vector, and then the terms that are
// left. Nothing here depends on a pixel's neighbours. A part of kernel.inl.

constexpr int kFewLines = kWidth / 4 + 1;  // fewer are taken one by one
constexpr int kFewTurns = 2 * kWidth;      // so few orientations are tested together only

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
    // Allowances are sums of terms; bounds are in the lattice's unit without the scale of mixed sums.
    const double unit_of_bounds = Lattice::unit(s), unit_of_losses = unit_of_bounds * (1 + 1e-4);

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
        const double share = 1.0 / ((double)allowance.shares * unit_of_bounds);
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
        const double share = 1.0 / ((double)allowance.calls * unit_of_bounds);
        const Doubles left = doubles_at(allowance.left + p), left_on = doubles_at(allowance.left + p + kHalf);
        const Singles allowed = singles_of(left * share, left_on * share);
        if (!any_of(allowed <= __FLT_MAX__)) return;
        const Boxes boxes =
            boxes_of(all, {singles_from(ray_x + p), singles_from(ray_y + p), singles_from(ray_z + p)}, lines);
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
        const double lost = most * unit_of_losses;
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

    void spend(int p, Singles most) {
        doubles_at(allowance.left + p) -= first_half(most) * unit_of_losses;
        doubles_at(allowance.left + p + kHalf) -= second_half(most) * unit_of_losses;
    }
    void spend_packed(int at, double most) { allowance.left[packed.number[at]] -= most * unit_of_losses; }

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
            spend_packed(p + j, spent[j]);
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

using WithinSweep = void (*)(const KernelScene&, const Bounds&, const Beamline&, int, Allowance&, double*);
