// Directions in which a scene changes, as kernels see them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "derivatives/scene_edges.hpp"
#include "derivatives/task.hpp"
#include "nanobragg/derivatives.hpp"

namespace nanobragg {

class SlopeColumns {
  public:
    // The directions must outlive them. Throws InputError for arrays of other sizes than the scene's.
    SlopeColumns(const Scene& s, const KernelScene& view, const std::vector<SceneChange>& directions);

    const std::vector<ForwardColumn>& all() const { return columns_; }

  private:
    void add(const Scene& s, const SceneChange& d, const KernelChange& kernel);

    std::vector<KernelChange> kernels_;
    std::vector<std::array<double, 9>> strains_;
    std::vector<ForwardColumn> columns_;
};

}  // namespace nanobragg
