// Where an evaluation's structure factor comes from. The rules of physics.hpp hold here too.
#pragma once

#include "physics/kernel_scene.hpp"
#include "physics/physics.hpp"

namespace nanobragg {

enum class Lookup { constant, nearest, tricubic };

template <class Real>
NANOBRAGG_FN Real nearest_whole(Real x) {
    // Ties go down, as ceil(x - 1/2) does.
    const Real whole = round_whole(x);
    return whole - x == 0.5 ? whole - 1.0 : whole;
}

// Place of a nearest grid point in the grid, or -1 outside. Without short circuits, so that it becomes a selection.
template <class Real>
NANOBRAGG_FN Real grid_number(const KernelScene& s, Real h0, Real k0, Real l0) {
    const Real h = h0 - (double)s.f_min[0], k = k0 - (double)s.f_min[1], l = l0 - (double)s.f_min[2];
    const auto inside = (h >= 0) & (h < (double)s.f_shape[0]) & (k >= 0) & (k < (double)s.f_shape[1]) & (l >= 0) &
                        (l < (double)s.f_shape[2]);
    const Real at = (h * (double)s.f_shape[1] + k) * (double)s.f_shape[2] + l;
    return inside ? at : filled<Real>(-1.0);
}
NANOBRAGG_FN int32_t grid_place(const KernelScene& s, double h0, double k0, double l0) {
    return (int32_t)grid_number(s, h0, k0, l0);
}

// Place of a grid point from whole indices that are all too large by `bias`; the place behind the last grid point
// outside. (Natural: uint32_t, or a vector.)
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

// Weights of the cubic Lagrange polynomial through -1, 0, 1, 2 at t in [0, 1).
NANOBRAGG_FN void lagrange_weights(double t, double& w0, double& w1, double& w2, double& w3) {
    const double a = t + 1, b = t - 1, c = t - 2;
    w0 = t * b * c * (-1.0 / 6.0);
    w1 = a * b * c * 0.5;
    w2 = a * t * c * -0.5;
    w3 = a * t * b * (1.0 / 6.0);
}

// And the slopes of these weights.
NANOBRAGG_FN void lagrange_slopes(double t, double& w0, double& w1, double& w2, double& w3) {
    const double a = t + 1, b = t - 1, c = t - 2;
    w0 = (b * c + t * (b + c)) * (-1.0 / 6.0);
    w1 = (b * c + a * (b + c)) * 0.5;
    w2 = (t * c + a * (t + c)) * -0.5;
    w3 = (t * b + a * (t + b)) * (1.0 / 6.0);
}

// All 64 points of a cubic interpolation lie in the grid. Without short circuits, so that it becomes a selection.
NANOBRAGG_FN bool tricubic_inside(const KernelScene& s, double h, double k, double l) {
    const double h_min = (double)s.f_min[0], k_min = (double)s.f_min[1], l_min = (double)s.f_min[2];
    return (h - h_min + 3 <= (double)s.f_shape[0]) & (h - 2 >= h_min) & (k - k_min + 3 <= (double)s.f_shape[1]) &
           (k - 2 >= k_min) & (l - l_min + 3 <= (double)s.f_shape[2]) & (l - 2 >= l_min);
}

}  // namespace nanobragg
