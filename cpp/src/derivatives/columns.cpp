#include "derivatives/columns.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "nanobragg/error.hpp"

namespace nanobragg {
namespace {

template <class Numbers>
void check_size(const char* name, const Numbers& found, std::size_t expected) {
    if (found.empty() || found.size() == expected) return;
    throw InputError(std::string("direction: ") + name + ": found " + std::to_string(found.size()) +
                     " changes, expected none or " + std::to_string(expected));
}

void check_sizes(const Scene& s, const SceneChange& d) {
    check_size("panels", d.panels, s.panels.size());
    check_size("layers", d.layers, s.all_layers().size());
    check_size("sources", d.sources, s.sources.size());
    check_size("orientations", d.orientations, s.orientations.size());
    check_size("first_orientations", d.first_orientations, s.first_orientations.size());
    check_size("f_grid", d.f_grid, static_cast<std::size_t>(s.grid_points()));
}

template <class Slopes>
bool any_change(const Slopes* slopes, std::size_t count) {
    const auto* numbers = reinterpret_cast<const char*>(slopes);
    double number = 0;
    for (std::size_t i = 0; i < count * sizeof(Slopes); i += sizeof number) {
        std::memcpy(&number, numbers + i, sizeof number);
        if (number != 0) return true;
    }
    return false;
}

using Matrix = std::array<double, 9>;

// The matrix by which an orientation's (rows a, b, c) are multiplied to give its change.
Matrix strain_of(const Orientation& o, const Orientation& change) {
    const double volume = dot(o.a, cross(o.b, o.c));
    const Vec3 inverse[3] = {(1 / volume) * cross(o.b, o.c), (1 / volume) * cross(o.c, o.a),
                             (1 / volume) * cross(o.a, o.b)};
    Matrix out{};
    for (std::size_t j = 0; j < 3; ++j) {
        out[j] = dot(change.a, inverse[j]);
        out[3 + j] = dot(change.b, inverse[j]);
        out[6 + j] = dot(change.c, inverse[j]);
    }
    return out;
}

double largest(const Orientation& o) {
    double most = 0;
    for (const Vec3& v : {o.a, o.b, o.c}) most = std::max({most, std::abs(v.x), std::abs(v.y), std::abs(v.z)});
    return most;
}

// Whether the matrix gives the changes of all orientations, but for rounding.
bool strains(const Matrix& m, const std::vector<Orientation>& orientations, const std::vector<Orientation>& changes) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const Orientation &o = orientations[i], &change = changes[i];
        const Orientation off{m[0] * o.a + m[1] * o.b + m[2] * o.c - change.a,
                              m[3] * o.a + m[4] * o.b + m[5] * o.c - change.b,
                              m[6] * o.a + m[7] * o.b + m[8] * o.c - change.c};
        if (!(largest(off) <= 1e-13 * largest(change))) return false;
    }
    return true;
}

// What changes the cell or turns the crystal at phi = 0 changes all orientations alike: then all h, k, l change to one
// matrix times h, k, l, and no column needs orientations of its own.
bool is_strain(const Scene& s, const SceneChange& d, Matrix& strain) {
    if (d.orientations.empty() || d.first_orientations.size() != s.first_orientations.size()) return false;
    strain = strain_of(s.orientations.front(), d.orientations.front());
    return strains(strain, s.orientations, d.orientations) &&
           strains(strain, s.first_orientations, d.first_orientations);
}

}  // namespace

SlopeColumns::SlopeColumns(const Scene& s, const KernelScene& view, const std::vector<SceneChange>& directions) {
    kernels_.reserve(directions.size());
    strains_.resize(directions.size());
    for (const SceneChange& d : directions) {
        check_sizes(s, d);
        kernels_.push_back(kernel_change(s, view, d));
        add(s, d, kernels_.back());
    }
}

void SlopeColumns::add(const Scene& s, const SceneChange& d, const KernelChange& kernel) {
    ForwardColumn column{};
    column.panels = kernel.panels.data();
    column.sources = kernel.sources.data();
    column.layers = kernel.layers.data();
    column.common = kernel.common;
    column.orientations = d.orientations.empty() ? nullptr : &d.orientations.front().a.x;
    column.first_orientations = d.first_orientations.empty() ? nullptr : &d.first_orientations.front().a.x;
    Matrix& strain = strains_[columns_.size()];
    if (is_strain(s, d, strain)) {
        column.strain = any_change(&strain, 1) ? strain.data() : nullptr;
        column.orientations = column.first_orientations = nullptr;
    }
    column.f_grid = d.f_grid.empty() ? nullptr : d.f_grid.data();
    column.default_F = kernel.default_F;
    const CommonSlopes<double>& c = kernel.common;
    column.shaped = any_change(c.shape, kShapeParameters);
    column.moves_factors = any_change(kernel.panels.data(), kernel.panels.size()) ||
                           any_change(kernel.sources.data(), kernel.sources.size()) ||
                           any_change(kernel.layers.data(), kernel.layers.size()) || c.curved_distance != 0 ||
                           any_change(c.beam, 3) || c.kahn_factor != 0;
    column.moves_pixels =
        column.moves_factors || c.background_sum != 0 || c.background != 0 || c.scale != 0 || c.unit != 0;
    columns_.push_back(column);
}

}  // namespace nanobragg
