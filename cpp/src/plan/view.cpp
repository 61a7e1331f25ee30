#include "plan/view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "plan/few_cells.hpp"

namespace nanobragg {
namespace {

void store(Vec3 v, double out[3]) {
    out[0] = v.x;
    out[1] = v.y;
    out[2] = v.z;
}

// The triangle whose product with the distances is as long as what they add up to (Gram and Schmidt).
void make_triangle(const MissAxes& miss, double triangle[6]) {
    const double scale = std::sqrt(miss.square);
    Vec3 along[3];
    for (int i = 0; i < 3; ++i) {
        Vec3 rest = miss.of[i];
        for (int j = 0; j < i; ++j) {
            const double part = dot(rest, along[j]);
            rest = rest - part * along[j];
            triangle[i - j == 1 ? 2 + i : 5] = part * scale;
        }
        const double length = norm(rest);
        triangle[i] = length * scale;
        along[i] = length > 0 ? (1 / length) * rest : rest;
    }
}

void view_detector(const Scene& scene, KernelScene& k) {
    k.curved_distance = scene.curved_distance;
    store(scene.beam_direction, k.beam);
    k.layer_count = static_cast<std::int64_t>(scene.layers.size());
    k.omega = scene.omega;
    k.polar = scene.polar;
    k.capture = scene.capture;
    k.capture_inside = scene.capture == Factor::each || (scene.capture != Factor::off && !scene.one_capture());
    k.point_pixel = scene.point_pixel;
    k.kahn_factor = scene.kahn_factor;
}

void view_sources(const std::vector<KernelSource>& sources, KernelScene& k) {
    k.sources = sources.data();
    k.source_count = static_cast<std::int64_t>(sources.size());
    for (const KernelSource& source : sources) k.weight_sum += source.weight;
}

void view_crystal(const Scene& scene, const float* squares, KernelScene& k) {
    static_assert(sizeof(Orientation) == 9 * sizeof(double), "three vectors, nine numbers in a row");
    k.orientations = &scene.orientations.front().a.x;
    k.orientation_count = static_cast<std::int64_t>(scene.orientations.size());
    k.shape = scene.shape == Shape::gauss_index ? Shape::gauss : scene.shape;
    std::copy(scene.cells, scene.cells + 3, k.cells);
    k.block_size = scene.block_size();
    k.few = few_cells(scene.cells);
    k.fudge = scene.fudge;
    make_triangle(miss_axes(scene), k.miss);
    k.f_grid = scene.f_grid;
    k.f_sqr_grid = squares;
    std::copy(scene.f_shape, scene.f_shape + 3, k.f_shape);
    std::copy(scene.f_min, scene.f_min + 3, k.f_min);
    k.default_F = scene.default_F;
}

void view_sampling(const Scene& scene, KernelScene& k) {
    k.oversample = scene.oversample;
    k.dmin = scene.dmin;
    k.background_sum = scene.background_sum;
    k.background = scene.background;
    k.scale = scene.scale;
    k.steps = scene.steps;
}

}  // namespace

MissAxes miss_axes(const Scene& scene) {
    if (scene.shape != Shape::gauss_index) {
        return {{scene.a_star, scene.b_star, scene.c_star}, scene.block_size() * scene.block_size()};
    }
    const double *n = scene.cells, *between = scene.cells_off_diagonal;
    return {{{n[0], between[0], between[2]}, {between[0], n[1], between[1]}, {between[2], between[1], n[2]}}, 1};
}

void miss_metric(const Scene& scene, double metric[6]) {
    const MissAxes miss = miss_axes(scene);
    for (int i = 0; i < 3; ++i) {
        metric[i] = dot(miss.of[i], miss.of[i]) * miss.square;
        metric[3 + i] = 2 * dot(miss.of[i], miss.of[(i + 1) % 3]) * miss.square;
    }
}

std::vector<KernelSource> sources_of(const Scene& scene) {
    std::vector<KernelSource> sources;
    for (const Source& source : scene.sources) {
        KernelSource out{};
        store(source.direction, out.direction);
        out.inverse_wavelength = 1.0 / source.wavelength;
        out.weight = source.weight;
        const Vec3 magnetic = unit(cross(scene.polarization_axis, source.direction));
        store(magnetic, out.magnetic);
        store(unit(cross(source.direction, magnetic)), out.electric);
        sources.push_back(out);
    }
    return sources;
}

KernelScene view_of(const Scene& scene, const std::vector<Layer>& layers, const std::vector<KernelSource>& sources,
                    const float* squares) {
    KernelScene view{};
    view.layers = layers.data();
    view_detector(scene, view);
    view_sources(sources, view);
    view_crystal(scene, squares, view);
    view_sampling(scene, view);
    return view;
}

std::vector<KernelPanel> panels_of(const Scene& scene) {
    std::vector<KernelPanel> panels;
    auto behind = static_cast<std::int64_t>(scene.layers.size());
    for (const Panel& panel : scene.panels) {
        KernelPanel out{};
        store(panel.origin, out.origin);
        store(panel.fast, out.fast);
        store(panel.slow, out.slow);
        store(panel.normal, out.normal);
        out.pixel_fast = panel.pixel_fast;
        out.pixel_slow = panel.pixel_slow;
        out.pixel_area = panel.pixel_area();
        out.close_distance = panel.close_distance;
        const Sensor sensor = scene.sensor(panel);
        out.attenuation = sensor.attenuation;
        out.sensor_depth = sensor.depth;
        out.first_layer = panel.layers.empty() ? 0 : behind;
        behind += static_cast<std::int64_t>(panel.layers.size());
        panels.push_back(out);
    }
    return panels;
}

Tile tile_of(const Panel& panel) {
    return {panel.first_slow + panel.roi[2], panel.first_slow + panel.roi[3], panel.first_fast + panel.roi[0],
            panel.first_fast + panel.roi[1]};
}

std::int64_t evaluations_of_pixel(const KernelScene& s) {
    return s.layer_count * s.oversample * s.oversample * s.source_count * s.orientation_count;
}

Lookup lookup_of(const Scene& scene) {
    if (!scene.has_grid()) return Lookup::constant;
    return scene.interpolation == Interpolation::nearest ? Lookup::nearest : Lookup::tricubic;
}

}  // namespace nanobragg
