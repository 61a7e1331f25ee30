// Fewer wavelengths of each direction where no sum can tell (spectrum.hpp). How many do depends on how long scattering
// vectors are, and so on the part of the detector.
#pragma once

#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Sources that do for scattering vectors (unit vectors' differences) up to `reach`.
struct SourceLevel {
    double reach;
    std::vector<KernelSource> sources;
};

struct Spectra {
    // Radians that the fastest term of a lattice factor turns through when 1/wavelength grows by one, for scattering
    // vectors of length 1, or 0: there is no such bound; and nodes that are worth finding.
    double rate = 0, most_nodes = 0;
    double spread = 0;                // how far the directions of sources are from the first one's, at most
    std::vector<SourceLevel> levels;  // the last one is for the whole detector
};

// `view`: the scene as the kernels see it, with all its sources; `panels`: its panels.
Spectra spectra_of(const Scene& scene, const KernelScene& view, const std::vector<KernelPanel>& panels);

}  // namespace nanobragg
