// A Scene as the kernels see it.
#pragma once

#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Depth, front, back and incidence depth of each layer.
std::vector<double> layers_of(const Scene& scene);

std::vector<KernelSource> sources_of(const Scene& scene);

// One view for each panel. Layers, sources, orientations and grids stay where they are; `squares`: the squared grid of
// a scene in mixed precision, or null.
std::vector<KernelScene> views_of(const Scene& scene, const std::vector<double>& layers,
                                  const std::vector<KernelSource>& sources, const float* squares);

// Evaluations that a pixel takes.
std::int64_t evaluations_of_pixel(const KernelScene& scene);

}  // namespace nanobragg
