// The physics of one evaluation (pixel x source x orientation) but for its geometry, written once: the SIMD kernels and
// the GPU compile the same functions. The rules of physics.hpp hold here too.
#pragma once

#include "physics/kernel_scene.hpp"
#include "physics/physics.hpp"

namespace nanobragg {

// Shape; and the square shape with few cells: kFewCells + 2 degree + (1 if any number of cells is even).
enum { kSquare = 0, kRound = 1, kGauss = 2, kTophat = 3, kFewCells = 4 };
enum { kConstant = 0, kNearest = 1, kTricubic = 2 };  // where F comes from

constexpr double kGaussPower = -2.0 / 0.63 * 1.4426950408889634074;  // of two, for a miss of 1
constexpr int32_t kGaussScale = 60;  // powers of two that float sums of Gaussians are scaled by

// (Radius in units of the crystal's transform)^2 from distances to the nearest index in some unit. The weights do not
// depend on the pixel, and leave the loop.
template <class Real>
NANOBRAGG_FN Real radius_squared(const KernelScene& s, Real da, Real db, Real dc, double unit) {
    const double scale = s.fudge * (unit * unit);
    const double a = s.cells[0] * s.cells[0] * scale, b = s.cells[1] * s.cells[1] * scale,
                 c = s.cells[2] * s.cells[2] * scale;
    return (da * da) * a + ((db * db) * b + (dc * dc) * c);
}

template <class Real>
NANOBRAGG_FN Real miss_squared(const KernelScene& s, Real a, Real b, Real c) {
    using Number = typename NumberOf<Real>::Type;
    return a * ((Number)s.metric[0] * a + (Number)s.metric[3] * b + (Number)s.metric[5] * c) +
           (b * ((Number)s.metric[1] * b + (Number)s.metric[4] * c) + (Number)s.metric[2] * c * c);
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

// The same for few cells along an axis, where sin(N x)/sin(x) is a short polynomial of cos(2 x): no division, and no
// second sine.
template <int degree, bool even, class Real>
NANOBRAGG_FN Real few_cells_squared(const FewCells& few, Real a, Real b, Real c) {
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

NANOBRAGG_FN double nearest_whole(double x) {
    // Ties go down, as ceil(x - 1/2) does.
    const double whole = round_whole(x);
    return whole - x == 0.5 ? whole - 1.0 : whole;
}

// Place of a nearest grid point in the grid, or -1 outside. Without short circuits, so that it becomes a selection.
NANOBRAGG_FN int32_t grid_place(const KernelScene& s, double h0, double k0, double l0) {
    const double h = h0 - (double)s.f_min[0], k = k0 - (double)s.f_min[1], l = l0 - (double)s.f_min[2];
    const bool inside = (h >= 0) & (h < (double)s.f_shape[0]) & (k >= 0) & (k < (double)s.f_shape[1]) & (l >= 0) &
                        (l < (double)s.f_shape[2]);
    const double at = (h * (double)s.f_shape[1] + k) * (double)s.f_shape[2] + l;
    return (int32_t)(inside ? at : -1.0);
}

// The same from whole indices, all too large by `bias`; the place behind the last grid point outside. (Natural:
// uint32_t, or a vector.)
template <class Natural>
NANOBRAGG_FN Natural grid_place_of(const KernelScene& s, Natural h0, Natural k0, Natural l0, uint32_t bias) {
    const Natural h = h0 - ((uint32_t)s.f_min[0] + bias), k = k0 - ((uint32_t)s.f_min[1] + bias),
                  l = l0 - ((uint32_t)s.f_min[2] + bias);
    const uint32_t nh = (uint32_t)s.f_shape[0], nk = (uint32_t)s.f_shape[1], nl = (uint32_t)s.f_shape[2];
    const auto inside = (h < nh) & (k < nk) & (l < nl);
    return inside ? (h * nk + k) * nl + l : Natural{} + nh * nk * nl;
}
NANOBRAGG_FN int32_t grid_place(const KernelScene& s, int32_t h0, int32_t k0, int32_t l0) {
    return (int32_t)grid_place_of(s, (uint32_t)h0, (uint32_t)k0, (uint32_t)l0, 0);
}

// F_latt^2 in these units is what the loops compute.
template <int shape>
NANOBRAGG_FN double lattice_unit(const KernelScene& s) {
    const double size = s.cells[0] * s.cells[1] * s.cells[2];
    if (shape == kRound) return size * 0.723601254558268 * size * 0.723601254558268;
    return shape == kGauss || shape == kTophat ? size * size : 1.0;
}

// The square shapes; also of vectors.
template <int shape, class Real>
NANOBRAGG_FN Real square_double(const KernelScene& s, Real dh, Real dk, Real dl) {
    if (shape >= kFewCells) {
        constexpr int kind = shape >= kFewCells ? shape - kFewCells : 0;
        return few_cells_squared<kind / 2, kind % 2 != 0>(s.few, cos_two_pi(dh), cos_two_pi(dk), cos_two_pi(dl));
    }
    const Real a = away_from_zero(dh), b = away_from_zero(dk), c = away_from_zero(dl);
    return grating_squared(a, b, c, remainder_of(a, s.cells[0]), remainder_of(b, s.cells[1]),
                           remainder_of(c, s.cells[2]));
}

template <int shape, class Phase>
NANOBRAGG_FN auto square_mixed(const KernelScene& s, Phase ph, Phase pk, Phase pl) {
    if (shape >= kFewCells) {
        constexpr int kind = shape >= kFewCells ? shape - kFewCells : 0;
        return few_cells_squared<kind / 2, kind % 2 != 0>(s.few, cos_two_pi(ph), cos_two_pi(pk), cos_two_pi(pl));
    }
    const Phase a = odd_phase(ph), b = odd_phase(pk), c = odd_phase(pl);
    return grating_squared(turns(a), turns(b), turns(c), turns(times(a, (int32_t)s.cells[0])),
                           turns(times(b, (int32_t)s.cells[1])), turns(times(c, (int32_t)s.cells[2])));
}

template <int shape>
NANOBRAGG_FN double lattice_double(const KernelScene& s, double dh, double dk, double dl) {
    if (shape == kGauss) return exp_negative(miss_squared(s, dh, dk, dl) * (s.fudge * (-2.0 / 0.63)));
    if (shape == kTophat) return miss_squared(s, dh, dk, dl) * s.fudge < 0.3969 ? 1.0 : 0.0;
    if (shape == kRound) {
        const double f = sphere_transform(__builtin_sqrt(radius_squared(s, dh, dk, dl, 1.0)));
        return f * f;
    }
    return square_double<shape>(s, dh, dk, dl);
}

template <int shape>
NANOBRAGG_FN float lattice_mixed(const KernelScene& s, int32_t ph, int32_t pk, int32_t pl) {
    if (shape == kGauss) {
        // -2 Delta^2 fudge / 0.63 as a power of two; the scale keeps deep tails out of the denormals
        const double e =
            miss_squared(s, (double)ph, (double)pk, (double)pl) * (s.fudge * (kGaussPower * 5.421010862427522e-20));
        const double bounded = e < -180.0 ? -180.0 : e;
        const double sum = with_whole(bounded), whole = sum - with_whole(0.0);
        const float value = exp2_fraction((float)(bounded - whole)) * power_of_two(whole_in(sum) + kGaussScale);
        return e < -180.0 ? 0.0f : value;
    }
    if (shape == kTophat)
        return miss_squared(s, turns(ph), turns(pk), turns(pl)) * (float)s.fudge < 0.3969f ? 1.0f : 0.0f;
    if (shape == kRound) {
        const double turn = 2.3283064365386963e-10;
        const float f = sphere_transform_mixed(radius_squared(s, (double)ph, (double)pk, (double)pl, turn));
        return f * f;
    }
    return square_mixed<shape>(s, ph, pk, pl);
}

// Weights of the cubic Lagrange polynomial through -1, 0, 1, 2 at t in [0, 1).
NANOBRAGG_FN void lagrange_weights(double t, double& w0, double& w1, double& w2, double& w3) {
    const double a = t + 1, b = t - 1, c = t - 2;
    w0 = t * b * c * (-1.0 / 6.0);
    w1 = a * b * c * 0.5;
    w2 = a * t * c * -0.5;
    w3 = a * t * b * (1.0 / 6.0);
}

// All 64 points of a cubic interpolation lie in the grid. Without short circuits, so that it becomes a selection.
NANOBRAGG_FN bool tricubic_inside(const KernelScene& s, double h, double k, double l) {
    const double h_min = (double)s.f_min[0], k_min = (double)s.f_min[1], l_min = (double)s.f_min[2];
    return (h - h_min + 3 <= (double)s.f_shape[0]) & (h - 2 >= h_min) & (k - k_min + 3 <= (double)s.f_shape[1]) &
           (k - 2 >= k_min) & (l - l_min + 3 <= (double)s.f_shape[2]) & (l - 2 >= l_min);
}

}  // namespace nanobragg
