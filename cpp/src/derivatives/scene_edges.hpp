// From the numbers of a Scene to those that kernels see, as edges for both passes (physics/passes.hpp).
#pragma once

#include <vector>

#include "derivatives/task.hpp"
#include "nanobragg/derivatives.hpp"

namespace nanobragg {

// What belongs to the numbers that kernels see but orientations and structure factors.
struct KernelChange {
    std::vector<PanelSlopes<double>> panels;
    std::vector<SourceSlopes<double>> sources;
    std::vector<LayerSlopes<double>> layers;
    CommonSlopes<double> common{};
    double default_F = 0;  // outside of a grid
};

// All zero, in the sizes of the scene.
KernelChange no_change(const Scene& scene);

// The parameters of the scene's shape (lattice_slopes.hpp): kShapeParameters numbers.
std::vector<double> shape_parameters(const Scene& scene, const KernelScene& view);
// What the kernels' sums leave out.
double unit_of(const Scene& scene, const KernelScene& view);

// A direction in which the scene changes, as kernels see it.
KernelChange kernel_change(const Scene& scene, const KernelScene& view, const SceneChange& direction);
// What a sum depends on the numbers that kernels see, put down to those of the scene.
void put_down(const Scene& scene, const KernelScene& view, KernelChange& kernel, SceneChange& result);

}  // namespace nanobragg
