// What the kernels render from: views of a Scene, with as few sources as do, and its panels. Shared by the CPU and the
// GPU renderer.
#pragma once

#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"
#include "plan/levels.hpp"
#include "plan/tiles.hpp"

namespace nanobragg {

// The orientations stay the Scene's, and the grids the caller's; the rest belongs to the Plan.
class Plan {
  public:
    // `squares`: the squared grid of a scene in mixed precision, or null.
    Plan(const Scene& scene, bool mixed, const float* squares);
    Plan(const Plan&) = delete;  // its parts point to one another
    Plan& operator=(const Plan&) = delete;

    const KernelPanel& panel(std::size_t index) const { return panels_[index]; }
    const KernelScene& scene() const { return levels_.back().view; }
    // The same with as few sources as do for a part of the panel's raster.
    const KernelScene& scene(std::size_t panel, const Tile& tile) const;
    // Plans of one Scene but for its orientations have the same sources if these are the same.
    bool same_spectra(const Plan& other) const { return rate_ == other.rate_ && most_nodes_ == other.most_nodes_; }
    bool mixed() const { return mixed_; }

  private:
    struct Level {
        double reach;
        std::vector<KernelSource> sources, by_wavelength;
        KernelScene view;
    };

    void add_level(SourceLevel&& sources, const KernelScene& view);
    void order_by_wavelength();

    bool mixed_;
    std::vector<KernelPanel> panels_;
    std::vector<Layer> layers_;
    std::vector<Level> levels_;                      // the last one is for the whole detector
    double rate_ = 0, most_nodes_ = 0, spread_ = 0;  // Spectra
};

}  // namespace nanobragg
