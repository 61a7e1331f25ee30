// F_latt^2 of one block with its derivatives by the index and by what the shape depends on: a type for each shape,
// beside those of lattice.hpp. N is a real number here (specs/derivatives.md).
#pragma once

#include "physics/lattice.hpp"
#include "physics/passes.hpp"

namespace nanobragg {

// What a shape's squared() depends on besides the index, and so what its parameters are: N along each axis; fudge N^2;
// or miss_metric() x fudge.
enum class Depends { on_nothing, on_cells, on_squares, on_metric };

NANOBRAGG_HOST_DEVICE constexpr int parameters_of(Depends depends) {
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

// From a distance that is not 0, and what is left of N d after whole turns.
template <class Real>
NANOBRAGG_FN Grating<Real> grating_of(Real d, Real rest, double cells) {
    using Number = typename NumberOf<Real>::Type;
    const Number pi = (Number)3.14159265358979323846, n = (Number)cells;
    const Real cosine_all = cos_pi(rest);
    Grating<Real> out;
    out.sine = sin_pi(d);
    out.sine_all = sin_pi(rest);
    out.turned = pi * d * cosine_all;
    out.steep = (pi * n) * (cosine_all * out.sine) - (pi * out.sine_all) * cos_pi(d);
    out.close = absolute(d) * n < (Number)(sizeof(Number) == sizeof(float) ? 0.125 : 0.015625);
    return out;
}

// The relative slope close to the index, where the two terms of the other formula cancel: the difference of what
// N cot(N x) and cot(x) are without their poles.
template <class Real>
NANOBRAGG_FN Real close_slope(const Grating<Real>& g, Real miss, double cells) {
    using Number = typename NumberOf<Real>::Type;
    const Number pi = (Number)3.14159265358979323846, n = (Number)cells;
    const Real distance = g.close ? pi * miss : filled<Real>((Number)0);
    return pi * (cotangent_rest(distance) - n * cotangent_rest(n * distance));
}

struct SquareSlopes {
    using Lattice = SquareLattice;
    static constexpr Depends depends = Depends::on_cells;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double*, const Real miss[3]) {
        Grating<Real> g[3];
        for (int i = 0; i < 3; ++i) {
            const Real d = absolute(miss[i]) < 1e-12 ? filled<Real>(1e-12) : miss[i];
            g[i] = grating_of(d, remainder_of(d, s.cells[i]), s.cells[i]);
        }
        return of(s, g, miss);
    }

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const Grating<Real> g[3],
                                                     const Real miss[3]) {
        using Number = typename NumberOf<Real>::Type;
        const Real inverse = (Number)1 / (g[0].sine * g[1].sine * g[2].sine);
        const Real amplitude = g[0].sine_all * g[1].sine_all * g[2].sine_all * inverse, twice = (Number)2 * amplitude;
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
            const Real near = (Number)2 * out.squared * close_slope(g[i], miss[i], s.cells[i]);
            out.by_index[i] = g[i].close ? near : out.by_index[i];
        }
        return out;
    }
};

// A block of few cells, a whole number of them along each axis, as PolynomialLattice has it: without a division. With
// w = sin^2(pi d), sin^2(N pi d)/sin^2(pi d) is p(w)^2, times 4 (1 - w) for an even N. And w is d^2 times the square of
// a polynomial of d^2; another one gives t = 2 pi d cot(pi d), and so dw/dd = w t/d. All are taken over their highest
// coefficients, by which a product becomes a sum: what is left out is in AxisPolynomial::unit and
// slope_unit().

// A polynomial over its highest coefficient.
template <class Number, int count>
struct Monic {
    Number highest, of[count - 1];  // of[0]: of the lowest power; or as monic_of() wants them
};
template <class Number, int count>
NANOBRAGG_FN constexpr Monic<Number, count> monic(const Number (&given)[count]) {
    Monic<Number, count> out{};
    out.highest = given[count - 1];
    for (int i = 0; i < count - 1; ++i) out.of[i] = given[i] / given[count - 1];
    return out;
}

// sin(pi d)/d and 2 pi d cot(pi d), the latter in single precision over 1/4 - d^2, as polynomials of d^2: relative
// errors 7e-14 and 1e-9 (the derivatives alone depend on the latter); in single precision 2e-8 and 2e-7, plus rounding.
// (No templates and no members: what those hold would be shared among instruction sets.)
NANOBRAGG_FN const Monic<double, 7>& sine_series(double) {
    static constexpr Monic<double, 7> of = {0.00044720022978248568478,
                                            {-13.225178223574625443, 124.09518739614753594, 4.4919702755881560864,
                                             -1592.9954396444446087, 1556.6784600160252585, 675181.08501695154323}};
    return of;
}
NANOBRAGG_FN const Monic<float, 5>& sine_series(float) {
    static constexpr Monic<float, 5> of =
        monic<float, 5>({3.1415926368961181998f, -5.1677096848420053554f, 2.5500697269350596687f,
                         -0.59824212930563712307f, 0.077560391389719789201f});
    return of;
}
NANOBRAGG_FN const Monic<double, 9>& cot_series(double) {
    static constexpr Monic<double, 9> of = {
        -16.218555186735553475,
        {1.0289280964134457977, 2.1466849059025654958, -2.1695967273956996592, 5.491266908661970317,
         -2.6740196944520098509, -0.38364524943986122369, -1.4397063994053306201, -0.032762561138862180639}};
    return of;
}
NANOBRAGG_FN const Monic<float, 6>& cot_series(float) {
    static constexpr Monic<float, 6> of = monic<float, 6>(
        {7.99999847801f, 5.68148673178f, 5.38742495389f, 5.67121504843f, 3.04697605135f, 12.2913971226f});
    return of;
}

// Polynomials over their highest coefficients, of some registers side by side, since each step of one waits for the one
// before: from the coefficients in single precision. In double precision from the numbers of Knuth's form for the sixth
// degree (The Art of Computer Programming, 4.6.4), which has three multiplications instead of five, as additions are
// done beside them; and for the eighth, which goes on in the same way, four instead of seven.
template <int terms, int count, class Real>
NANOBRAGG_FN void monic_of(const float* given, const Real y[count], Real out[count]) {
    for (int i = 0; i < count; ++i) out[i] = y[i] + given[terms - 2];
    for (int n = terms - 3; n >= 0; --n) {
        for (int i = 0; i < count; ++i) out[i] = out[i] * y[i] + given[n];
    }
}
template <int terms, int count, class Real>
NANOBRAGG_FN void monic_of(const double* given, const Real y[count], Real out[count]) {
    static_assert(terms == 7 || terms == 9, "the sixth and the eighth degree");
    Real z[count], w[count];
    for (int i = 0; i < count; ++i) z[i] = (y[i] + given[0]) * y[i] + given[1];
    for (int i = 0; i < count; ++i) w[i] = (y[i] + given[2]) * z[i] + given[3];
    for (int i = 0; i < count; ++i) out[i] = (w[i] + (z[i] + given[4])) * w[i] + given[5];
    for (int i = 0; i < count && terms == 9; ++i) out[i] = out[i] * (z[i] + given[terms - 3]) + given[terms - 2];
}

// p of w over its unit, a w over that of the sine's square.
template <int degree, class Number = double>
struct AxisPolynomial {
    Number value[degree + 1];
    Number half[2];  // 1, or 4 (1 - w)
    double unit;     // of the value
};

// From polynomials of cos(2 pi d) = 1 - 2 w. `full`: the highest power is there along each axis, and becomes 1.
template <int degree, class Number = double>
NANOBRAGG_FN AxisPolynomial<degree, Number> axis_polynomial(const CellPolynomials& few, int axis, bool full) {
    double value[degree + 1] = {};
    value[0] = few.polynomial[axis][degree];
    for (int n = degree - 1; n >= 0; --n) {
        for (int i = degree; i > 0; --i) value[i] -= 2 * value[i - 1];
        value[0] += few.polynomial[axis][n];
    }
    const double root = (double)sine_series(Number()).highest;
    double square = 1;
    for (int n = 0; n <= degree; ++n, square *= root * root) value[n] *= square;
    AxisPolynomial<degree, Number> out{};
    out.unit = full ? value[degree] : 1.0;
    for (int n = 0; n <= degree; ++n) out.value[n] = (Number)(value[n] / out.unit);
    out.half[0] = (Number)(few.odd[axis] + few.even[axis]);
    out.half[1] = (Number)(-2 * few.even[axis] * (root * root));
    return out;
}

template <class Real>
struct AxisSlopes {
    Real value, half;  // p, and 1 or 4 (1 - w)
    Real slope;        // half of that of value^2 half by d, without one value and over the unit of cot
    Real twice_cot;    // 2 pi d cot(pi d), over its unit
};

// Of some registers side by side, since each step of a polynomial waits for the one before. `full`: the value's highest
// coefficient is 1.
template <int degree, bool even, bool full, int count, class Number, class Real>
NANOBRAGG_FN void slopes_along(const AxisPolynomial<degree, Number>& axis, const Real d[count],
                               AxisSlopes<Real> out[count]) {
    constexpr bool single = sizeof(Number) == sizeof(float);
    constexpr int sines = single ? 5 : 7, cots = single ? 6 : 9;
    // Read anew for each register's pixels, of which compilers cannot know that they stay: kept in registers, they
    // would drive the numbers of the pixels out of them.
    const Number *sine = sine_series(Number()).of, *cot = cot_series(Number()).of;
#if !defined(__CUDACC__)
    __asm__("" : "+r"(sine), "+r"(cot));
#endif
    Real y[count], s[count], c[count], w[count];
    for (int i = 0; i < count; ++i) y[i] = d[i] * d[i];
    monic_of<sines, count>(sine, y, s);
    monic_of<cots, count>(cot, y, c);
    for (int i = 0; i < count; ++i) {
        if (single) c[i] = ((Number)0.25 - y[i]) * c[i];
        s[i] = s[i] * s[i];
        w[i] = y[i] * s[i];
    }
    for (int i = 0; i < count; ++i) {
        const Real first = full ? w[i] : w[i] * axis.value[degree];
        Real p = first + axis.value[degree - 1], slope = degree > 1 ? first + p : filled<Real>(axis.value[degree]);
        for (int n = degree - 2; n >= 0; --n) {
            p = p * w[i] + axis.value[n];
            if (n > 0) slope = slope * w[i] + p;
        }
        if constexpr (even) {
            out[i].half = axis.half[1] * w[i] + axis.half[0];
            slope = slope * out[i].half + ((Number)0.5 * axis.half[1]) * p;
        }
        out[i].value = p;
        out[i].slope = (slope * (s[i] * c[i])) * d[i];
        out[i].twice_cot = c[i];
    }
}

// What derivatives by PolynomialSlopes leave out.
template <class Number>
NANOBRAGG_FN double slope_unit() {
    return (double)cot_series(Number()).highest;
}

// Of all three axes, over the units of the values and slope_unit(). by_shape is N times the derivative by N, from
// N dL/dN = d dL/dd + 2 L x cot(x), x = pi d.
template <int degree_, bool even_, bool full_>
struct PolynomialSlopes {
    using Lattice = PolynomialLattice<degree_, even_>;
    static constexpr Depends depends = Depends::on_cells;
    static constexpr int degree = degree_;
    static constexpr bool even = even_, full = full_;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const Real miss[3], const AxisSlopes<Real> axes[3]) {
        LatticeValue<Real> out;
        const Real first = axes[0].value * axes[1].value, amplitude = first * axes[2].value;
        out.squared = amplitude * amplitude;
        if constexpr (even) out.squared *= axes[0].half * axes[1].half * axes[2].half;
        by_indices(axes, first, amplitude, out.by_index);
        for (int i = 0; i < 3; ++i) {
            out.by_shape[i] = miss[i] * out.by_index[i] + out.squared * axes[i].twice_cot;
        }
        return out;
    }

    // The value; its derivatives by the indices, times `weight`; and those by N times that join `by_shape`.
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real weighted(const Real miss[3], const AxisSlopes<Real> axes[3], Real weight,
                                             Real by_index[3], Real by_shape[3]) {
        const Real first = axes[0].value * axes[1].value, amplitude = first * axes[2].value;
        const Real own = weight * amplitude;
        Real value = amplitude * amplitude, squared = amplitude * own;
        if constexpr (even) {
            const Real half = axes[0].half * axes[1].half * axes[2].half;
            value *= half;
            squared *= half;
        }
        by_indices(axes, first, own, by_index);
        for (int i = 0; i < 3; ++i) {
            by_shape[i] = squared * axes[i].twice_cot + (miss[i] * by_index[i] + by_shape[i]);
        }
        return value;
    }

  private:
    // `first`: the product of two axes' values. `amplitude`: that of all three, or a multiple.
    template <class Real>
    static NANOBRAGG_FN_MEMBER void by_indices(const AxisSlopes<Real> axes[3], Real first, Real amplitude,
                                               Real by_index[3]) {
        const Real twice = amplitude + amplitude, last = twice * axes[2].value;
        Real others[3] = {last * axes[1].value, last * axes[0].value, twice * first};
        for (int i = 0; i < 3; ++i) {
            if constexpr (even) others[i] *= axes[(i + 1) % 3].half * axes[(i + 2) % 3].half;
            by_index[i] = others[i] * axes[i].slope;
        }
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
NANOBRAGG_HOST_DEVICE static inline auto with_slopes(TypeList<First, Others...>, Shape shape, const Visit& visit) {
    if constexpr (sizeof...(Others) > 0) {
        if (shape != First::Lattice::formula.shape) return with_slopes(TypeList<Others...>(), shape, visit);
    }
    return visit(First());
}

}  // namespace nanobragg
