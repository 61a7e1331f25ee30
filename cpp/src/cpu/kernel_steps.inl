// What sweeps that leave out terms do for each shape: tests; and for each shape in each precision: evaluations. A part
// of kernel.inl.

// ---- tests ------------------------------------------------------------------------------------------------

template <class Lattice>
struct WithinTests {
    static Singles screen_blocks(const Within& w, const Lines& lines, const Blocks& to) {
        Boxes boxes = boxes_of(w.all, to.to, lines);
        // What a block's pixels add to half the width of its boxes.
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) {
            Singles along, more;
            to.along.along(w.all.middle + 3 * i, along);
            to.along.away(w.all.away + 3 * i, more);
            boxes.span[i] +=
                (absolute(along) * 1.00001f + more + to.rest * (float)(w.bounds.longest[i] * 1.00001)) * lines.most;
        }
        return most_lattice<Lattice>(w.bounds, boxes) * most_structure(w.bounds, boxes);
    }

    static void screen_pixels(Within& w, const Lines& lines, int p, float together) {
        const double share = 1.0 / ((double)w.allowance.calls * w.steps.unit_of_bounds);
        const Doubles left = doubles_at(w.allowance.left + p), left_on = doubles_at(w.allowance.left + p + kHalf);
        const Singles allowed = singles_of(left * share, left_on * share);
        if (!any_of(allowed <= __FLT_MAX__)) return;
        const Boxes boxes =
            boxes_of(w.all, {singles_from(w.ray_x + p), singles_from(w.ray_y + p), singles_from(w.ray_z + p)}, lines);
        Singles most = most_lattice<Lattice>(w.bounds, boxes) * together;
        Singles structure = filled<Singles>(w.bounds.largest);
        const auto sure = most * structure <= allowed;
        uint32_t kept = bits_of(~sure);
        if (kept != 0) {
            // Not for pixels that did without: what one spends must not depend on its neighbours.
            structure = sure ? structure : most_structure(w.bounds, boxes);
            kept = bits_of(~(most * structure <= allowed));
        }
        most *= structure;
        w.allowance.work += 3;
        w.spend(p, most <= allowed ? most : Singles{});
        Packed& packed = w.packed;
        for (; kept != 0; kept &= kept - 1) {
            const int j = __builtin_ctz(kept), at = packed.count++;
            packed.number[at] = p + j;
            packed.x[at] = w.ray_x[p + j];
            packed.y[at] = w.ray_y[p + j];
            packed.z[at] = w.ray_z[p + j];
            packed.structure[at] = structure[j];
            packed.allowed[at] = allowed[j];
        }
    }

    static Singles test_registers(Within& w, const Lines& lines, int p, Singles& spent) {
        const int tests = (w.turned + kWidth - 1) / kWidth;
        const Reach to = w.packed.reach(p);
        const Singles allowed = singles_at(w.packed.allowed + p);
        const Singles most = singles_at(w.packed.structure + p) * (lines.weight * (float)kWidth);
        Ladder ladder = ladder_of(allowed, tests);
        for (int t = 0; t < tests; ++t) {
            const Singles now = most_lattice<Lattice>(w.bounds, boxes_of(w.alike[t], to, lines)) * most;
            singles_at(w.bound + t * kWidth) = now;
            ladder.add(now);
        }
        return ladder.choose(allowed, spent);
    }

    // May lose half of what the pixels may; the rest is for groups of wavelengths.
    static Singles test_spectra(Within& w, const Lines& lines, int p, Singles slack[3], Singles& spent) {
        const Reach to = w.packed.reach(p);
        const Singles share = singles_at(w.packed.allowed + p) * 0.5f;
        const Singles most = singles_at(w.packed.structure + p) * lines.weight;
        const Singles length = (absolute(to.x) + absolute(to.y) + absolute(to.z)) * (kIndexRounding * lines.most);
        Singles own_slack[3];
        for (int i = 0; i < 3; ++i) {
            slack[i] = own_slack[i] = length * (float)(w.bounds.longest[i] * (1 + 1e-6)) + kIndexSlack;
        }
        Ladder ladder = ladder_of(share, w.turned);
        for (int m = 0; m < w.turned; ++m) {
            Boxes boxes;
            NANOBRAGG_UNROLL
            for (int i = 0; i < 3; ++i) {
                Singles index;
                to.along(w.single + 9 * m + 3 * i, index);
                boxes.at[i] = index * lines.middle;
                boxes.span[i] = absolute(index) * lines.half + own_slack[i];
            }
            const Singles now = most_lattice<Lattice>(w.bounds, boxes) * most;
            singles_at(w.bound + m * kWidth) = now;
            ladder.add(now);
        }
        return ladder.choose(share, spent);
    }

    // Of the orientations that are listed for one pixel.
    static float test_groups(Within& w, const Lines& lines, int at, int lane, const float* slack, float allowed,
                             float& spent) {
        const uint16_t* own = w.list[lane];
        const int count = w.listed[lane];
        const double x = w.packed.x[at], y = w.packed.y[at], z = w.packed.z[at];
        Ladder ladder = ladder_of(filled<Singles>(allowed), (int64_t)count * lines.groups);
        for (int i = 0; i < count; ++i) {
            const double* o = w.turns + 9 * own[i];
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
                const Singles now = most_lattice<Lattice>(w.bounds, boxes) * most_structure(w.bounds, boxes) *
                                    singles_at(lines.group_weight + r * kWidth);
                w.group_bound[i * lines.registers + r] = now;
                ladder.add(now);
            }
        }
        return ladder.choose_one(allowed, spent);
    }
};

// ---- evaluations ------------------------------------------------------------------------------------------

template <class Evaluate>
struct WithinTerms {
    // Of kWidth pixels with these directions.
    static Halves of_pixels(const Within& w, const Lines& lines, const double* to[3], const uint16_t* which,
                            int count) {
        const auto along = [&](int i) {
            return arranged(doubles_at(to[i]), doubles_at(to[i] + kHalf), Evaluate::alternates) * lines.inverse[0];
        };
        const Halves ax = along(0), ay = along(1), az = along(2);
        const Doubles weight = filled<Doubles>(lines.weights[0]);
        Evaluate evaluate(w.s, w.lookup);
        for (int i = 0; i < count; ++i) {
            const double* o = w.turns + 9 * which[i];
            const auto index = [&](const double* axis) {
                return Halves{axis[0] * ax.first + (axis[1] * ay.first + axis[2] * az.first),
                              axis[0] * ax.second + (axis[1] * ay.second + axis[2] * az.second)};
            };
            evaluate.add(index(o), index(o + 3), index(o + 6), weight, weight);
        }
        evaluate.join();
        return evaluate.sum;
    }

    static void of_registers(Within& w, const Lines& lines, int p) {
        const Packed& packed = w.packed;
        const double scale = lines.inverse[0];
        for (int j = 0; j < kWidth && p + j < packed.count; ++j) {
            if (w.listed[j] == 0) continue;
            const double x = packed.x[p + j] * scale, y = packed.y[p + j] * scale, z = packed.z[p + j] * scale;
            Evaluate evaluate(w.s, w.lookup);
            int64_t terms = 0;
            for (int i = 0; i < w.listed[j]; ++i) {
                const int m = w.list[j][i] * kWidth;
                const double* o = w.in_registers + 9 * m;
                const auto index = [&](const double* axis) {
                    return Halves{
                        doubles_at(axis) * x + (doubles_at(axis + kWidth) * y + doubles_at(axis + 2 * kWidth) * z),
                        doubles_at(axis + kHalf) * x +
                            (doubles_at(axis + kWidth + kHalf) * y + doubles_at(axis + 2 * kWidth + kHalf) * z)};
                };
                const int count = w.turned - m < kWidth ? w.turned - m : kWidth;
                const double weight = lines.weights[0];
                const Doubles first = kCount < (double)count ? filled<Doubles>(weight) : Doubles{},
                              second = kCount < (double)(count - kHalf) ? filled<Doubles>(weight) : Doubles{};
                evaluate.add(index(o), index(o + 3 * kWidth), index(o + 6 * kWidth), first, second);
                terms += count;
            }
            w.allowance.terms += terms;
            w.allowance.work += w.steps.work * w.listed[j] + 2;
            w.acc[packed.number[p + j]] += w.steps.unit * evaluate.all();
        }
    }

    // Groups of wavelengths of the orientations that are listed for one pixel, where bounds are above a threshold.
    static void of_groups(Within& w, const Lines& lines, int at, int lane, float threshold) {
        const uint16_t* own = w.list[lane];
        const int count = w.listed[lane];
        const double x = w.packed.x[at], y = w.packed.y[at], z = w.packed.z[at];
        Evaluate evaluate(w.s, w.lookup);
        int64_t terms = 0, kept_groups = 0;  // locals, so that nothing else is loaded again
        for (int i = 0; i < count; ++i) {
            const double* o = w.turns + 9 * own[i];
            double index[3];
            bool known = false;
            for (int r = 0; r < lines.registers; ++r) {
                uint32_t kept = bits_of(~(w.group_bound[i * lines.registers + r] <= threshold));
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
        w.allowance.terms += terms;
        w.allowance.work += w.steps.work * (double)kept_groups;
        w.acc[w.packed.number[at]] += w.steps.unit * evaluate.all();
    }
};

// ---- the choice -------------------------------------------------------------------------------------------

template <class Lattice, bool mixed>
WithinSteps steps_of(const KernelScene& s) {
    using Tests = WithinTests<Lattice>;
    using Evaluate = Evaluator<Lattice, mixed>;
    using Terms = WithinTerms<Evaluate>;
    return {Tests::screen_blocks,
            Tests::screen_pixels,
            Tests::test_registers,
            Tests::test_spectra,
            Tests::test_groups,
            Terms::of_pixels,
            Terms::of_registers,
            Terms::of_groups,
            powder_steps_of<Lattice, Evaluate>(s),
            Evaluate::unit(s),
            Lattice::unit(s),
            Evaluate::kWork,
            Evaluate::alternates,
            mixed};
}

// Interpolation is in double precision only, and its terms take longer than all else.
WithinSteps choose_steps(const KernelScene& s, Lookup lookup, bool mixed) {
    WithinSteps steps = with_lattice(Shapes(), Formula{s.shape, -1, false}, [&](auto lattice) {
        return mixed && lookup != Lookup::tricubic ? steps_of<decltype(lattice), true>(s)
                                                   : steps_of<decltype(lattice), false>(s);
    });
    if (lookup == Lookup::tricubic) steps.work = steps.powder.work = kTricubicTerm;
    return steps;
}
