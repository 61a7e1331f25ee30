// What the kernels know of how much a term can add, to leave out what cannot matter (specs/physics.md, "Within a stated
// error"): plain data, which belongs to the plan's TermBounds. CPU only.
#pragma once

#include <stdint.h>

namespace nanobragg {

// Orientations that are tested, and may be left out, together: the largest number of them.
constexpr int kOrientationBatch = 256;

// What interpolating a structure factor costs, in evaluations that look one up.
constexpr double kTricubicTerm = 10.0;

struct Bounds {
    double tolerance;            // photons
    double photons;              // of a pixel with a solid angle of 1 whose sum of terms is 1, at most
    double depth;                // of the sensor's layers, at most, m
    const double* orientations;  // as the scene's, in an order in which neighbours are alike
    double longest[3];           // axes of any orientation, at most, m
    // Weights of the squared distances to the nearest indices: of squares, 1/N^2 for each axis, at most; else what the
    // squared distances in the transform of the block are at least made of.
    float weight[3];
    float largest;           // F^2, at most
    const float* maxima;     // F^2, and behind them the largest of eight neighbours (term_bounds.cpp); or null
    int32_t first[3];        // indices of its first element
    int32_t shape[3], size;  // elements along each axis, and of all three together
};

}  // namespace nanobragg
