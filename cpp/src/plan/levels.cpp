#include "plan/levels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "physics/inlined.hpp"
#include "plan/few_cells.hpp"
#include "plan/spectrum.hpp"
#include "plan/tiles.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

constexpr double kAny = 2.0;  // reach of any direction
constexpr int kLevels = 8;
constexpr std::int64_t kMostLines = 4096;      // of one spectrum that is shortened as a whole
constexpr std::int64_t kManySources = 20'000;  // more are not kept once for each level
// Sums over a spectrum may be wrong by this part of the smallest lattice factor that is not next to a zero, 1.
constexpr double kSpectralAccuracy = 1e-12;

// Radians that the fastest term of a lattice factor turns through when 1/wavelength grows by one, for scattering
// vectors of length 1; rounded up, so that turning the crystal changes nothing. 0: there is no such bound.
double spectral_rate_of(const Scene& scene) {
    double rate = 0;
    for (const Orientation& o : scene.orientations) {
        const Vec3 a = (scene.cells[0] - 1) * o.a, b = (scene.cells[1] - 1) * o.b, c = (scene.cells[2] - 1) * o.c;
        rate = std::max({rate, norm(a + b + c), norm(a + b - c), norm(a - b + c), norm(a - b - c)});
    }
    if (!(rate > 0 && std::isfinite(rate))) return 0;
    return 2 * kPi * std::exp2(std::ceil(8 * std::log2(rate)) / 8);
}

// How far the directions of sources are from the first one's, at most.
double spread_of(const std::vector<KernelSource>& sources) {
    double spread = 0;
    for (const KernelSource& source : sources) {
        const double *d = source.direction, *first = sources.front().direction;
        spread = std::max(spread, std::hypot(d[0] - first[0], d[1] - first[1], d[2] - first[2]));
    }
    return spread;
}

// For each of the levels, up to a part of `reach`: the spectrum, or a shorter one that does as well.
std::vector<std::vector<SpectralLine>> rules_of(const std::vector<SpectralLine>& lines, double rate, double accuracy,
                                                std::size_t levels, double reach, double most_nodes) {
    std::vector<std::vector<SpectralLine>> out(levels, lines);
    const auto worthwhile = static_cast<int>(std::min(0.75 * static_cast<double>(lines.size()), most_nodes));
    const SpectralRange range = range_of(lines);
    if (worthwhile < 1 || !(range.total > 0 && std::isfinite(range.total))) return out;
    std::vector<int> nodes(levels);
    int most = 0;
    for (std::size_t i = 0; i < levels; ++i) {
        const double part = reach * static_cast<double>(i + 1) / static_cast<double>(levels);
        nodes[i] = nodes_for(rate * part * (range.high - range.low) / 2, accuracy, worthwhile);
        if (nodes[i] <= worthwhile) most = nodes[i];
    }
    if (most == 0) return out;
    const Spectrum spectrum(lines, most);
    for (std::size_t i = 0; i < levels; ++i) {
        if (nodes[i] <= worthwhile) out[i] = spectrum.nodes(nodes[i]);
    }
    return out;
}

// Lines of the sources from `begin` on that share a direction.
std::vector<SpectralLine> lines_from(const std::vector<KernelSource>& all, std::size_t begin) {
    const KernelSource& first = all[begin];
    std::vector<SpectralLine> lines;
    for (std::size_t i = begin; i < all.size() && i - begin < kMostLines; ++i) {
        if (!std::equal(first.direction, first.direction + 3, all[i].direction)) break;
        lines.push_back({all[i].inverse_wavelength, all[i].weight});
    }
    return lines;
}

// Of each direction, the lines that do for each level.
void fill_levels(const std::vector<KernelSource>& all, double accuracy, Spectra& out) {
    std::vector<SpectralLine> lines;                // of the spectrum before
    std::vector<std::vector<SpectralLine>> chosen;  // for each level
    for (std::size_t begin = 0, count = 0; begin < all.size(); begin += count) {
        std::vector<SpectralLine> own = lines_from(all, begin);
        count = own.size();
        if (own != lines) {
            lines = std::move(own);
            chosen = rules_of(lines, out.rate, accuracy, out.levels.size(), out.levels.back().reach, out.most_nodes);
        }
        for (std::size_t i = 0; i < out.levels.size(); ++i) {
            for (const SpectralLine& line : chosen[i]) {
                KernelSource source = all[begin];
                source.inverse_wavelength = line.inverse_wavelength;
                source.weight = line.weight;
                out.levels[i].sources.push_back(source);
            }
        }
    }
}

// To all regions of interest. Directions beyond 90 degrees count as any, so that it does not depend on how a raster is
// cut into panels.
double reach_of_all(const Scene& scene, const KernelScene& view, const std::vector<KernelPanel>& panels) {
    double reach = 0;
    for (std::size_t i = 0; i < panels.size(); ++i) {
        if (scene.panels[i].roi_width() == 0) continue;
        const Tile tile = tile_of(scene.panels[i]);
        if (!is_ahead(view, panels[i], tile)) return kAny;
        reach = std::max(reach, reach_of(view, panels[i], tile));
    }
    return reach;
}

}  // namespace

Spectra spectra_of(const Scene& scene, const KernelScene& view, const std::vector<KernelPanel>& panels) {
    const std::vector<KernelSource> all(view.sources, view.sources + view.source_count);
    Spectra out;
    const auto unshortened = [&] {
        out.levels = {{kAny, all}};
        return out;
    };
    const bool weighted = std::all_of(all.begin(), all.end(), [](const KernelSource& s) { return s.weight >= 0; });
    const bool cosines = scene.shape == Shape::square && whole_cells(scene.cells);
    if (!cosines || scene.has_grid() || scene.dmin > 0 || !weighted) return unshortened();
    out.rate = spectral_rate_of(scene);
    if (out.rate == 0) return unshortened();
    // Finding n nodes takes n^2 steps for each line, which must be less than its evaluations take.
    out.most_nodes = std::sqrt(scene.evaluations() / static_cast<double>(scene.sources.size()) / 8);
    out.spread = spread_of(all);
    const double reach = reach_of_all(scene, view, panels) + out.spread;
    const int levels = static_cast<std::int64_t>(all.size()) > kManySources ? 1 : kLevels;
    for (int i = 1; i <= levels; ++i) out.levels.push_back({reach * i / levels, {}});
    const double size = scene.block_size();
    fill_levels(all, kSpectralAccuracy / (size * size), out);
    return out.levels.front().sources.size() == all.size() ? unshortened() : out;
}

}  // namespace nanobragg
