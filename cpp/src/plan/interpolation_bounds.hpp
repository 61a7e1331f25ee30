// How large a structure factor that is interpolated can be (specs/physics.md, "Within a stated error").
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/scene.hpp"

namespace nanobragg {

// F^2 at most between whole indices (h, k, l) and (h + 1, k + 1, l + 1), for each point of the grid: 0 where nothing is
// interpolated. (h, k, l), contiguous.
std::vector<double> largest_between_points(const Scene& scene);

}  // namespace nanobragg
