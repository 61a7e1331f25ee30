// Parts of a panel, and what can be said of all scattering vectors to them.
#pragma once

#include <cstdint>

#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Pixels of a panel; the last ones are included.
struct Tile {
    std::int64_t slow, last_slow, fast, last_fast;
};

// The longest difference between the direction to a pixel of this part of a panel and that of the panel's first source.
double reach_of(const KernelScene& k, const Tile& tile);

}  // namespace nanobragg
