// Which renderer and which precision keep their promises for a Scene (specs/performance.md).
#pragma once

#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Largest |F| of the grid and of default_F.
double largest_structure_factor(const Scene& scene);

// F^2 for mixed precision, and default_F^2 behind the last.
std::vector<float> squared_grid(const Scene& scene);

// Whether indices stay within what phases in single precision (kPhaseShift) and tests of many terms hold. NaN does not.
bool indices_suffice(const Scene& scene);

// Whether single precision keeps its promise; where it does not, mixed means double.
bool mixed_suffices(const Scene& scene, double largest_F);

// The same of derivatives (Mixed, cpp/src/derivatives): what floats hold must not overflow.
bool mixed_slopes_suffice(const Scene& scene);

// Why only the reference renderer can render a scene, or null: order-dependent factors; a negative or NaN radius scale,
// which leaves the range of the kernels' functions; grids beyond the kernels' 32-bit indices.
const char* reason_for_reference(const Scene& scene);

// A pixel must have this sum of terms for the cosine polynomials to be accurate enough everywhere: their error is
// largest where two axes are on a peak and the third is next to a zero, up to about 1e-6 (N_j N_k)^2 of a term's
// unit, and may be 1e-7 of the brightest pixel. Their typical error is a quarter of that. In fans it is twice as
// large.
double short_cut_limit(const KernelScene& scene);

}  // namespace nanobragg
