#include "plan/plan.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "plan/fans.hpp"
#include "plan/view.hpp"

namespace nanobragg {

Plan::Plan(const Scene& scene, bool mixed, const float* squares) : mixed_(mixed), layers_(layers_of(scene)) {
    const std::vector<KernelSource> sources = sources_of(scene);
    const std::vector<KernelScene> views = views_of(scene, layers_, sources, squares);
    Spectra spectra = spectra_of(scene, views);
    rate_ = spectra.rate;
    most_nodes_ = spectra.most_nodes;
    spread_ = spectra.spread;
    for (SourceLevel& level : spectra.levels) add_level(std::move(level), views);
    order_by_wavelength();
}

void Plan::add_level(SourceLevel&& sources, const std::vector<KernelScene>& views) {
    levels_.push_back({sources.reach, std::move(sources.sources), {}, views});
    Level& level = levels_.back();
    for (KernelScene& view : level.panels) {
        view.sources = level.sources.data();
        view.source_count = static_cast<std::int64_t>(level.sources.size());
    }
}

void Plan::order_by_wavelength() {
    for (Level& level : levels_) {
        level.by_wavelength =
            ordered_by_wavelength(level.sources, static_cast<std::int64_t>(level.sources.size() * levels_.size()));
        if (level.by_wavelength.empty()) return;
        for (KernelScene& view : level.panels) view.by_wavelength = level.by_wavelength.data();
    }
}

const KernelScene& Plan::panel(std::size_t index, const Tile& tile) const {
    if (levels_.size() == 1) return panel(index);
    const double reach = reach_of(panel(index), tile) + spread_;
    const auto found =
        std::find_if(levels_.begin(), levels_.end() - 1, [&](const Level& l) { return l.reach >= reach; });
    return found->panels[index];
}

}  // namespace nanobragg
