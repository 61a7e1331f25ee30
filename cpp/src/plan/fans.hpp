// Beams of one wavelength share what depends on the pixel and the orientation (the kernels' fans).
#pragma once

#include <cstdint>
#include <vector>

#include "physics/kernel_scene.hpp"

namespace nanobragg {

// The sources in the order of their wavelengths, where enough of them share one, else none. `kept`: how many sources
// would be kept in this order, here and elsewhere.
std::vector<KernelSource> ordered_by_wavelength(const std::vector<KernelSource>& sources, std::int64_t kept);

}  // namespace nanobragg
