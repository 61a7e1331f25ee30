// Between the renderer of derivatives and its kernels: plain data, and one table of functions per instruction set. The
// rules of cpu/kernel.hpp hold here too.
#pragma once

#include <stdint.h>

#include "physics/kernel_scene.hpp"
#include "physics/passes.hpp"

namespace nanobragg {

// Most pixels that are computed together: by a team of the GPU, and by registers of the CPU.
constexpr int kSlopeChunk = 128, kSlopeChunkCpu = 256;

// One direction in which the numbers of a scene change, as kernels see them.
struct ForwardColumn {
    const PanelSlopes<double>* panels;
    const SourceSlopes<double>* sources;
    const LayerSlopes<double>* layers;
    CommonSlopes<double> common;
    const double *orientations, *first_orientations;  // 9 each; null: they stay, or
    const double* strain;                             // all h, k, l change to this matrix times h, k, l; or null
    const double* f_grid;                             // null: they stay
    double default_F;                                 // what is outside of a grid
    bool shaped;                                      // changes what the shape depends on
    bool moves_pixels;                                // changes anything but the sum of terms
    bool moves_factors;                               // changes scattering vectors, or factors inside the sum
};

// A sum over a register's pixels.
struct Sum {
    double value;

    template <class Register>
    NANOBRAGG_FN_MEMBER void operator+=(Register x) {
        for (int i = 0; i < (int)(sizeof x / sizeof value); ++i) value += x[i];
    }
};

// How many sums of an orientation's number a thread may keep side by side, as registers have them.
constexpr int kSumLanes = 8;

// How many sums an orientation has along a row of pixels: five by each index.
constexpr int kMoments = 15;

// The places of a row's pixels on a flat panel, at one offset in them and at one depth: a straight line.
struct StraightLine {
    double foot[3], along[3];           // unit vectors: to the line's place that is next to the sample, and along it
    double distance, pixel;             // m: of that place, and from pixel to pixel
    double foot_fast, own_slow, depth;  // pixels from the panel's corner: of that place; m
};

// Sums over the pixels of one row (slopes_straight.inl).
struct StraightRow {
    double* lanes;             // kSumLanes of each of an orientation's kMoments, for each line and source; or null
    StraightLine* lines;       // of each layer and subpixel
    const KernelScene* scene;  // null: no row has begun
    const KernelPanel* panel;
    int64_t panel_number, slow;
    double unit;  // of the sums
};

// How much the weighted sum of pixels depends on each number.
struct BackwardSums {
    PanelSlopes<Sum>* panels;
    SourceSlopes<Sum>* sources;
    LayerSlopes<Sum>* layers;
    CommonSlopes<Sum> common;
    double *orientations, *first_orientations;  // 9 each
    double* lanes;                              // kSumLanes of each number of `orientations`, instead of these; or null
    double* f_grid;                             // null: not asked for
    double default_F;
    StraightRow straight;
};

// Pixels side by side in a row.
struct PixelRun {
    int64_t slow, fast;  // where the first one is in the raster
    int64_t place;       // of its number in arrays that have one for each chosen pixel
    int count;
};

struct SlopeTask {
    const KernelScene* scene;
    const KernelPanel* panel;
    int64_t panel_number;
    int64_t first_fast, first_slow;  // where the panel begins in its raster
    const PixelRun* runs;            // of this panel
    int run_count;
    int count;            // pixels of all runs
    const double* shape;  // the parameters of the shape (lattice_slopes.hpp)
    double unit;          // what the sums leave out
    const double* first;  // orientations of the very first evaluation, which this only pixel has; or null
    bool mixed;           // terms in single precision
    bool tricubic;
    bool* interpolating;  // state of this only pixel, which leaves the range of the interpolation; or null
    double* image;        // of all chosen pixels; or null
};

struct ForwardTask {
    SlopeTask task;
    const ForwardColumn* columns;
    int64_t column_count;
    double* changes;  // of all chosen pixels, one column after the other
    int64_t stride;   // from column to column
    void* scratch;    // forward_scratch(column_count) bytes, on a multiple of 64
};

struct BackwardTask {
    SlopeTask task;
    const double* weights;  // of all chosen pixels
    BackwardSums* sums;
};

struct SlopeTable {
    const char* name;
    void (*forward)(const ForwardTask&);
    void (*backward)(const BackwardTask&);
    void (*finish)(BackwardSums&, int64_t orientations);  // after the last piece that adds to these sums
    int64_t (*forward_scratch)(int64_t columns);
};

namespace baseline {
extern const SlopeTable kSlopeTable;
}
namespace avx2 {
extern const SlopeTable kSlopeTable;
}
namespace avx512 {
extern const SlopeTable kSlopeTable;
}

}  // namespace nanobragg
