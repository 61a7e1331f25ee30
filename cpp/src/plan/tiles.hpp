// Parts of a panel, and what can be said of all scattering vectors to them.
#pragma once

#include <cstdint>

#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Pixels of a raster; the last ones are included.
struct Tile {
    std::int64_t slow, last_slow, fast, last_fast;
};

// The longest difference between the direction to a pixel of this part of a raster and that of the first source, or a
// little more.
double reach_of(const KernelScene& k, const KernelPanel& panel, const Tile& tile);

// Whether all directions to it are less than 90 degrees from the first source's.
bool is_ahead(const KernelScene& k, const KernelPanel& panel, const Tile& tile);

}  // namespace nanobragg
