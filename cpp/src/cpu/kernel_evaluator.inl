// Terms that are evaluated one register at a time, where sweeps take them as they come. A part of kernel.inl.

// Two registers for kWidth numbers: the first half and the second, or even and odd ones.
// (No member gives one number of the two: whose address is taken leaves the registers, and sweeps in double precision
// then take half as long again.)
struct Halves {
    Doubles first, second;
};
NANOBRAGG_FN Singles singles_from(const double* values) {
    return singles_of(doubles_at(values), doubles_at(values + kHalf));
}
// As Evaluator wants them (its `alternates`).
NANOBRAGG_FN Halves arranged(Doubles first, Doubles second, bool alternates) {
    if (alternates) return {even_of(first, second), odd_of(first, second)};
    return {first, second};
}
NANOBRAGG_FN Halves operator*(const Halves& x, double y) { return {x.first * y, x.second * y}; }

// kWidth terms at a time; the lanes' sums.
template <class Lattice, bool mixed>
struct Evaluator {
    // Shapes that depend on a radius, and double precision, take pixels in two halves; phases take even and odd ones.
    static constexpr bool radial = !same<typename RadiiOf<Lattice>::Type, void>;
    static constexpr bool alternates = mixed && !radial;
    static constexpr double kWork = mixed ? 1.3 : 2.6;  // what kWidth terms take (Allowance)

    const KernelScene& s;
    const Lookup lookup;  // tricubic in double precision only
    Nearest known{};
    Singles part{};
    Halves sum{};
    int terms = 0;

    Evaluator(const KernelScene& scene, Lookup from) : s(scene), lookup(from) {
        known.h = Unsigned{} + 0x80000000u;  // no index is that small
        known.f_squared = filled<Singles>((float)(s.default_F * s.default_F));
    }

    static NANOBRAGG_FN_MEMBER double unit(const KernelScene& scene) {
        if constexpr (mixed) return Lattice::mixed_unit(scene);
        return Lattice::unit(scene);
    }
    // F^2 of the next terms, which are not to be looked up then: in single precision.
    NANOBRAGG_FN_MEMBER void know(Singles f_squared) { known.f_squared = f_squared; }
    // Weights stay in their order.
    template <bool look = true>
    NANOBRAGG_FN_MEMBER void add(Halves h, Halves k, Halves l, Doubles weight, Doubles second_weight) {
        if constexpr (mixed) {
            part += singles_of(weight, second_weight) * value<look>(h, k, l);
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
    template <bool look>
    NANOBRAGG_FN_MEMBER Singles value(Halves h, Halves k, Halves l) {
        if constexpr (radial) {
            using Radii = typename RadiiOf<Lattice>::Type;
            if (look && lookup == Lookup::nearest) structure(nearest(h), nearest(k), nearest(l), 0);
            const Doubles first = radius_at<Radii>(s, h.first, k.first, l.first),
                          second = radius_at<Radii>(s, h.second, k.second, l.second);
            return known.f_squared * (Radii::squared(Radii::kept(first, second)) * Radii::kUnit);
        } else {
            const Halves a{h.first + kNearestShift, h.second + kNearestShift},
                b{k.first + kNearestShift, k.second + kNearestShift},
                c{l.first + kNearestShift, l.second + kNearestShift};
            if (look && lookup == Lookup::nearest) {
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
        if (lookup == Lookup::tricubic) {
            f = cubic_factors(s, h, k, l);
        } else if (lookup == Lookup::nearest) {
            const Doubles place = grid_number(s, h0, k0, l0);
            for (int i = 0; i < kHalf; ++i) f[i] = place[i] < 0 ? s.default_F : s.f_grid[(int64_t)place[i]];
        }
        return f * f * Lattice::squared(s, h - h0, k - k0, l - l0);
    }
};
