#include "plan/plan.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "plan/fans.hpp"
#include "plan/view.hpp"

namespace nanobragg {

Plan::Plan(const Scene& scene, bool mixed, const float* squares)
    : mixed_(mixed), panels_(panels_of(scene)), layers_(scene.all_layers()) {
    const std::vector<KernelSource> sources = sources_of(scene);
    const KernelScene view = view_of(scene, layers_, sources, squares);
    Spectra spectra = spectra_of(scene, view, panels_);
    rate_ = spectra.rate;
    most_nodes_ = spectra.most_nodes;
    spread_ = spectra.spread;
    for (SourceLevel& level : spectra.levels) add_level(std::move(level), view);
    order_by_wavelength();
}

void Plan::add_level(SourceLevel&& sources, const KernelScene& view) {
    levels_.push_back({sources.reach, std::move(sources.sources), {}, view});
    Level& level = levels_.back();
    level.view.sources = level.sources.data();
    level.view.source_count = static_cast<std::int64_t>(level.sources.size());
}

void Plan::order_by_wavelength() {
    for (Level& level : levels_) {
        level.by_wavelength =
            ordered_by_wavelength(level.sources, static_cast<std::int64_t>(level.sources.size() * levels_.size()));
        if (level.by_wavelength.empty()) return;
        level.view.by_wavelength = level.by_wavelength.data();
    }
}

const KernelScene& Plan::scene(std::size_t panel, const Tile& tile) const {
    if (levels_.size() == 1) return scene();
    const double reach = reach_of(scene(), panels_[panel], tile) + spread_;
    const auto found =
        std::find_if(levels_.begin(), levels_.end() - 1, [&](const Level& l) { return l.reach >= reach; });
    return found->view;
}

}  // namespace nanobragg
