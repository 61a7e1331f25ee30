// A Scene as the kernels see it, on the CPU and on the GPU: plain data and plain pointers, which belong to the Plan
// (CPU) or lie in the memory of the device.
#pragma once

#include <stdint.h>

#include "nanobragg/enumerations.hpp"
#include "nanobragg/layer.hpp"

#if defined(__CUDACC__)
#define NANOBRAGG_HOST_DEVICE __host__ __device__
#else
#define NANOBRAGG_HOST_DEVICE
#endif

namespace nanobragg {

struct KernelSource {
    double direction[3];  // unit vector of travel
    double inverse_wavelength, weight;
    double electric[3], magnetic[3];  // incident E and B directions (Kahn)
};

// sin(N x)/sin(x) for the three axes as polynomials of c = cos(2 x), lowest power first, padded to one degree. Where N
// is even the square has a factor 2 + 2 c besides: even c + odd (0 c + 1 where N is odd).
struct CellPolynomials {
    int degree;     // -1: too many cells
    bool any_even;  // whether one of the three N is even
    double polynomial[3][4];
    double even[3], odd[3];
};

// A raster of pixels: that of a panel, or the larger one that the panel is a part of.
struct KernelPanel {
    double origin[3], fast[3], slow[3], normal[3];
    double pixel_fast, pixel_slow, pixel_area, close_distance;
    double attenuation, sensor_depth;
    int64_t first_layer;  // of its sensor's in KernelScene::layers
};

// All but the panels.
struct KernelScene {
    double curved_distance, beam[3];
    const Layer* layers;  // of all sensors
    int64_t layer_count;  // of each
    Factor omega, polar, capture;
    int capture_inside;  // the capture fraction differs from term to term
    int point_pixel;
    double kahn_factor;
    const KernelSource* sources;
    const KernelSource* by_wavelength;  // sources ordered by wavelength, where many share one; or null. CPU only
    int64_t source_count;
    const double* orientations;  // 9 per orientation: a, b, c
    int64_t orientation_count;
    Shape shape;  // of the loops: gauss for gauss_index, too, which misses in other units
    double cells[3], block_size;
    CellPolynomials few;
    double fudge;
    double miss[6];  // miss_sqr = (m0 dh + m3 dk + m5 dl)^2 + (m1 dk + m4 dl)^2 + (m2 dl)^2
    const double* f_grid;
    const float* f_sqr_grid;  // F^2 for mixed precision, default_F^2 behind the last; or null
    int64_t f_shape[3], f_min[3];
    double default_F;
    int64_t oversample;
    double dmin, background_sum, background, scale, steps, weight_sum;
};

NANOBRAGG_HOST_DEVICE static inline const Layer& layer_of(const KernelScene& s, const KernelPanel& g, int64_t layer) {
    return s.layers[g.first_layer + layer];
}

NANOBRAGG_HOST_DEVICE static inline bool has_grid(const KernelScene& s) {
    return s.f_shape[0] * s.f_shape[1] * s.f_shape[2] > 0;
}

// Single-precision cosine polynomials lose digits next to the zeros of the lattice transform. True if they are the
// short cut that a chunk of this scene would take in mixed precision.
NANOBRAGG_HOST_DEVICE static inline bool takes_short_cut(const KernelScene& s) {
    // Factors inside the sum would hide how bright a pixel is; polarization, between 1/2 and 1, hides little.
    const bool plain = s.omega != Factor::each && !s.capture_inside;
    const bool inexact = s.few.degree > 0 || s.few.any_even;
    const bool short_enough = s.few.degree >= 0 && s.few.degree <= 2;
    return s.shape == Shape::square && inexact && short_enough && !has_grid(s) && plain;
}

}  // namespace nanobragg
