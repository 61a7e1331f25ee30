// The shapes in mixed precision: from the distances to the nearest index in double, what needs its digits there, and
// the rest in single precision. A part of slopes.inl.

// Distances of twice kHalf pixels to the nearest index.
struct MixedMiss {
    Doubles half[2][3];
    Singles all[3];
};

// of(): the value and derivatives of a shape, over unit().
template <class Slopes>
struct Mixed;

template <>
struct Mixed<SquareSlopes> {
    NANOBRAGG_FN_MEMBER Mixed(const KernelScene&, const double*) {}

    static NANOBRAGG_FN_MEMBER double unit() { return 1.0; }
    NANOBRAGG_FN_MEMBER LatticeValue<Singles> of(const KernelScene& s, const MixedMiss& miss) const {
        Grating<Singles> g[3];
        for (int i = 0; i < 3; ++i) {
            const double n = s.cells[i];
            const Singles all = miss.all[i], least = filled<Singles>(1e-12f);
            const Singles rest = singles_of(fraction_of(n * miss.half[0][i]), fraction_of(n * miss.half[1][i]));
            const auto zero = absolute(all) < least;
            g[i] = grating_of(zero ? least : all, zero ? (float)n * least : rest, n);
        }
        return SquareSlopes::of(s, g, miss.all);
    }
};

template <>
struct Mixed<RoundSlopes> {
    float squares[3];  // fudge N^2

    NANOBRAGG_FN_MEMBER Mixed(const KernelScene&, const double* shape) {
        for (int i = 0; i < 3; ++i) squares[i] = (float)shape[i];
    }

    static NANOBRAGG_FN_MEMBER double unit() { return 1.0; }
    // Far from an index the radius needs more digits than a float has, as in mixed images.
    NANOBRAGG_FN_MEMBER LatticeValue<Singles> of(const KernelScene& s, const MixedMiss& miss) const {
        const Doubles first = radius_squared(s, miss.half[0][0], miss.half[0][1], miss.half[0][2], 1.0),
                      second = radius_squared(s, miss.half[1][0], miss.half[1][1], miss.half[1][2], 1.0);
        const Singles square = singles_of(first, second),
                      missed = singles_of(first - first_half(square), second - second_half(square));
        const Singles x = square < 1e-30f ? filled<Singles>(1e-30f) : square;
        const Singles inverse = inverse_root(x), length = x * inverse, rest = beyond_square(x, length) + missed;
        const Singles value = kSphereUnit * sphere_transform_single(square, length, inverse, rest);
        const Singles slope = 2.0f * value * sphere_slope_single(square, length, inverse, rest, value);
        LatticeValue<Singles> out;
        out.squared = value * value;
        for (int i = 0; i < 3; ++i) {
            out.by_shape[i] = slope * (miss.all[i] * miss.all[i]);
            out.by_index[i] = slope * (2.0f * squares[i] * miss.all[i]);
        }
        return out;
    }
};

template <>
struct Mixed<GaussSlopes> {
    float triangle[6];  // KernelScene::miss times the root of fudge: no digits are lost where axes nearly coincide

    NANOBRAGG_FN_MEMBER Mixed(const KernelScene& s, const double*) {
        for (int i = 0; i < 6; ++i) triangle[i] = (float)(s.miss[i] * __builtin_sqrt(s.fudge));
    }

    // Deep tails stay out of the denormals.
    static NANOBRAGG_FN_MEMBER double unit() { return power_of_two(-(double)kGaussScale); }
    NANOBRAGG_FN_MEMBER LatticeValue<Singles> of(const KernelScene&, const MixedMiss& miss) const {
        const float* t = triangle;
        const Singles a = miss.all[0], b = miss.all[1], c = miss.all[2];
        const Singles first = t[0] * a + (t[3] * b + t[5] * c), second = t[1] * b + t[4] * c, third = t[2] * c;
        const Singles power = (float)kGaussPower * (first * first + (second * second + third * third));
        const Singles bounded = power < -180.0f ? filled<Singles>(-180.0f) : power;
        const Singles whole = round_whole(bounded);
        const Singles scaled = exp2_fraction_single(bounded - whole) * power_of_two(wholes_of(whole) + kGaussScale);
        const Singles value = power < -180.0f ? Singles{} : scaled;
        const Singles slopes[3] = {(2.0f * t[0]) * first, 2.0f * (t[3] * first + t[1] * second),
                                   2.0f * (t[5] * first + (t[4] * second + t[2] * third))};
        return metric_value(miss.all, slopes, value, (float)(-2.0 / 0.63) * value);
    }
};

template <>
struct Mixed<TophatSlopes> {
    NANOBRAGG_FN_MEMBER Mixed(const KernelScene&, const double*) {}

    static NANOBRAGG_FN_MEMBER double unit() { return 1.0; }
    NANOBRAGG_FN_MEMBER LatticeValue<Singles> of(const KernelScene& s, const MixedMiss& miss) const {
        const auto within = [&](const Doubles h[3]) { return TophatLattice::squared(s, h[0], h[1], h[2]); };
        LatticeValue<Singles> out{};
        out.squared = singles_of(within(miss.half[0]), within(miss.half[1]));
        for (Singles& slope : out.by_index) slope = Singles{};
        return out;
    }
};
