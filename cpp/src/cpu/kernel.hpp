// Between the renderer and its kernels: plain data, and one table of functions per instruction set. Nothing of the
// C++ standard library may be used in a kernel's translation unit (see physics.hpp), hence pointers.
#pragma once

#include <stdint.h>

#include "physics/bounds.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Most pixels of a row that are computed together. Loops that keep indices or cosines of all pixels want fewer, so that
// those stay in the L1 cache.
constexpr int kChunk = 1024, kStoredChunk = 256;

// Asked now and then; a true answer stops the work.
struct Poll {
    bool (*stop)(void* context);
    void* context;
};

// Chunks begin at multiples of kLanes pixels of the raster, so that none of a pixel's operations depends on how the
// raster was cut into panels: the first lanes of a panel may be another's, or nobody's. Where neighbours share what is
// fetched for an interpolation, they begin at multiples of kCubicChunk.
constexpr int kLanes = 16, kCubicChunk = 64;

// Tall chunks are kTall rows of the raster, from a multiple of kTall on, in squares of kTall by kTall pixels, row by
// row: registers full of pixels that are next to one another.
constexpr int kTall = 4;
static_assert(kTall * kTall == kLanes, "a square is what any register fits into");

// What leaving out within a tolerance came to.
struct Tally {
    int64_t terms;   // that were evaluated
    double work;     // the time it took, as a number of terms (estimated)
    double used_up;  // raised to the largest part of the tolerance that any pixel may have lost
};

struct ChunkTask {
    const KernelScene* scene;
    const KernelPanel* panel;
    int64_t slow, fast;   // where the first lane's pixel is in the raster
    int lead, count;      // lanes before the first pixel; pixels. At most kChunk together
    int tall;             // lanes are those of a tall chunk: `lead` and `count` are columns
    int above, rows;      // and these the rows before the first pixel's, and of pixels; else 0 and 1
    int64_t stride;       // from a row of pixels to the next in `mask` and `image`
    int tricubic;         // interpolate in this chunk
    int careful;          // mixed: no short cut that is accurate only next to a bright pixel
    double* brightest;    // raised to the largest sum of terms of any pixel that is not masked
    const uint8_t* mask;  // count values, 0: masked; or null
    float* image;         // count values
    double* solid_angle;  // the sum over the pixels that are not masked is added to it
    Poll poll;
    const Bounds* bounds;   // leave out what cannot matter; or null
    const SpotList* spots;  // all that can; or null, where that is not known
    Tally* tally;           // where there are bounds, what is evaluated is added to it
};

using ChunkFunction = bool (*)(const ChunkTask&);  // false: stopped

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
