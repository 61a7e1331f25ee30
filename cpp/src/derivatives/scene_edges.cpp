#include "derivatives/scene_edges.hpp"

#include <cmath>

#include "physics/lattice_slopes.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

Depends depends_of(const KernelScene& view) {
    return with_slopes(ShapesWithSlopes(), view.shape, [](auto shape) { return decltype(shape)::depends; });
}

// The components of a vector, and of one that may change.
const double* parts(const Vec3& v) { return &v.x; }
double* parts(Vec3& v) { return &v.x; }

template <class Pass, class A, class B>
void cross_edges(const Pass& pass, Vec3 a, Vec3 b, A* d_a, B* d_b, double* d_out) {
    const double *u = parts(a), *v = parts(b);
    for (int i = 0; i < 3; ++i) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        pass(d_a[j], d_out[i], v[k]);
        pass(d_a[k], d_out[i], -v[j]);
        pass(d_b[k], d_out[i], u[j]);
        pass(d_b[j], d_out[i], -u[k]);
    }
}

template <class Pass>
void unit_edges(const Pass& pass, Vec3 v, double* d_v, double* d_out) {
    const double length = norm(v);
    if (length == 0) return;
    const Vec3 u = unit(v);
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) {
            pass(d_v[j], d_out[i], ((i == j ? 1.0 : 0.0) - parts(u)[i] * parts(u)[j]) / length);
        }
    }
}

// Directions of E and B, too (sources_of).
template <class Pass, class Change, class Axis>
void source_edges(const Pass& pass, const Scene& scene, const Source& source, Change& d_source, Axis& d_axis,
                  SourceSlopes<double>& d_out) {
    const Vec3 across = cross(scene.polarization_axis, source.direction), magnetic = unit(across);
    auto* d_direction = parts(d_source.direction);
    double d_across[3] = {}, d_magnetic[3] = {}, d_electric[3] = {};
    const auto first = [&] {
        pass.in_order(
            [&] { cross_edges(pass, scene.polarization_axis, source.direction, parts(d_axis), d_direction, d_across); },
            [&] { unit_edges(pass, across, d_across, d_magnetic); });
    };
    const auto second = [&] {
        pass.in_order([&] { cross_edges(pass, source.direction, magnetic, d_direction, d_magnetic, d_electric); },
                      [&] { unit_edges(pass, cross(source.direction, magnetic), d_electric, d_out.electric); });
    };
    pass.in_order(first, [&] {
        pass.in_order(second, [&] {
            for (int i = 0; i < 3; ++i) {
                pass(d_magnetic[i], d_out.magnetic[i], 1.0);
                pass(d_direction[i], d_out.direction[i], 1.0);
            }
            pass(d_source.wavelength, d_out.inverse_wavelength, -1.0 / (source.wavelength * source.wavelength));
            pass(d_source.weight, d_out.weight, 1.0);
        });
    });
}

template <class Pass, class Change>
void panel_edges(const Pass& pass, const Panel& panel, Change& d_panel, PanelSlopes<double>& d_out) {
    for (int i = 0; i < 3; ++i) {
        pass(parts(d_panel.origin)[i], d_out.origin[i], 1.0);
        pass(parts(d_panel.fast)[i], d_out.step_fast[i], panel.pixel_fast);
        pass(d_panel.pixel_fast, d_out.step_fast[i], parts(panel.fast)[i]);
        pass(parts(d_panel.slow)[i], d_out.step_slow[i], panel.pixel_slow);
        pass(d_panel.pixel_slow, d_out.step_slow[i], parts(panel.slow)[i]);
        pass(parts(d_panel.fast)[i], d_out.fast[i], 1.0);
        pass(parts(d_panel.slow)[i], d_out.slow[i], 1.0);
        pass(parts(d_panel.normal)[i], d_out.normal[i], 1.0);
    }
    pass(d_panel.close_distance, d_out.close_distance, 1.0);
    if (panel.area > 0) {
        pass(d_panel.area, d_out.pixel_area, 1.0);
        return;
    }
    const Vec3 across = cross(panel.fast, panel.slow), u = unit(across);
    const double product = panel.pixel_fast * panel.pixel_slow;
    double d_across[3] = {};
    pass.in_order(
        [&] { cross_edges(pass, panel.fast, panel.slow, parts(d_panel.fast), parts(d_panel.slow), d_across); },
        [&] {
            for (int i = 0; i < 3; ++i) pass(d_across[i], d_out.pixel_area, product * parts(u)[i]);
            pass(d_panel.pixel_fast, d_out.pixel_area, panel.pixel_slow * norm(across));
            pass(d_panel.pixel_slow, d_out.pixel_area, panel.pixel_fast * norm(across));
        });
}

// `d`: of the panel, or of the scene, whichever says the sensor.
template <class Pass, class Change>
void sensor_edges(const Pass& pass, Change& d, PanelSlopes<double>& d_out) {
    pass(d.attenuation, d_out.attenuation, 1.0);
    pass(d.sensor_depth, d_out.sensor_depth, 1.0);
}

// The number beside N's diagonal in its row and column.
int between(int row, int column) { return row + column == 1 ? 0 : row + column == 3 ? 1 : 2; }

// Component c of what a miss of one index along an axis counts as (miss_axes).
template <class Change>
auto* miss_number(const Scene& scene, Change& d, int axis, int c) {
    decltype(&d.a_star) stars[3] = {&d.a_star, &d.b_star, &d.c_star};
    if (scene.shape != Shape::gauss_index) return &parts(*stars[axis])[c];
    return axis == c ? &d.cells[axis] : &d.cells_off_diagonal[between(axis, c)];
}

// miss_metric(), times fudge.
template <class Pass, class Change>
void metric_edges(const Pass& pass, const Scene& scene, Change& d, CommonSlopes<double>& d_out) {
    const MissAxes miss = miss_axes(scene);
    double metric[kShapeParameters];
    miss_metric(scene, metric);
    const double factor = 2 * scene.fudge * miss.square;
    for (int i = 0; i < 3; ++i) {
        const int j = (i + 1) % 3;
        for (int c = 0; c < 3; ++c) {
            pass(*miss_number(scene, d, i, c), d_out.shape[i], factor * parts(miss.of[i])[c]);
            pass(*miss_number(scene, d, i, c), d_out.shape[3 + i], factor * parts(miss.of[j])[c]);
            pass(*miss_number(scene, d, j, c), d_out.shape[3 + i], factor * parts(miss.of[i])[c]);
        }
    }
    for (int i = 0; i < kShapeParameters; ++i) {
        pass(d.fudge, d_out.shape[i], metric[i]);
        for (int axis = 0; axis < 3 && scene.shape != Shape::gauss_index; ++axis) {
            pass(d.cells[axis], d_out.shape[i], 2 * scene.fudge * metric[i] / scene.cells[axis]);
        }
    }
}

// What goes by the square of block_size(): of a determinant, the derivatives are its cofactors.
template <class Pass, class Change>
void size_edges(const Pass& pass, const Scene& scene, const KernelScene& view, Change& d, double& d_unit) {
    const double rate = 2 * unit_of(scene, view) / scene.block_size();
    const MissAxes miss = miss_axes(scene);
    for (int axis = 0; axis < 3; ++axis) {
        const int next = (axis + 1) % 3, last = (axis + 2) % 3;
        if (scene.shape != Shape::gauss_index) {
            pass(d.cells[axis], d_unit, rate * scene.cells[next] * scene.cells[last]);
            continue;
        }
        const Vec3 cofactors = cross(miss.of[next], miss.of[last]);
        pass(d.cells[axis], d_unit, rate * parts(cofactors)[axis]);
        pass(d.cells_off_diagonal[between(axis, next)], d_unit, 2 * rate * parts(cofactors)[next]);
    }
}

template <class Pass, class Change>
void shape_edges(const Pass& pass, const Scene& scene, const KernelScene& view, Change& d,
                 CommonSlopes<double>& d_out) {
    const Depends depends = depends_of(view);
    if (depends == Depends::on_metric) metric_edges(pass, scene, d, d_out);
    if (depends != Depends::on_cells) size_edges(pass, scene, view, d, d_out.unit);
    for (int axis = 0; axis < 3; ++axis) {
        const double n = scene.cells[axis];
        if (depends == Depends::on_cells) pass(d.cells[axis], d_out.shape[axis], 1.0);
        if (depends == Depends::on_squares) {
            pass(d.cells[axis], d_out.shape[axis], 2 * scene.fudge * n);
            pass(d.fudge, d_out.shape[axis], n * n);
        }
    }
}

// Unit of the lattice factor alone.
double lattice_unit(const KernelScene& view) {
    return with_slopes(ShapesWithSlopes(), view.shape,
                       [&](auto shape) { return decltype(shape)::Lattice::unit(view); });
}

template <class Pass, class Change, class Kernel>
void scene_edges(const Pass& pass, const Scene& scene, const KernelScene& view, Change& d, Kernel& d_out) {
    for (std::size_t i = 0; i < d.panels.size(); ++i) panel_edges(pass, scene.panels[i], d.panels[i], d_out.panels[i]);
    for (std::size_t i = 0; i < scene.panels.size(); ++i) {
        if (scene.panels[i].layers.empty()) {
            sensor_edges(pass, d, d_out.panels[i]);
        } else if (!d.panels.empty()) {
            sensor_edges(pass, d.panels[i], d_out.panels[i]);
        }
    }
    // A change of the axis alone changes E and B of every source, too.
    SourceChange none;
    for (std::size_t i = 0; i < scene.sources.size(); ++i) {
        if (d.sources.empty()) {
            source_edges(pass, scene, scene.sources[i], none, d.polarization_axis, d_out.sources[i]);
        } else {
            source_edges(pass, scene, scene.sources[i], d.sources[i], d.polarization_axis, d_out.sources[i]);
        }
    }
    for (std::size_t i = 0; i < d.layers.size(); ++i) {
        pass(d.layers[i].depth, d_out.layers[i].depth, 1.0);
        pass(d.layers[i].front, d_out.layers[i].front, 1.0);
        pass(d.layers[i].back, d_out.layers[i].back, 1.0);
        pass(d.layers[i].incidence_depth, d_out.layers[i].incidence_depth, 1.0);
        pass(d.layers[i].thickness, d_out.layers[i].thickness, 1.0);
    }
    auto& common = d_out.common;
    for (int i = 0; i < 3; ++i) pass(parts(d.beam_direction)[i], common.beam[i], 1.0);
    pass(d.curved_distance, common.curved_distance, 1.0);
    pass(d.kahn_factor, common.kahn_factor, 1.0);
    pass(d.background_sum, common.background_sum, 1.0);
    pass(d.background, common.background, 1.0);
    pass(d.scale, common.scale, 1.0 / scene.steps);
    shape_edges(pass, scene, view, d, common);
    if (scene.has_grid()) {
        pass(d.default_F, d_out.default_F, 1.0);
    } else {
        pass(d.default_F, common.unit, 2 * scene.default_F * lattice_unit(view));
    }
}

}  // namespace

KernelChange no_change(const Scene& scene) {
    KernelChange out;
    out.panels.resize(scene.panels.size());
    out.sources.resize(scene.sources.size());
    out.layers.resize(scene.all_layers().size());
    return out;
}

std::vector<double> shape_parameters(const Scene& scene, const KernelScene& view) {
    const Depends depends = depends_of(view);
    std::vector<double> out(kShapeParameters);
    if (depends == Depends::on_metric) miss_metric(scene, out.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(parameters_of(depends)); ++i) {
        if (depends == Depends::on_metric) out[i] *= scene.fudge;
        if (depends == Depends::on_squares) out[i] = scene.fudge * scene.cells[i] * scene.cells[i];
        if (depends == Depends::on_cells) out[i] = scene.cells[i];
    }
    return out;
}

double unit_of(const Scene& scene, const KernelScene& view) {
    return lattice_unit(view) * (scene.has_grid() ? 1.0 : scene.default_F * scene.default_F);
}

KernelChange kernel_change(const Scene& scene, const KernelScene& view, const SceneChange& direction) {
    KernelChange out = no_change(scene);
    scene_edges(Forward(), scene, view, direction, out);
    return out;
}

void put_down(const Scene& scene, const KernelScene& view, KernelChange& kernel, SceneChange& result) {
    scene_edges(Backward(), scene, view, result, kernel);
}

}  // namespace nanobragg
