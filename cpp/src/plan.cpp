#include "plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace nanobragg {
namespace {

void store(Vec3 v, double out[3]) {
    out[0] = v.x;
    out[1] = v.y;
    out[2] = v.z;
}

// sin(N x)/sin(x) = U_{N-1}(cos x) as a polynomial of c = cos(2 x): from sums of cosines for odd N, and for even N
// after taking out 2 cos x, whose square is 2 + 2 c. Short enough to be exact in single precision up to N = 8.
FewCells few_cells(const double cells[3]) {
    static constexpr double kOdd[4][4] = {{1, 0, 0, 0}, {1, 2, 0, 0}, {-1, 2, 4, 0}, {-1, -4, 4, 8}};
    static constexpr double kEven[4][4] = {{1, 0, 0, 0}, {0, 2, 0, 0}, {-1, 0, 4, 0}, {0, -4, 0, 8}};
    FewCells few{};
    int degree = 0;
    bool any_even = false;
    for (int axis = 0; axis < 3; ++axis) {
        if (!(cells[axis] <= 8)) {
            few.kind = -1;
            return few;
        }
        const int n = static_cast<int>(cells[axis]);
        const bool even = n % 2 == 0;
        const int own = (n - 1) / 2;
        std::copy_n(even ? kEven[own] : kOdd[own], 4, few.polynomial[axis]);
        few.even[axis] = even ? 2 : 0;
        few.odd[axis] = even ? 2 : 1;
        degree = std::max(degree, own);
        any_even |= even;
    }
    few.kind = 2 * degree + (any_even ? 1 : 0);
    return few;
}

}  // namespace

double largest_structure_factor(const Scene& s) {
    double largest = std::abs(s.default_F);
    const std::int64_t size = s.f_shape[0] * s.f_shape[1] * s.f_shape[2];
    for (std::int64_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(s.f_grid[i]));
    return largest;
}

std::vector<float> squared_grid(const Scene& scene) {
    const std::int64_t size = scene.f_shape[0] * scene.f_shape[1] * scene.f_shape[2];
    std::vector<float> squares(static_cast<std::size_t>(size) + 1);
    for (std::int64_t i = 0; i < size; ++i) {
        squares[static_cast<std::size_t>(i)] = static_cast<float>(scene.f_grid[i] * scene.f_grid[i]);
    }
    squares.back() = static_cast<float>(scene.default_F * scene.default_F);
    return squares;
}

bool mixed_suffices(const Scene& s, double largest_F) {
    double longest = 0, shortest = s.sources.front().wavelength;
    for (const Orientation& o : s.orientations) longest = std::max({longest, norm(o.a), norm(o.b), norm(o.c)});
    for (const Source& source : s.sources) shortest = std::min(shortest, source.wavelength);
    const double cells = std::max({s.cells[0], s.cells[1], s.cells[2]});
    const double peak = s.cells[0] * s.cells[1] * s.cells[2] * largest_F;
    // Written so that NaN does not suffice.
    const bool indices = longest * 2.0 / shortest < 4e5 && shortest > 0;
    const double radius = s.shape == Shape::round ? std::sqrt(std::max(1.0, s.fudge)) : 1.0;
    const bool phases = cells * radius <= 2000.0;
    return indices && phases && peak * peak < 1e35;
}

const char* reason_for_reference(const Scene& s) {
    const std::int64_t size = s.f_shape[0] * s.f_shape[1] * s.f_shape[2];
    if (s.order_dependent())
        return "factors that multiply the running sum make its pixels depend on the order of evaluations";
    if (!(s.fudge >= 0)) return "the fudge factor is negative or not a number";
    if (size >= (std::int64_t{1} << 31)) return "it has 2^31 structure factors or more";
    return nullptr;
}

Plan::Plan(const Scene& scene, bool mixed, const float* squares) : mixed_(mixed) {
    for (const Layer& layer : scene.layers) {
        layers_.insert(layers_.end(), {layer.depth, layer.front, layer.back, layer.incidence_depth});
    }
    for (const Source& source : scene.sources) add_source(scene, source);
    fill_common(scene, squares);
    for (const Panel& panel : scene.panels) {
        store(panel.origin, common_.origin);
        store(panel.fast, common_.fast);
        store(panel.slow, common_.slow);
        store(panel.normal, common_.normal);
        common_.close_distance = panel.close_distance;
        panels_.push_back(common_);
    }
}

double Plan::short_cut_limit() const {
    const double a = common_.cells[0], b = common_.cells[1], c = common_.cells[2];
    const double edge = std::max({a * b, b * c, a * c});
    const double terms = static_cast<double>(common_.orientation_count * common_.layer_count) * common_.weight_sum *
                         static_cast<double>(common_.oversample * common_.oversample);
    return 4.0 * edge * edge * common_.default_F * common_.default_F * terms;
}

void Plan::add_source(const Scene& scene, const Source& source) {
    KernelSource out{};
    store(source.direction, out.direction);
    out.inverse_wavelength = 1.0 / source.wavelength;
    out.weight = source.weight;
    const Vec3 magnetic = unit(cross(scene.polarization_axis, source.direction));
    store(magnetic, out.magnetic);
    store(unit(cross(source.direction, magnetic)), out.electric);
    sources_.push_back(out);
    common_.weight_sum += source.weight;
}

void Plan::fill_common(const Scene& scene, const float* squares) {
    KernelScene& k = common_;
    k.pixel_size = scene.pixel_size;
    k.curved_distance = scene.curved_distance;
    store(scene.beam_direction, k.beam);
    k.layers = layers_.data();
    k.layer_count = static_cast<std::int64_t>(scene.layers.size());
    k.attenuation = scene.attenuation;
    k.sensor_depth = scene.sensor_depth;
    k.omega = static_cast<int>(scene.omega);
    k.polar = static_cast<int>(scene.polar);
    k.capture = static_cast<int>(scene.capture);
    k.capture_inside = scene.capture == Factor::each || (scene.capture != Factor::off && !scene.one_capture());
    k.point_pixel = scene.point_pixel;
    k.kahn_factor = scene.kahn_factor;
    k.sources = sources_.data();
    k.source_count = static_cast<std::int64_t>(scene.sources.size());
    static_assert(sizeof(Orientation) == 9 * sizeof(double), "three vectors, nine numbers in a row");
    k.orientations = &scene.orientations.front().a.x;
    k.orientation_count = static_cast<std::int64_t>(scene.orientations.size());
    k.shape = static_cast<int>(scene.shape);
    std::copy(scene.cells, scene.cells + 3, k.cells);
    k.few = few_cells(scene.cells);
    k.fudge = scene.fudge;
    const double size = scene.cells[0] * scene.cells[1] * scene.cells[2], square = size * size;
    k.metric[0] = dot(scene.a_star, scene.a_star) * square;
    k.metric[1] = dot(scene.b_star, scene.b_star) * square;
    k.metric[2] = dot(scene.c_star, scene.c_star) * square;
    k.metric[3] = 2 * dot(scene.a_star, scene.b_star) * square;
    k.metric[4] = 2 * dot(scene.b_star, scene.c_star) * square;
    k.metric[5] = 2 * dot(scene.a_star, scene.c_star) * square;
    k.f_grid = scene.f_grid;
    k.f_sqr_grid = squares;
    std::copy(scene.f_shape, scene.f_shape + 3, k.f_shape);
    std::copy(scene.f_min, scene.f_min + 3, k.f_min);
    k.default_F = scene.default_F;
    k.oversample = scene.oversample;
    k.dmin = scene.dmin;
    k.background_sum = scene.background_sum;
    k.background = scene.background;
    k.scale = scene.scale;
    k.steps = scene.steps;
}

}  // namespace nanobragg
