// What parts of an image add to the derivatives by all numbers of a scene.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "derivatives/task.hpp"
#include "nanobragg/derivatives.hpp"

namespace nanobragg {

// What one part of the image adds. (Kernels add to Sums, which hold one double.)
struct SlopePart {
    std::vector<PanelSlopes<Sum>> panels;
    std::vector<SourceSlopes<Sum>> sources;
    std::vector<LayerSlopes<Sum>> layers;
    std::vector<double> orientations, first_orientations, grid;
    BackwardSums sums{};

    SlopePart(const Scene& s, bool with_grid);
    SlopePart(const SlopePart&) = delete;  // its sums point to its numbers
    SlopePart& operator=(const SlopePart&) = delete;
};

// No change, with a number for each of the scene's, of its grid where it is asked for.
SceneChange zeros(const Scene& s, bool with_grid);

// How many doubles one has.
double part_numbers(const Scene& s, bool with_grid);

// The derivatives by the scene's numbers, from those of all parts in their order.
SceneChange gathered(const Scene& s, const KernelScene& view, const std::vector<std::unique_ptr<SlopePart>>& parts,
                     bool with_grid);

}  // namespace nanobragg
