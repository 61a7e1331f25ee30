// How much a term can be at most, for kWidth boxes of indices at a time (specs/physics.md, "Within a stated error"). A
// part of kernel.inl.

// What bounds may be too small by for their own rounding, and sums of them (of up to kOrientationBatch or so).
constexpr float kRoundedUp = 1.001f;
// Rounding of indices (in single precision) as a part of |axis| |q| / wavelength, and what other arithmetic may make of
// them (phases of mixed precision).
constexpr float kIndexRounding = 1e-6f, kIndexSlack = 2e-9f;

// Indices of kWidth rays or so: middle and half the width of what they may be.
struct Boxes {
    Singles at[3], span[3];
};

// Squares of the distance to the nearest whole number, at least: that distance changes no faster than the number.
NANOBRAGG_FN Singles distance_squared(Singles at, Singles span) {
    const Singles distance = larger(absolute(at - round_whole(at)) - span, Singles{});
    return distance * distance;
}

// sin^2(pi sqrt(x)) for x up to 1/4, at least: its series ends with a negative term.
NANOBRAGG_FN Singles least_sine_squared(Singles x) {
    return x * (9.8695f + x * (-32.4697f + x * (42.728f - 30.1225f * x)));
}

// Squared lattice factors at most, in units of Lattice::unit().
template <class Lattice>
NANOBRAGG_FN Singles most_lattice(const Bounds& b, const Boxes& boxes) {
    Singles x[3];
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) x[i] = distance_squared(boxes.at[i], boxes.span[i]);
    if constexpr (Lattice::formula.shape == Shape::square) {
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) x[i] = larger(least_sine_squared(x[i]), filled<Singles>(b.weight[i]));
        return kRoundedUp / (x[0] * x[1] * x[2]);
    } else {
        const Singles radius = x[0] * b.weight[0] + (x[1] * b.weight[1] + x[2] * b.weight[2]);
        if constexpr (Lattice::formula.shape == Shape::tophat) {
            return radius < 1.0f ? filled<Singles>(1.0f) : Singles{};
        } else if constexpr (Lattice::formula.shape == Shape::gauss) {
            Singles power = radius * -0.9999f;
            power = power < -120.0f ? filled<Singles>(-120.0f) : power;
            const Phases whole = wholes_of(power);
            return kRoundedUp * exp2_fraction_single(power - round_whole(power)) * power_of_two(whole);
        } else {
            static_assert(Lattice::formula.shape == Shape::round, "a bound for each shape");
            // (sin x/x - cos x)^2 <= 1 + 1/x^2 (Cauchy and Schwarz); x^2 is the radius.
            const Singles y = larger(radius, filled<Singles>(1e-3f));
            const Singles far = (9.0f * kRoundedUp) * (y + 1.0f) / (y * y * y);
            return far < kRoundedUp ? far : filled<Singles>(kRoundedUp);
        }
    }
}

// The largest F^2 in boxes of up to two indices along each axis; elsewhere the largest of all. `any`: 0 where boxes lie
// in one index, whose F^2 it is.
NANOBRAGG_FN Singles most_structure(const Bounds& b, const Boxes& boxes, Unsigned& any) {
    any = Unsigned{} + 1u;
    if (b.maxima == nullptr) return filled<Singles>(b.largest);
    Unsigned low[3], wide[3];
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) {
        const Phases first = wholes_of(boxes.at[i] - boxes.span[i]);
        wide[i] = (Unsigned)(wholes_of(boxes.at[i] + boxes.span[i]) - first);
        low[i] = (Unsigned)(first - b.first[i]);
    }
    const auto inside =
        (low[0] < (uint32_t)b.shape[0]) & (low[1] < (uint32_t)b.shape[1]) & (low[2] < (uint32_t)b.shape[2]);
    any = wide[0] | wide[1] | wide[2];
    const auto few = any < 2u;
    const Unsigned place =
        any * (uint32_t)b.size + ((low[0] * (uint32_t)b.shape[1] + low[1]) * (uint32_t)b.shape[2] + low[2]);
    // The first of all has default_F, as have those outside.
    const Unsigned sound = (few & inside) ? place : Unsigned{};
    const Singles most = gathered(b.maxima, sound);
    return few ? most : filled<Singles>(b.largest);
}
NANOBRAGG_FN Singles most_structure(const Bounds& b, const Boxes& boxes) {
    Unsigned any;
    return most_structure(b, boxes, any);
}

// The highest of some thresholds below which all bounds, together, stay within what may be left out: powers of two,
// from the one on below which all of them do. (Begun and ended once for many bounds: calls, which are compiled once.)
struct Ladder {
    static constexpr int kMost = 16;
    int steps;
    Singles threshold[kMost], sum[kMost];

    NANOBRAGG_FN_MEMBER void add(Singles bound) {
        for (int i = 0; i < steps; ++i) sum[i] += (Singles)((Phases)bound & (Phases)(bound <= threshold[i]));
    }
    // ... and what they sum up to.
    [[gnu::noinline]] Singles choose(Singles allowed, Singles& spent) const {
        Singles chosen = Singles{} - 1.0f;
        spent = Singles{};
        for (int i = 0; i < steps; ++i) {
            const auto within = sum[i] <= allowed;
            chosen = within ? threshold[i] : chosen;
            spent = within ? sum[i] : spent;
        }
        return chosen;
    }
    // Likewise of all kWidth numbers together.
    [[gnu::noinline]] float choose_one(float allowed, float& spent) const {
        float chosen = -1.0f;
        spent = 0;
        for (int i = 0; i < steps; ++i) {
            float all = 0;
            for (int j = 0; j < kWidth; ++j) all += sum[i][j];
            if (all <= allowed) {
                chosen = threshold[i][0];
                spent = all;
            }
        }
        return chosen;
    }
};

// A ladder for so many bounds.
[[gnu::noinline]] Ladder ladder_of(Singles allowed, int64_t bounds) {
    Ladder out;
    out.steps = 1;
    while (out.steps < Ladder::kMost - 1 && (bounds >> out.steps) > 0) ++out.steps;
    Singles now = allowed / (float)bounds;
    for (int i = 0; i < out.steps; ++i) {
        out.threshold[i] = now;
        out.sum[i] = Singles{};
        now += now;
    }
    return out;
}
