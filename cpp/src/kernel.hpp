// Between the renderer and its kernels: plain data, and one table of functions per instruction set. Nothing of the
// C++ standard library may be used in a kernel's translation unit (see physics.hpp), hence pointers.
#pragma once

#include <stdint.h>

namespace nanobragg {

constexpr int kChunk = 256;  // pixels of a row that are computed together; their state stays in the L1 cache

struct KernelSource {
    double direction[3];  // of travel
    double inverse_wavelength, weight;
    double electric[3], magnetic[3];  // incident E and B directions (Kahn)
};

// sin(N x)/sin(x) for the three axes as polynomials of c = cos(2 x), lowest power first, padded to one degree. Where N
// is even the square has a factor 2 + 2 c besides: even c + odd (0 c + 1 where N is odd).
struct FewCells {
    int kind;  // 2 degree + (1 if any N is even), or -1: too many cells
    double polynomial[3][4];
    double even[3], odd[3];
};

struct KernelScene {
    // panel of this chunk
    double origin[3], fast[3], slow[3], normal[3];
    double pixel_size, close_distance, curved_distance, beam[3];
    const double* layers;  // 4 per layer: depth, front, back, incidence depth
    int64_t layer_count;
    double attenuation, sensor_depth;
    int omega, polar, capture;  // Factor
    int capture_inside;         // the capture fraction differs from term to term
    int point_pixel;
    double kahn_factor;
    const KernelSource* sources;
    int64_t source_count;
    const double* orientations;  // 9 per orientation: a, b, c
    int64_t orientation_count;
    int shape;  // Shape
    double cells[3];
    FewCells few;
    double fudge;
    double metric[6];  // miss_sqr = m0 dh^2 + m1 dk^2 + m2 dl^2 + m3 dh dk + m4 dk dl + m5 dh dl
    const double* f_grid;
    const float* f_sqr_grid;  // F^2 for mixed precision, default_F^2 behind the last; or null
    int64_t f_shape[3], f_min[3];
    double default_F;
    int64_t oversample;
    double dmin, background_sum, background, scale, steps, weight_sum;
};

// Asked now and then; a true answer stops the work.
struct Poll {
    bool (*stop)(void* context);
    void* context;
};

struct ChunkTask {
    const KernelScene* scene;
    int64_t slow, fast;   // of the first pixel
    int count;            // pixels, at most kChunk
    int tricubic;         // interpolate in this chunk
    int careful;          // mixed: no short cut that is accurate only next to a bright pixel
    double* brightest;    // raised to the largest sum of terms of any pixel that is not masked
    const uint8_t* mask;  // count values, 0: masked; or null
    float* image;         // count values
    double* solid_angle;  // the sum over the chunk is added to it
    Poll poll;
};

using ChunkFunction = bool (*)(const ChunkTask&);  // false: stopped

// Single-precision cosine polynomials lose digits next to the zeros of the lattice transform. True if they are the
// short cut that a chunk of this scene would take in mixed precision.
static inline bool takes_short_cut(const KernelScene& s) {
    const bool grid = s.f_shape[0] * s.f_shape[1] * s.f_shape[2] > 0;
    // Factors inside the sum would hide how bright a pixel is; polarization, between 1/2 and 1, hides little.
    const bool plain = s.omega != 3 && !s.capture_inside;  // 3: Factor::each
    return s.shape == 0 && s.few.kind > 0 && s.few.kind <= 5 && !grid && plain;
}

// Multiply-adds as fast as the registers allow: what the other kernels are measured against. Does `rounds` rounds and
// returns the number of floating-point operations; `sink` keeps the compiler from leaving them out.
using PeakFunction = double (*)(int64_t rounds, double* sink);

struct KernelTable {
    const char* name;
    ChunkFunction chunk_double, chunk_mixed;
    PeakFunction peak_double, peak_float;
};

namespace baseline {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}

}  // namespace nanobragg
