// Terms of the shapes ROUND and GAUSS along a straight row of pixels, in mixed precision, whose radius stays in double:
// pixels in pairs' order, `part` too. In two loops, since instructions that wait for each other in a long row keep a
// processor from looking ahead: what the first one keeps for the second is a type for each shape. A part of kernel.inl.

struct RoundRadii {
    // Squares of kWidth pixels' radius in single precision, and what they miss.
    struct Kept {
        Singles square, rest;
    };
    static constexpr float kUnit = kSphereUnit * kSphereUnit;  // unit of squared()

    static NANOBRAGG_FN_MEMBER Doubles of(const KernelScene& s, Doubles a, Doubles b, Doubles c) {
        return radius_squared(s, a, b, c, 1.0);
    }
    static NANOBRAGG_FN_MEMBER Kept kept(Doubles even, Doubles odd) {
        const Singles square = singles_of(even, odd);
        return {square, singles_of(even - first_half(square), odd - second_half(square))};
    }
    static NANOBRAGG_FN_MEMBER Singles squared(const Kept& at) {
        const Singles x = at.square < 1e-30f ? filled<Singles>(1e-30f) : at.square;
        const Singles inverse = inverse_root(x), length = x * inverse;
        const Singles f = sphere_transform_single(at.square, length, inverse, beyond_square(x, length) + at.rest);
        return f * f;
    }
};

struct GaussRadii {
    // Exponents of two of kWidth pixels: their whole part, and the rest.
    struct Kept {
        Phases whole;
        Singles rest;
    };
    static constexpr float kUnit = 1.0f;
    static constexpr double kLeastPower = -181.0;  // smaller Gaussians are 0

    static NANOBRAGG_FN_MEMBER Doubles of(const KernelScene& s, Doubles a, Doubles b, Doubles c) {
        const Doubles power = miss_squared(s, a, b, c) * (s.fudge * kGaussPower);
        return power < kLeastPower ? filled<Doubles>(kLeastPower) : power;
    }
    static NANOBRAGG_FN_MEMBER Kept kept(Doubles even, Doubles odd) {
        const Doubles even_sum = even + kRoundingSum, odd_sum = odd + kRoundingSum;
        return {wholes_in(even_sum, odd_sum),
                singles_of(even - (even_sum - kRoundingSum), odd - (odd_sum - kRoundingSum))};
    }
    static NANOBRAGG_FN_MEMBER Singles squared(const Kept& at) {
        const Singles value = exp2_fraction_single(at.rest) * power_of_two(at.whole + kGaussScale);
        return at.whole <= (int32_t)kLeastPower ? Singles{} : value;
    }
};

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;

// The type for a lattice, or void.
template <class Lattice>
struct RadiiOf {
    using Type = void;
};
template <>
struct RadiiOf<RoundLattice> {
    using Type = RoundRadii;
};
template <>
struct RadiiOf<GaussLattice> {
    using Type = GaussRadii;
};

template <class Radii>
NANOBRAGG_FN Doubles radius_at(const KernelScene& s, Doubles h, Doubles k, Doubles l) {
    return Radii::of(s, fraction_of(h), fraction_of(k), fraction_of(l));
}

// `out`, `radii`: n / kWidth of them.
template <class Radii>
void radial_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n,
                     typename Radii::Kept* out) {
    RowWalk walk(index, rays);
    // must vectorise: radii of a straight row
    for (int p = 0; p < n; p += kWidth) {
        const SixIndices at = walk.next(p);
        const Doubles even = radius_at<Radii>(s, at.h_even, at.k_even, at.l_even),
                      odd = radius_at<Radii>(s, at.h_odd, at.k_odd, at.l_odd);
        out[p / kWidth] = Radii::kept(even, odd);
    }
}

template <class Radii>
void add_radial(const KernelScene& s, const typename Radii::Kept* radii, int n, float weight, float* part) {
    const float factor = weight * (float)(s.default_F * s.default_F) * Radii::kUnit;
    // must vectorise: evaluations of a straight row, radial
    for (int p = 0; p < n; p += kWidth) {
        const Singles lattice = Radii::squared(radii[p / kWidth]);
        singles_at(part + p) += factor * lattice;
    }
}
