// Structure factors with their slopes by h, k and l, and the grid points that they are made of: for the derivatives of
// one pixel's terms. The rules of physics.hpp hold here too.
#pragma once

#include "physics/lookup.hpp"

namespace nanobragg {

// A number that nobody writes while a kernel is at work: a GPU reads it past what threads write.
NANOBRAGG_FN double constant(const double* at) {
#if defined(__CUDA_ARCH__)
    return __ldg(at);
#else
    return *at;
#endif
}

// The points of a grid that a structure factor is made of.
struct GridPoints {
    int64_t place;  // of the point, or of the first of 64; -1: default_F
    bool cubic;     // 64 of them, with these weights along each axis
    double weights[3][4];
};

// visit(place, weight) for each of the points.
template <class Visit>
NANOBRAGG_FN void visit_points(const KernelScene& s, const GridPoints& points, const Visit& visit) {
    if (!points.cubic) {
        visit(points.place, 1.0);
        return;
    }
    const auto& w = points.weights;
    NANOBRAGG_ROLLED
    for (int i = 0; i < 4; ++i) {
        NANOBRAGG_ROLLED
        for (int j = 0; j < 4; ++j) {
            const int64_t row = points.place + (i * s.f_shape[1] + j) * s.f_shape[2];
            for (int m = 0; m < 4; ++m) visit(row + m, w[0][i] * w[1][j] * w[2][m]);
        }
    }
}

// Whether F is interpolated at these indices, where the shape has this value. `state`: of the one pixel that leaves the
// range of the interpolation, or null; the first evaluation out of range that counts ends it.
NANOBRAGG_FN bool interpolates(const KernelScene& s, const double h[3], double squared, bool* state) {
    const bool inside = (state == nullptr || *state) && tricubic_inside(s, h[0], h[1], h[2]);
    if (state != nullptr && !inside && (squared != 0 || s.background_sum != 0)) *state = false;
    return inside;
}

// F of the one point.
NANOBRAGG_FN double nearest_factor(const KernelScene& s, const GridPoints& points) {
    return points.place < 0 ? s.default_F : constant(s.f_grid + points.place);
}

// F of the 64 points around these indices, which all lie in the grid.
NANOBRAGG_CALLED void interpolate(const KernelScene& s, const double h[3], GridPoints& points, double& out,
                                  double slope[3]) {
    double slopes[3][4], start[3];
    auto& w = points.weights;
    for (int axis = 0; axis < 3; ++axis) {
        const double below = floor_whole(h[axis]), t = h[axis] - below;
        lagrange_weights(t, w[axis][0], w[axis][1], w[axis][2], w[axis][3]);
        lagrange_slopes(t, slopes[axis][0], slopes[axis][1], slopes[axis][2], slopes[axis][3]);
        start[axis] = below - 1 - (double)s.f_min[axis];
    }
    const double first = (start[0] * (double)s.f_shape[1] + start[1]) * (double)s.f_shape[2] + start[2];
    points.place = (int64_t)first;
    double value = 0, by[3] = {0, 0, 0};
    for (int i = 0; i < 4; ++i) {
        double plane = 0, plane_k = 0, plane_l = 0;
        for (int j = 0; j < 4; ++j) {
            const double* given = s.f_grid + points.place + (i * s.f_shape[1] + j) * s.f_shape[2];
            double row = 0, row_l = 0;
            for (int m = 0; m < 4; ++m) {
                row += w[2][m] * given[m];
                row_l += slopes[2][m] * given[m];
            }
            plane += w[1][j] * row;
            plane_k += slopes[1][j] * row;
            plane_l += w[1][j] * row_l;
        }
        value += w[0][i] * plane;
        by[0] += slopes[0][i] * plane;
        by[1] += w[0][i] * plane_k;
        by[2] += w[0][i] * plane_l;
    }
    out = value;
    for (int axis = 0; axis < 3; ++axis) slope[axis] = by[axis];
}

}  // namespace nanobragg
