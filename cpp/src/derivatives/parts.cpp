#include "derivatives/parts.hpp"

#include <cstring>

#include "derivatives/scene_edges.hpp"

namespace nanobragg {
namespace {

// Adds numbers that lie in a row in both: structs of doubles, or of Sums.
template <class From, class To>
void add(const From* from, To* to, std::size_t count) {
    static_assert(sizeof(From) % sizeof(double) == 0 && sizeof(From) == sizeof(To), "numbers in a row");
    double theirs = 0, ours = 0;
    for (std::size_t i = 0; i < count * sizeof(From) / sizeof(double); ++i) {
        std::memcpy(&theirs, reinterpret_cast<const char*>(from) + i * sizeof(double), sizeof(double));
        std::memcpy(&ours, reinterpret_cast<const char*>(to) + i * sizeof(double), sizeof(double));
        ours += theirs;
        std::memcpy(reinterpret_cast<char*>(to) + i * sizeof(double), &ours, sizeof(double));
    }
}

void add_part(const SlopePart& part, KernelChange& kernel, SceneChange& result) {
    add(part.panels.data(), kernel.panels.data(), kernel.panels.size());
    add(part.sources.data(), kernel.sources.data(), kernel.sources.size());
    add(part.layers.data(), kernel.layers.data(), kernel.layers.size());
    add(&part.sums.common, &kernel.common, 1);
    kernel.default_F += part.sums.default_F;
    for (std::size_t i = 0; i < part.grid.size(); ++i) result.f_grid[i] += part.grid[i];
    const auto turn = [](const std::vector<double>& from, std::vector<Orientation>& to) {
        for (std::size_t i = 0; i < to.size(); ++i) {
            Vec3* axes[3] = {&to[i].a, &to[i].b, &to[i].c};
            for (std::size_t j = 0; j < 3; ++j) {
                const double* v = from.data() + 9 * i + 3 * j;
                *axes[j] = *axes[j] + Vec3{v[0], v[1], v[2]};
            }
        }
    };
    turn(part.orientations, result.orientations);
    turn(part.first_orientations, result.first_orientations);
}

}  // namespace

SceneChange zeros(const Scene& s, bool with_grid) {
    SceneChange out;
    out.panels.resize(s.panels.size());
    out.layers.resize(s.all_layers().size());
    out.sources.resize(s.sources.size());
    out.orientations.resize(s.orientations.size());
    out.first_orientations.resize(s.first_orientations.size());
    out.f_grid.resize(with_grid ? static_cast<std::size_t>(s.grid_points()) : 0);
    return out;
}

SlopePart::SlopePart(const Scene& s, bool with_grid)
    : panels(s.panels.size()),
      sources(s.sources.size()),
      layers(s.all_layers().size()),
      orientations(9 * s.orientations.size()),
      first_orientations(9 * s.first_orientations.size()),
      grid(with_grid ? static_cast<std::size_t>(s.grid_points()) : 0) {
    sums.panels = panels.data();
    sums.sources = sources.data();
    sums.layers = layers.data();
    sums.orientations = orientations.data();
    sums.first_orientations = first_orientations.data();
    sums.f_grid = grid.empty() ? nullptr : grid.data();
}

double part_numbers(const Scene& s, bool with_grid) {
    return kPanelNumbers * static_cast<double>(s.panels.size()) +
           kSourceNumbers * static_cast<double>(s.sources.size()) +
           kLayerNumbers * static_cast<double>(s.all_layers().size()) +
           9.0 * static_cast<double>(s.orientations.size() + s.first_orientations.size()) +
           (with_grid ? static_cast<double>(s.grid_points()) : 0.0);
}

SceneChange gathered(const Scene& s, const KernelScene& view, const std::vector<std::unique_ptr<SlopePart>>& parts,
                     bool with_grid) {
    KernelChange kernel = no_change(s);
    SceneChange result = zeros(s, with_grid);
    for (const auto& part : parts) add_part(*part, kernel, result);
    put_down(s, view, kernel, result);
    return result;
}

}  // namespace nanobragg
