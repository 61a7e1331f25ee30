#include "plan/precision.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "nanobragg/render.hpp"
#include "plan/few_cells.hpp"

namespace nanobragg {

double largest_structure_factor(const Scene& s) {
    double largest = std::abs(s.default_F);
    for (std::int64_t i = 0; i < s.grid_points(); ++i) largest = std::max(largest, std::abs(s.f_grid[i]));
    return largest;
}

std::vector<float> squared_grid(const Scene& scene) {
    const std::int64_t size = scene.grid_points();
    std::vector<float> squares(static_cast<std::size_t>(size) + 1);
    for (std::int64_t i = 0; i < size; ++i) {
        squares[static_cast<std::size_t>(i)] = static_cast<float>(scene.f_grid[i] * scene.f_grid[i]);
    }
    squares.back() = static_cast<float>(scene.default_F * scene.default_F);
    return squares;
}

bool indices_suffice(const Scene& s) {
    double longest = 0, shortest = s.sources.front().wavelength;
    for (const Orientation& o : s.orientations) longest = std::max({longest, norm(o.a), norm(o.b), norm(o.c)});
    for (const Source& source : s.sources) shortest = std::min(shortest, source.wavelength);
    return longest * 2.0 / shortest < 4e5 && shortest > 0;
}

bool mixed_suffices(const Scene& s, double largest_F) {
    const double cells = std::max({s.cells[0], s.cells[1], s.cells[2]});
    const double peak = s.block_size() * largest_F;
    // Written so that NaN does not suffice.
    const bool scaled = s.shape == Shape::round || s.shape == Shape::gauss_index;
    const double radius = scaled ? std::sqrt(std::max(1.0, s.fudge)) : 1.0;
    const bool phases = cells * radius <= 2000.0;
    // Phases times N are whole.
    const bool whole = s.shape != Shape::square || whole_cells(s.cells);
    return indices_suffice(s) && phases && whole && peak * peak < 1e35;
}

bool mixed_slopes_suffice(const Scene& s) {
    const double most = std::max({std::abs(s.cells_off_diagonal[0]), std::abs(s.cells_off_diagonal[1]),
                                  std::abs(s.cells_off_diagonal[2]), s.cells[0], s.cells[1], s.cells[2]});
    const double F = s.has_grid() ? largest_structure_factor(s) : 1.0;
    const double scale = s.shape == Shape::square ? s.block_size() * s.block_size() : std::ldexp(1.0, 60);
    // A term's derivative by an index, and that times another index. Written so that NaN does not suffice.
    const double steep = 10.0 * most * std::max(1.0, std::sqrt(s.fudge)) * scale * F * F;
    return indices_suffice(s) && steep * 4e5 < 1e37;
}

const char* reason_for_reference(const Scene& s) {
    if (s.order_dependent())
        return "factors that multiply the running sum make its pixels depend on the order of evaluations";
    if (!(s.fudge >= 0)) return "the fudge factor is negative or not a number";
    if (s.grid_points() >= (std::int64_t{1} << 31)) return "it has 2^31 structure factors or more";
    return nullptr;
}

double short_cut_limit(const KernelScene& s) {
    const double a = s.cells[0], b = s.cells[1], c = s.cells[2];
    const double edge = std::max({a * b, b * c, a * c});
    const double terms = static_cast<double>(s.orientation_count * s.layer_count) * s.weight_sum *
                         static_cast<double>(s.oversample * s.oversample);
    const double fan = s.by_wavelength != nullptr ? 2.0 : 1.0;  // a cosine of two products
    return fan * 4.0 * edge * edge * s.default_F * s.default_F * terms;
}

SquaredFactors squared_factors(const Scene& scene) {
    const bool interpolated = scene.has_grid() && scene.interpolation == Interpolation::tricubic;
    return {interpolated ? std::vector<float>() : squared_grid(scene), largest_structure_factor(scene)};
}

}  // namespace nanobragg
