// F_latt^2 of one block of the crystal: a type for each shape, and the list of them that every renderer's loops are
// made from. The rules of physics.hpp hold here too.
//
// In double, squared() takes the distances to the nearest index; in mixed precision, squared_mixed() takes the indices
// as phases (physics.hpp). Both leave out what does not depend on the pixel: unit() and mixed_unit().
#pragma once

#include "physics/kernel_scene.hpp"
#include "physics/physics.hpp"

namespace nanobragg {

// ---- what the formulas are made of ------------------------------------------------------------------------

// (Radius in units of the crystal's transform)^2 from distances to the nearest index in some unit. The weights do not
// depend on the pixel, and leave the loop.
template <class Real>
NANOBRAGG_FN Real radius_squared(const KernelScene& s, Real da, Real db, Real dc, double unit) {
    const double scale = s.fudge * (unit * unit);
    const double a = s.cells[0] * s.cells[0] * scale, b = s.cells[1] * s.cells[1] * scale,
                 c = s.cells[2] * s.cells[2] * scale;
    return (da * da) * a + ((db * db) * b + (dc * dc) * c);
}

// A sum of squares: the terms of the metric, as many multiplications, would cancel where axes nearly coincide.
template <class Real>
NANOBRAGG_FN Real miss_squared(const KernelScene& s, Real a, Real b, Real c) {
    using Number = typename NumberOf<Real>::Type;
    const Real first = (Number)s.miss[0] * a + ((Number)s.miss[3] * b + (Number)s.miss[5] * c);
    const Real second = (Number)s.miss[1] * b + (Number)s.miss[4] * c;
    const Real third = (Number)s.miss[2] * c;
    return first * first + (second * second + third * third);
}

// What is left of N d after whole turns.
template <class Real>
NANOBRAGG_FN Real remainder_of(Real d, double cells) {
    const Real product = d * cells;
    return product - round_whole(product);
}

// F_latt^2 of a parallelepiped from the distances d to the nearest index and what is left of N d after whole turns:
// one division for all three axes.
template <class Real>
NANOBRAGG_FN Real grating_squared(Real da, Real db, Real dc, Real ra, Real rb, Real rc) {
    const Real ratio = (sin_pi(ra) * sin_pi(rb) * sin_pi(rc)) / (sin_pi(da) * sin_pi(db) * sin_pi(dc));
    return ratio * ratio;
}

// ---- the shapes -------------------------------------------------------------------------------------------

// Which formula the loops use: that of a shape or, where a square block has few cells along each axis, the polynomials
// of CellPolynomials, of this degree; `even`: along some axis N is. Degree -1: no polynomials.
struct Formula {
    Shape shape;
    int degree;
    bool even;

    constexpr NANOBRAGG_FN_MEMBER bool operator==(const Formula& other) const {
        return shape == other.shape && degree == other.degree && even == other.even;
    }
};

// What most shapes have in common.
template <Shape shape>
struct ShapeLattice {
    static constexpr Formula formula{shape, -1, false};
    // The functions also take registers full of numbers.
    static constexpr bool takes_registers = false;

    static NANOBRAGG_FN_MEMBER double unit(const KernelScene& s) { return s.block_size * s.block_size; }
    static NANOBRAGG_FN_MEMBER double mixed_unit(const KernelScene& s) { return unit(s); }
};

struct SquareLattice : ShapeLattice<Shape::square> {
    static constexpr bool takes_registers = true;

    static NANOBRAGG_FN_MEMBER double unit(const KernelScene&) { return 1.0; }
    static NANOBRAGG_FN_MEMBER double mixed_unit(const KernelScene&) { return 1.0; }

    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        const Real a = away_from_zero(dh), b = away_from_zero(dk), c = away_from_zero(dl);
        return grating_squared(a, b, c, remainder_of(a, s.cells[0]), remainder_of(b, s.cells[1]),
                               remainder_of(c, s.cells[2]));
    }
    template <class Phase>
    static NANOBRAGG_FN_MEMBER auto squared_mixed(const KernelScene& s, Phase ph, Phase pk, Phase pl) {
        const Phase a = odd_phase(ph), b = odd_phase(pk), c = odd_phase(pl);
        return grating_squared(turns(a), turns(b), turns(c), turns(times(a, (int32_t)s.cells[0])),
                               turns(times(b, (int32_t)s.cells[1])), turns(times(c, (int32_t)s.cells[2])));
    }
};

// The lattice factor for few cells along an axis, where sin(N x)/sin(x) is a short polynomial of cos(2 x): no division,
// and no second sine.
template <int degree, bool even>
struct PolynomialLattice : SquareLattice {
    static constexpr Formula formula{Shape::square, degree, even};

    // From the cosines of the indices.
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real of_cosines(const CellPolynomials& few, Real a, Real b, Real c) {
        using Number = typename NumberOf<Real>::Type;
        Real pa = filled<Real>((Number)few.polynomial[0][degree]), pb = filled<Real>((Number)few.polynomial[1][degree]),
             pc = filled<Real>((Number)few.polynomial[2][degree]);
        for (int i = degree - 1; i >= 0; --i) {
            pa = pa * a + (Number)few.polynomial[0][i];
            pb = pb * b + (Number)few.polynomial[1][i];
            pc = pc * c + (Number)few.polynomial[2][i];
        }
        const Real product = pa * pb * pc;
        if (!even) return product * product;
        const Real ea = (Number)few.even[0] * a + (Number)few.odd[0], eb = (Number)few.even[1] * b + (Number)few.odd[1],
                   ec = (Number)few.even[2] * c + (Number)few.odd[2];
        return product * product * (ea * eb * ec);
    }
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        return of_cosines(s.few, cos_two_pi(dh), cos_two_pi(dk), cos_two_pi(dl));
    }
    template <class Phase>
    static NANOBRAGG_FN_MEMBER auto squared_mixed(const KernelScene& s, Phase ph, Phase pk, Phase pl) {
        return of_cosines(s.few, cos_two_pi(ph), cos_two_pi(pk), cos_two_pi(pl));
    }
};

struct RoundLattice : ShapeLattice<Shape::round> {
    static NANOBRAGG_FN_MEMBER double unit(const KernelScene& s) {
        return s.block_size * 0.723601254558268 * s.block_size * 0.723601254558268;
    }
    static NANOBRAGG_FN_MEMBER double mixed_unit(const KernelScene& s) { return unit(s); }

    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        const Real f = sphere_transform(root(radius_squared(s, dh, dk, dl, 1.0)));
        return f * f;
    }
    static NANOBRAGG_FN_MEMBER float squared_mixed(const KernelScene& s, int32_t ph, int32_t pk, int32_t pl) {
        const double turn = 2.3283064365386963e-10;
        const float f = sphere_transform_mixed(radius_squared(s, (double)ph, (double)pk, (double)pl, turn));
        return f * f;
    }
};

constexpr double kGaussPower = -2.0 / 0.63 * 1.4426950408889634074;  // power of two for a miss of 1
constexpr int32_t kGaussScale = 60;  // powers of two that float sums of Gaussians are scaled by

struct GaussLattice : ShapeLattice<Shape::gauss> {
    static NANOBRAGG_FN_MEMBER double mixed_unit(const KernelScene& s) {
        return unit(s) * power_of_two(-(double)kGaussScale);
    }
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        return exp_negative(miss_squared(s, dh, dk, dl) * (s.fudge * (-2.0 / 0.63)));
    }
    // -2 Delta^2 fudge / 0.63 as a power of two; the scale keeps deep tails out of the denormals.
    static NANOBRAGG_FN_MEMBER float squared_mixed(const KernelScene& s, int32_t ph, int32_t pk, int32_t pl) {
        const double e =
            miss_squared(s, (double)ph, (double)pk, (double)pl) * (s.fudge * (kGaussPower * 5.421010862427522e-20));
        const double bounded = e < -180.0 ? -180.0 : e;
        const double sum = with_whole(bounded), whole = sum - with_whole(0.0);
        const float value = exp2_fraction((float)(bounded - whole)) * power_of_two(whole_in(sum) + kGaussScale);
        return e < -180.0 ? 0.0f : value;
    }
};

struct TophatLattice : ShapeLattice<Shape::tophat> {
    template <class Real>
    static NANOBRAGG_FN_MEMBER Real squared(const KernelScene& s, Real dh, Real dk, Real dl) {
        return miss_squared(s, dh, dk, dl) * s.fudge < 0.3969 ? filled<Real>(1.0) : filled<Real>(0.0);
    }
    template <class Phase>
    static NANOBRAGG_FN_MEMBER auto squared_mixed(const KernelScene& s, Phase ph, Phase pk, Phase pl) {
        using Single = decltype(turns(ph));
        return miss_squared(s, turns(ph), turns(pk), turns(pl)) * (float)s.fudge < 0.3969f ? filled<Single>(1.0f)
                                                                                           : filled<Single>(0.0f);
    }
};

// ---- the list of them -------------------------------------------------------------------------------------

template <class... Types>
struct TypeList {};

using Shapes = TypeList<RoundLattice, GaussLattice, TophatLattice, SquareLattice>;
using Polynomials = TypeList<PolynomialLattice<0, false>, PolynomialLattice<0, true>, PolynomialLattice<1, false>,
                             PolynomialLattice<1, true>, PolynomialLattice<2, false>, PolynomialLattice<2, true>,
                             PolynomialLattice<3, false>, PolynomialLattice<3, true>>;

template <class... Types>
constexpr int length_of(TypeList<Types...>) {
    return (int)sizeof...(Types);
}
static_assert(length_of(Shapes()) + 1 == sizeof kShapes / sizeof kShapes[0], "a type for each Shape but gauss_index");

template <class... First, class... Second>
TypeList<First..., Second...> both(TypeList<First...>, TypeList<Second...>);
using Lattices = decltype(both(Polynomials(), Shapes()));

// visit(an object of the type in the list that has this formula); of the last one if none has.
template <class First, class... Others, class Visit>
static inline auto with_lattice(TypeList<First, Others...>, Formula formula, const Visit& visit) {
    if constexpr (sizeof...(Others) > 0) {
        if (!(formula == First::formula)) return with_lattice(TypeList<Others...>(), formula, visit);
    }
    return visit(First());
}

// A polynomial of degree 0 is exact; in double precision all of them are as good. Others are a `short_cut` of mixed
// precision (takes_short_cut).
static inline Formula formula_of(const KernelScene& s, bool mixed, bool short_cut) {
    const Formula plain{s.shape, -1, false};
    if (s.shape != Shape::square || s.few.degree < 0) return plain;
    const bool exact = s.few.degree == 0 && !s.few.any_even;
    return exact || !mixed || short_cut ? Formula{Shape::square, s.few.degree, s.few.any_even} : plain;
}

}  // namespace nanobragg
