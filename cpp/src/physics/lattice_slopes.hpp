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

// Of a function of the miss times fudge that has this value and slope.
template <class Real>
NANOBRAGG_FN LatticeValue<Real> metric_value(const double* shape, const Real miss[3], Real value, Real slope) {
    LatticeValue<Real> out;
    out.squared = value;
    for (int i = 0; i < 3; ++i) {
        const int next = (i + 1) % 3, last = (i + 2) % 3;
        out.by_shape[i] = slope * (miss[i] * miss[i]);
        out.by_shape[3 + i] = slope * (miss[i] * miss[next]);
        out.by_index[i] = slope * (2.0 * shape[i] * miss[i] + shape[3 + i] * miss[next] + shape[3 + last] * miss[last]);
    }
    return out;
}

// A grating along one axis: sin(pi N d)/sin(pi d) and its derivatives by d and N, without the division. The signs that
// whole turns of N d would give are left out, in all three alike.
template <class Real>
struct Grating {
    Real sine, sine_all, turned;  // sin(pi d); sin(pi N d); d (sin(pi N d)) / dN
    Real steep, distance;         // slope far from the index (times sin^2); pi d close to it, else 0
    Real sign;
    decltype(Real() < Real()) close;
};

template <class Real>
NANOBRAGG_FN Grating<Real> grating_of(Real miss, double cells) {
    constexpr double pi = 3.14159265358979323846;
    Grating<Real> out;
    const Real d = away_from_zero(miss), rest = remainder_of(d, cells);
    const Real cosine_of = sin_pi(0.5 - d), cosine_all = sin_pi(0.5 - absolute(rest));
    out.sine = sin_pi(d);
    out.sine_all = sin_pi(rest);
    out.turned = pi * d * cosine_all;
    out.steep = pi * (cells * cosine_all * out.sine - out.sine_all * cosine_of);
    out.close = d * cells < 0.015625;
    out.distance = out.close ? pi * d : filled<Real>(0.0);
    const Real zero = filled<Real>(0.0), one = filled<Real>(1.0);
    out.sign = miss > 0 ? one : (miss < 0 ? -one : zero);
    return out;
}

// The relative slope close to the index, where the two terms of the other formula cancel: the difference of what
// N cot(N x) and cot(x) are without their poles.
template <class Real>
NANOBRAGG_FN Real close_slope(const Grating<Real>& g, double cells) {
    constexpr double pi = 3.14159265358979323846;
    return pi * (cotangent_rest(g.distance) - cells * cotangent_rest(cells * g.distance));
}

struct SquareSlopes {
    using Lattice = SquareLattice;
    static constexpr Depends depends = Depends::on_cells;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double*, const Real miss[3]) {
        Grating<Real> g[3];
        for (int i = 0; i < 3; ++i) g[i] = grating_of(miss[i], s.cells[i]);
        const Real inverse = 1.0 / (g[0].sine * g[1].sine * g[2].sine);
        const Real product = g[0].sine_all * g[1].sine_all * g[2].sine_all, amplitude = product * inverse;
        LatticeValue<Real> out;
        out.squared = amplitude * amplitude;
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            const Real twice = 2.0 * amplitude, others = g[j].sine_all * g[k].sine_all * inverse;
            const Real far = twice * (g[i].steep * others) * (g[j].sine * g[k].sine * inverse);
            out.by_index[i] = far * g[i].sign;
            out.by_shape[i] = twice * (g[i].turned * others);
        }
        if (!any_of(g[0].close | g[1].close | g[2].close)) return out;
        for (int i = 0; i < 3; ++i) {
            const Real near = 2.0 * out.squared * close_slope(g[i], s.cells[i]) * g[i].sign;
            out.by_index[i] = g[i].close ? near : out.by_index[i];
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

struct GaussSlopes {
    using Lattice = GaussLattice;
    static constexpr Depends depends = Depends::on_metric;

    template <class Real>
    static NANOBRAGG_FN_MEMBER LatticeValue<Real> of(const KernelScene& s, const double* shape, const Real miss[3]) {
        const Real value = GaussLattice::squared(s, miss[0], miss[1], miss[2]);
        return metric_value(shape, miss, value, value * (-2.0 / 0.63));
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
