// A Scene as the kernels see it.
#pragma once

#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"
#include "physics/lookup.hpp"
#include "plan/tiles.hpp"

namespace nanobragg {

std::vector<KernelSource> sources_of(const Scene& scene);

// Layers (those of all sensors), sources, orientations and grids stay where they are; `squares`: the squared grid of a
// scene in mixed precision, or null.
KernelScene view_of(const Scene& scene, const std::vector<Layer>& layers, const std::vector<KernelSource>& sources,
                    const float* squares);

std::vector<KernelPanel> panels_of(const Scene& scene);

// Where its structure factors come from, at most: pixels may be told not to interpolate.
Lookup lookup_of(const Scene& scene);

// What a miss of one index along a, b and c adds to the vector whose square, times this, is the miss of Gaussian spots
// and of those that are cut off (specs/physics.md, "F_latt").
struct MissAxes {
    Vec3 of[3];
    double square;
};
MissAxes miss_axes(const Scene& scene);

// What multiplies dh^2, dk^2, dl^2, dh dk, dk dl and dh dl in that square.
void miss_metric(const Scene& scene, double metric[6]);

// A panel's region of interest, counted from the corner of its raster.
Tile tile_of(const Panel& panel);

// Evaluations that a pixel takes.
std::int64_t evaluations_of_pixel(const KernelScene& scene);

}  // namespace nanobragg
