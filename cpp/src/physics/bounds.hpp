// What the kernels know of how much a term can add, to leave out what cannot matter (specs/physics.md, "Within a stated
// error"): plain data, which belongs to the plan's TermBounds. CPU only.
#pragma once

#include <stdint.h>

namespace nanobragg {

// Orientations that are tested, and may be left out, together: the largest number of them.
constexpr int kOrientationBatch = 256;

// Orientations have nothing in common if the squared half width of what each axis may be is more than this part of that
// and the squared middle: no test of all together can hold.
constexpr float kUnlike = 0.04f;

// What interpolating a structure factor costs, in evaluations that look one up.
constexpr double kTricubicTerm = 10.0;

struct Bounds {
    double tolerance;            // photons
    double photons;              // of a pixel with a solid angle of 1 whose sum of terms is 1, at most
    double given_back;           // of the bounds of what is left out, as if it were that much: a half at most
    double depth;                // of the sensor's layers, at most, m
    const double* orientations;  // as the scene's; where spots are not known, ordered so that neighbours are alike
    double longest[3];           // axes of any orientation, at most, m
    // Of a powder, else null. For each batch of orientations: each element of their matrices, kOrientationBatch numbers
    // of single precision; and whether they have nothing in common (1).
    const float* elements;
    const uint8_t* unlike;
    // Weights of the squared distances to the nearest indices: of squares, 1/N^2 for each axis, at most; else what the
    // squared distances in the transform of the block are at least made of.
    float weight[3];
    float largest;           // F^2, at most
    const float* maxima;     // F^2, and behind them the largest of eight neighbours (term_bounds.cpp); or null
    int32_t first[3];        // indices of its first element
    int32_t shape[3], size;  // elements along each axis, and of all three together
};

// A reflection of an orientation, and where in a row it can matter: pixels of a raster, the last one included.
struct Spot {
    int32_t source, orientation;
    int32_t first_fast, last_fast;
    // Where the directions less the incident one meet the reflection, and what single precision leaves of it.
    float node[3], rest[3];
    float f_squared, limit;  // F^2; square of the distance beyond which it is left out, in units of SpotList::sharpness
};

// Those that may matter for a piece of kSpotRows rows, side by side, ordered by source and orientation; nothing else
// can.
constexpr int kSpotRows = 8;
struct SpotList {
    const Spot* spots;
    const uint8_t* rows;  // of each, a bit for each row in which it may matter
    int64_t count;
    uint8_t row;  // the bit of the one that is rendered
    // Round Gaussians are 2 to the power of minus this times the squared distance from the node, for a wavelength of 1;
    // 0: all of the orientation is to be evaluated.
    double sharpness;
};

}  // namespace nanobragg
