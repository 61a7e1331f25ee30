// F_latt^2 of one block with its derivatives by the index and by what the shape depends on: a type for each shape,
// beside those of lattice.hpp. N is a real number here (specs/derivatives.md).
#pragma once

#include "physics/lattice.hpp"
#include "physics/passes.hpp"

namespace nanobragg {

// What a shape's squared() depends on besides the index, and so what its parameters are: N along each axis; fudge N^2;
// or KernelScene::metric x fudge.
enum class Depends { on_nothing, on_cells, on_squares, on_metric };

constexpr int parameters_of(Depends depends) {
    return depends == Depends::on_nothing ? 0 : depends == Depends::on_metric ? 6 : 3;
}

template <class Real>
struct LatticeValue {
    Real squared;                     // without unit()
    Real by_index[3];                 // by h, k, l
    Real by_shape[kShapeParameters];  // by the shape's parameters
};

// Twice the miss (miss_squared, times fudge), and the derivatives of the miss by its components.
template <class Real>
NANOBRAGG_FN Real metric_slopes(const double* shape, const Real miss[3], Real slopes[3]) {
    for (int i = 0; i < 3; ++i) {
        const int next = (i + 1) % 3, last = (i + 2) % 3;
        slopes[i] = (2.0 * shape[i]) * miss[i] + (shape[3 + i] * miss[next] + shape[3 + last] * miss[last]);
    }
    return miss[0] * slopes[0] + (miss[1] * slopes[1] + miss[2] * slopes[2]);
}

// Of a function of the miss that has this value and slope.
template <class Real>
NANOBRAGG_FN LatticeValue<Real> metric_value(const Real miss[3], const Real slopes[3], Real value, Real slope) {
    LatticeValue<Real> out;
    out.squared = value;
    for (int i = 0; i < 3; ++i) {
        const Real part = slope * miss[i];
        out.by_shape[i] = part * miss[i];
        out.by_shape[3 + i] = part * miss[(i + 1) % 3];
        out.by_index[i] = slope * slopes[i];
    }
    return out;
}

// cos(pi x) for |x| <= 1/2; relative error 9e-15, plus rounding.
template <class Real>
NANOBRAGG_FN Real cos_pi(Real x) {
    const Real y = x * x;
    Real p = 0.000099869168585005798706 * y - 0.0019024038002676469371;
    p = p * y + 0.025330751219980228035;
    p = p * y - 0.22899786813067673965;
    p = p * y + 1.2780132961266368022;
    p = p * y - 3.7392088021655235153;
    p = p * y + 3.9999999999999653051;
    return (0.25 - y) * p;
}

// A grating along one axis: sin(pi N d)/sin(pi d) and its derivatives by d and N, without the division. The sign that
// whole turns of N d would give is left out, in all three alike.
template <class Real>
struct Grating {
    Real sine, sine_all, turned;  // sin(pi d); sin(pi N d); d (sin(pi N d)) / dN
    Real steep;                   // slope far from the index (times sin^2)
    decltype(Real() < Real()) close;
};

template <class Real>
NANOBRAGG_FN Grating<Real> grating_of(Real miss, double cells) {
    constexpr double pi = 3.14159265358979323846;
    Grating<Real> out;
    const Real d = absolute(miss) < 1e-12 ? filled<Real>(1e-12) : miss, rest = remainder_of(d, cells);
    const Real cosine_all = cos_pi(rest);
    out.sine = sin_pi(d);
    out.sine_all = sin_pi(rest);
    out.turned = pi * d * cosine_all;
    out.steep = (pi * cells) * (cosine_all * out.sine) - (pi * out.sine_all) * cos_pi(d);
    out.close = absolute(d) * cells < 0.015625;
    return out;
}

// The relative slope close to the index, where the two terms of the other formula cancel: the difference of what
// N cot(N x) and cot(x) are without their poles.
template <class Real>
NANOBRAGG_FN Real close_slope(const Grating<Real>& g, Real miss, double cells) {
    constexpr double pi = 3.14159265358979323846;
    const Real distance = g.close ? pi * miss : filled<Real>(0.0);
    return pi * (cotangent_rest(distance) - cells * cotangent_rest(cells * distance));
}

struct SquareSlopes {
    using Lattice = SquareLattice;
    static constexpr Depends depends = Depends::on_cells;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double*, const Real miss[3]) {
        Grating<Real> g[3];
        for (int i = 0; i < 3; ++i) g[i] = grating_of(miss[i], s.cells[i]);
        const Real inverse = 1.0 / (g[0].sine * g[1].sine * g[2].sine);
        const Real amplitude = g[0].sine_all * g[1].sine_all * g[2].sine_all * inverse, twice = 2.0 * amplitude;
        LatticeValue<Real> out;
        out.squared = amplitude * amplitude;
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            const Real others = twice * (g[j].sine_all * g[k].sine_all * inverse);
            out.by_index[i] = others * (g[i].steep * (g[j].sine * g[k].sine * inverse));
            out.by_shape[i] = others * g[i].turned;
        }
        if (!any_of(g[0].close | g[1].close | g[2].close)) return out;
        for (int i = 0; i < 3; ++i) {
            const Real near = 2.0 * out.squared * close_slope(g[i], miss[i], s.cells[i]);
            out.by_index[i] = g[i].close ? near : out.by_index[i];
        }
        return out;
    }
};

// What the polynomials below are made of, at distances d to the index along the three axes: the trigonometric functions
// without their zeros at 1/2, where 1/4 - d^2 is 0, are short polynomials of d^2.
template <class Real>
struct Turns {
    Real cosine[3];     // cos(2 pi d)
    Real sine[3];       // sin(2 pi d) / (2 pi)
    Real twice_cot[3];  // 2 pi d cot(pi d)
};

// Relative error 4e-13, plus rounding. Each step of a polynomial waits for the one before: hence all axes side by side,
// and even and odd powers.
template <class Real>
NANOBRAGG_FN Turns<Real> turns_of(const Real d[3]) {
    static const double cots[12] = {8.0000000000029030706,  5.6810549276390188709, 5.4070484238961517636,
                                    5.3506757797765721605,  5.3384265541737797657, 5.3188721221394161322,
                                    5.5079142439990078345,  4.0930261651237775457, 10.867198436100886892,
                                    -9.2791954166366107667, 24.585701245894557212, 0};
    static const double sines[8] = {3.9999999999989019705,  -10.31894506905090171,  10.675734898594711638,
                                    -6.1295259547511153437, 2.2572681823983585992,  -0.58023996559722491121,
                                    0.10952576099608419481, -0.01431617113441435453};
    // Read anew for each register's pixels, of which compilers cannot know that they stay: kept in registers, they
    // would drive the sums of the loop out of them.
    const double *cot = cots, *sine = sines;
    __asm__("" : "+r"(cot), "+r"(sine));
    Turns<Real> out;
    Real y[3], square[3], even[3], odd[3], even_sine[3], odd_sine[3];
    for (int i = 0; i < 3; ++i) y[i] = d[i] * d[i];
    for (int i = 0; i < 3; ++i) square[i] = y[i] * y[i];
    for (int i = 0; i < 3; ++i) {
        even[i] = cot[10] * square[i] + cot[8];
        odd[i] = cot[9] * square[i] + cot[7];
        even_sine[i] = sine[6] * square[i] + sine[4];
        odd_sine[i] = sine[7] * square[i] + sine[5];
    }
    for (int n = 2; n >= 0; n -= 2) {
        for (int i = 0; i < 3; ++i) {
            even[i] = even[i] * square[i] + cot[n + 4];
            odd[i] = odd[i] * square[i] + cot[n + 3];
            even_sine[i] = even_sine[i] * square[i] + sine[n];
            odd_sine[i] = odd_sine[i] * square[i] + sine[n + 1];
        }
    }
    for (int i = 0; i < 3; ++i) {
        even[i] = even[i] * square[i] + cot[2];
        odd[i] = odd[i] * square[i] + cot[1];
        even_sine[i] = odd_sine[i] * y[i] + even_sine[i];
    }
    for (int i = 0; i < 3; ++i) even[i] = even[i] * square[i] + cot[0];
    for (int i = 0; i < 3; ++i) {
        const Real rest = 0.25 - y[i], part = rest * even_sine[i];
        out.twice_cot[i] = rest * (odd[i] * y[i] + even[i]);
        out.sine[i] = d[i] * part;
        out.cosine[i] = out.twice_cot[i] * part - 1.0;  // 2 cos^2 = x cot(x) sin(2 x)/x
    }
    return out;
}

// A whole and small N along each axis (PolynomialLattice): no division. by_shape is N times the derivative by N, from
// N dL/dN = d dL/dd + 2 L x cot(x).
template <int degree, bool even>
struct PolynomialSlopes {
    using Lattice = PolynomialLattice<degree, even>;
    static constexpr Depends depends = Depends::on_cells;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double*, const Real miss[3]) {
        constexpr double step = -8 * 9.8696044010893586188;  // -8 pi^2
        const Turns<Real> turn = turns_of(miss);
        Real p[3], slope[3], half[3];  // half: the factor 2 + 2 c of an even N
        for (int i = 0; i < 3; ++i) {
            const double* a = s.few.polynomial[i];
            const Real c = turn.cosine[i];
            p[i] = filled<Real>(a[degree]);
            slope[i] = filled<Real>(step * degree * a[degree]);
            for (int n = degree - 1; n >= 0; --n) p[i] = p[i] * c + a[n];
            for (int n = degree - 1; n > 0; --n) slope[i] = slope[i] * c + step * n * a[n];
            if constexpr (even) {
                half[i] = s.few.even[i] * c + s.few.odd[i];
                slope[i] = slope[i] * half[i] + (0.5 * step * s.few.even[i]) * p[i];
            }
            slope[i] *= turn.sine[i];
        }
        LatticeValue<Real> out;
        const Real amplitude = p[0] * p[1] * p[2];
        out.squared = amplitude * amplitude;
        if constexpr (even) out.squared *= half[0] * half[1] * half[2];
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            Real others = p[j] * p[k];
            if constexpr (even) others *= half[j] * half[k];
            out.by_index[i] = (amplitude * slope[i]) * others;
            out.by_shape[i] = miss[i] * out.by_index[i] + out.squared * turn.twice_cot[i];
        }
        return out;
    }
};

struct RoundSlopes {
    using Lattice = RoundLattice;
    static constexpr Depends depends = Depends::on_squares;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double* shape, const Real miss[3]) {
        constexpr double square = 9.8696044010893586188;  // pi^2
        const Real u = root(radius_squared(s, miss[0], miss[1], miss[2], 1.0));
        const Real value = sphere_transform(u), slope = 2.0 * square * value * sphere_slope(u, value);
        LatticeValue<Real> out;
        out.squared = value * value;
        for (int i = 0; i < 3; ++i) {
            out.by_shape[i] = slope * (miss[i] * miss[i]);
            out.by_index[i] = slope * (2.0 * shape[i] * miss[i]);
        }
        return out;
    }
};

// exp(x) for x <= 0 (exp_negative), with a relative error of |x|/2^53 besides, as x has, too. Even and odd powers are
// side by side: here little else is to be done while each step of a polynomial waits for the one before.
template <class Double>
NANOBRAGG_FN Double exp_in_two(Double x) {
    constexpr double log2e = 1.4426950408889634074;
    const Double bounded = x < -708.0 ? filled<Double>(-708.0) : x;
    const Double n = round_whole(bounded * log2e), rest = bounded * log2e - n, square = rest * rest;
    Double even = 7.0741058097481441739e-9 * square + 1.3215433088590364145e-6;
    Double odd = 4.4352858563341355163e-10 * square + 1.017819799974966941e-7;
    even = even * square + 0.00015403530462516470261;
    odd = odd * square + 0.000015252733490053182249;
    even = even * square + 0.0096181291075883337087;
    odd = odd * square + 0.0013333558146789819822;
    even = even * square + 0.24022650695910156209;
    odd = odd * square + 0.055504108664819922388;
    even = even * square + 1.0;
    odd = odd * square + 0.69314718055994533044;
    const Double value = (odd * rest + even) * power_of_two(n);
    return x < -708.0 ? filled<Double>(0.0) : value;
}

struct GaussSlopes {
    using Lattice = GaussLattice;
    static constexpr Depends depends = Depends::on_metric;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene&, const double* shape, const Real miss[3]) {
        Real slopes[3];
        const Real value = exp_in_two(metric_slopes(shape, miss, slopes) * (-1.0 / 0.63));
        return metric_value(miss, slopes, value, value * (-2.0 / 0.63));
    }
};

// A step: its derivatives are 0 but at its edge, where it has none.
struct TophatSlopes {
    using Lattice = TophatLattice;
    static constexpr Depends depends = Depends::on_nothing;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double*, const Real miss[3]) {
        LatticeValue<Real> out{};
        out.squared = TophatLattice::squared(s, miss[0], miss[1], miss[2]);
        for (int i = 0; i < 3; ++i) out.by_index[i] = filled<Real>(0.0);
        return out;
    }
};

using ShapesWithSlopes = TypeList<RoundSlopes, GaussSlopes, TophatSlopes, SquareSlopes>;
static_assert(length_of(ShapesWithSlopes()) == length_of(Shapes()), "derivatives of each Shape");

// visit(an object of the type in the list that belongs to this shape); of the last one if none does.
template <class First, class... Others, class Visit>
static inline auto with_slopes(TypeList<First, Others...>, Shape shape, const Visit& visit) {
    if constexpr (sizeof...(Others) > 0) {
        if (shape != First::Lattice::formula.shape) return with_slopes(TypeList<Others...>(), shape, visit);
    }
    return visit(First());
}

}  // namespace nanobragg
