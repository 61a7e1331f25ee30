// Derivatives of rays.hpp: of the place of a pixel, of the ray to it, of scattering vectors, and of the factors that
// depend on them. Each formula's edges serve both passes (passes.hpp). The rules of physics.hpp hold here too.
#pragma once

#include "physics/passes.hpp"
#include "physics/rays.hpp"

namespace nanobragg {

// A place on a panel and the ray to it.
template <class Number>
struct Aim {
    using Real = Number;
    Real own_fast, own_slow;  // pixels from the panel's corner
    Real depth;               // m
    Ray<Real> ray;
    int64_t layer;  // whose depth it is; -1: the sensor's front
    // Truths in whole words: without bytes that nobody writes, which copies would read.
    int32_t incidence;  // its incidence_depth
    int32_t sunk;       // where a layer with a thickness absorbs the ray
};

// A panel's place in its raster, which KernelPanel is.
struct PanelCorner {
    double fast, slow;  // pixels
};

// The place itself, on the flat panel, at a depth.
template <class Real>
NANOBRAGG_FN void flat_place(const KernelPanel& g, const PanelCorner& corner, const Aim<Real>& aim, Real depth,
                             Real flat[3]) {
    flat_point(g, aim.own_fast + corner.fast, aim.own_slow + corner.slow, 0.0, flat);
    for (int i = 0; i < 3; ++i) flat[i] += depth * g.normal[i];
}

// v turned about an axis by an angle (Rodrigues' formula, literally): the edges.
template <class Pass, class In, class Axis, class Angle, class Out, class Real, class Number>
NANOBRAGG_FN void turn_edges(const Pass& pass, const Number v[3], const double axis[3], Real angle, In d_v[3],
                             Axis d_axis[3], Angle& d_angle, Out d_out[3]) {
    const Real s = sine(angle), c = cosine(angle), versine = 1.0 - c;
    const Real along = filled<Real>(0.0) + (axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2]);
    for (int i = 0; i < 3; ++i) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        pass(d_v[i], d_out[i], versine * (axis[i] * axis[i]) + c);
        pass(d_v[j], d_out[i], versine * (axis[i] * axis[j]) - axis[k] * s);
        pass(d_v[k], d_out[i], versine * (axis[i] * axis[k]) + axis[j] * s);
        pass(d_axis[i], d_out[i], versine * (along + axis[i] * v[i]));
        pass(d_axis[j], d_out[i], versine * axis[i] * v[j] + s * v[k]);
        pass(d_axis[k], d_out[i], versine * axis[i] * v[k] - s * v[j]);
        pass(d_angle, d_out[i], axis[i] * along * s - v[i] * s + (axis[j] * v[k] - axis[k] * v[j]) * c);
    }
}

// From a place on the flat panel to where a curved detector has it (curve_point).
template <class Pass, class Real, class Panel, class Common>
NANOBRAGG_FN void curve_edges(const Pass& pass, const KernelScene& s, const KernelPanel& g, const Real flat[3],
                              Panel& d_panel, Common& d_common, Real d_flat[3], Real d_at[3]) {
    const double radius = s.curved_distance;
    const double start[3] = {radius * s.beam[0], radius * s.beam[1], radius * s.beam[2]};
    const Real angles[2] = {flat[1] / radius, flat[2] / radius};
    Real turned[3], d_start[3] = {}, d_turned[3] = {}, d_angles[2] = {};
    rotate<double, Real>(start, g.slow, angles[0], turned);
    pass.in_order(
        [&] {
            for (int i = 0; i < 3; ++i) {
                pass(d_common.curved_distance, d_start[i], filled<Real>(s.beam[i]));
                pass(d_common.beam[i], d_start[i], filled<Real>(radius));
            }
            for (int i = 0; i < 2; ++i) {
                pass(d_flat[1 + i], d_angles[i], filled<Real>(1.0 / radius));
                pass(d_common.curved_distance, d_angles[i], -angles[i] / radius);
            }
        },
        [&] {
            pass.in_order(
                [&] { turn_edges(pass, start, g.slow, angles[0], d_start, d_panel.slow, d_angles[0], d_turned); },
                [&] { turn_edges(pass, turned, g.fast, angles[1], d_turned, d_panel.fast, d_angles[1], d_at); });
        });
}

// The place itself, on the flat panel, at the front of the sensor.
template <class Pass, class Real, class Panel>
NANOBRAGG_FN void flat_edges(const Pass& pass, const Aim<Real>& aim, Panel& d_panel, Real d_flat[3]) {
    const Real f = aim.own_fast, w = aim.own_slow;
    for (int i = 0; i < 3; ++i) {
        pass(d_panel.origin[i], d_flat[i], filled<Real>(1.0));
        pass(d_panel.step_fast[i], d_flat[i], f);
        pass(d_panel.step_slow[i], d_flat[i], w);
    }
}

// The ray to a place on the flat panel (ray_through).
template <class Pass, class Real, class Panel, class Common>
NANOBRAGG_FN void through_edges(const Pass& pass, const KernelScene& s, const KernelPanel& g, const PanelCorner& corner,
                                const Aim<Real>& aim, Real depth, const Ray<Real>& ray, Panel& d_panel,
                                Common& d_common, Real d_flat[3], RaySlopes<Real>& d_ray) {
    Real d_at[3];
    clear_numbers<3>(d_at);
    const Real d[3] = {ray.x, ray.y, ray.z}, inverse = ray.inverse;
    const auto place = [&] {
        if (s.curved_distance != 0) {
            Real flat[3];
            flat_place(g, corner, aim, depth, flat);
            return curve_edges(pass, s, g, flat, d_panel, d_common, d_flat, d_at);
        }
        for (int i = 0; i < 3; ++i) pass(d_flat[i], d_at[i], filled<Real>(1.0));
    };
    pass.in_order(place, [&] {
        for (int i = 0; i < 3; ++i) {
            for (int j = 0; j < 3; ++j) {
                const double same = i == j ? 1.0 : 0.0;
                pass(d_at[j], d_ray.direction[i], inverse * (same - d[i] * d[j]));
            }
            pass(d_at[i], d_ray.inverse, -(inverse * inverse) * d[i]);
        }
    });
}

// How deep a layer with a thickness absorbs a ray that enters the sensor so (ray_into).
template <class Pass, class Real, class Panel, class Layer>
NANOBRAGG_FN void sunk_edges(const Pass& pass, const KernelPanel& g, double thickness, const Ray<Real>& entering,
                             Panel& d_panel, Layer& d_layer, RaySlopes<Real>& d_entering, Real& d_depth) {
    const Real d[3] = {entering.x, entering.y, entering.z};
    const Real inverse = 1.0 / entering.along(g.normal), x = thickness * g.attenuation * inverse;
    const Real slope = mean_absorption_slope(x), by_parallax = -thickness * slope * x * inverse;
    pass(d_layer.thickness, d_depth, mean_absorption_depth(x) + x * slope);
    pass(d_panel.attenuation, d_depth, thickness * slope * (thickness * inverse));
    for (int i = 0; i < 3; ++i) {
        pass(d_entering.direction[i], d_depth, by_parallax * g.normal[i]);
        pass(d_panel.normal[i], d_depth, by_parallax * d[i]);
    }
}

// The ray to a place: from the panel to its direction and 1/distance.
template <class Pass, class Real, class Panel, class Layers, class Common>
NANOBRAGG_FN void ray_edges(const Pass& pass, const KernelScene& s, const KernelPanel& g, const PanelCorner& corner,
                            const Aim<Real>& aim, Panel& d_panel, Layers& d_layers, Common& d_common,
                            RaySlopes<Real>& d_ray) {
    Real d_front[3], d_depth{}, d_flat[3];
    RaySlopes<Real> d_entering;
    clear_numbers<3>(d_front);
    clear_numbers<3>(d_flat);
    clear_numbers<4>((Real*)&d_entering);
    const auto depth = [&] {
        if (aim.layer < 0) return;
        auto& d_layer = d_layers[aim.layer];
        pass(aim.incidence ? d_layer.incidence_depth : d_layer.depth, d_depth, filled<Real>(1.0));
        if (!aim.sunk) return;
        Real entry[3];
        const Real none = filled<Real>(0.0);
        flat_place(g, corner, aim, none, entry);
        const Ray<Real> entering = ray_through(s, g, entry);
        pass.in_order(
            [&] { through_edges(pass, s, g, corner, aim, none, entering, d_panel, d_common, d_front, d_entering); },
            [&] {
                sunk_edges(pass, g, layer_of(s, g, aim.layer).thickness, entering, d_panel, d_layer, d_entering,
                           d_depth);
            });
    };
    const auto place = [&] {
        for (int i = 0; i < 3; ++i) {
            pass(d_front[i], d_flat[i], filled<Real>(1.0));
            if (aim.layer < 0) continue;
            pass(d_panel.normal[i], d_flat[i], aim.depth);
            pass(d_depth, d_flat[i], filled<Real>(g.normal[i]));
        }
    };
    pass.in_order(
        [&] { flat_edges(pass, aim, d_panel, d_front); }, depth, place,
        [&] { through_edges(pass, s, g, corner, aim, aim.depth, aim.ray, d_panel, d_common, d_flat, d_ray); });
}

// (d - i)/wavelength.
template <class Pass, class Real, class Source>
NANOBRAGG_FN void scattering_edges(const Pass& pass, const KernelSource& source, const Ray<Real>& ray,
                                   RaySlopes<Real>& d_ray, Source& d_source, Real d_q[3]) {
    const double u = source.inverse_wavelength;
    const Real d[3] = {ray.x, ray.y, ray.z};
    for (int i = 0; i < 3; ++i) {
        pass(d_ray.direction[i], d_q[i], filled<Real>(u));
        pass(d_source.direction[i], d_q[i], filled<Real>(-u));
        pass(d_source.inverse_wavelength, d_q[i], d[i] - source.direction[i]);
    }
}

template <class Pass, class Real, class Panel>
NANOBRAGG_FN void solid_angle_edges(const Pass& pass, const KernelScene& s, const KernelPanel& g, const Ray<Real>& ray,
                                    Panel& d_panel, RaySlopes<Real>& d_ray, Real& d_out) {
    const Real near = ray.inverse;
    if (s.point_pixel) {
        pass(d_ray.inverse, d_out, 2.0 * near);
        return;
    }
    const Real cube = near * near * near;
    pass(d_ray.inverse, d_out, (3.0 * g.pixel_area * g.close_distance) * (near * near));
    pass(d_panel.pixel_area, d_out, g.close_distance * cube);
    pass(d_panel.close_distance, d_out, g.pixel_area * cube);
}

// Of the fraction absorbed between two depths by the ray to `aim`.
template <class Pass, class Real, class Panel, class Front, class Back>
NANOBRAGG_FN void absorbed_edges(const Pass& pass, const KernelPanel& g, const Ray<Real>& ray, double front,
                                 double back, Panel& d_panel, Front& d_front, Back& d_back, RaySlopes<Real>& d_ray,
                                 Real& d_out) {
    const Real parallax = ray.along(g.normal), none = filled<Real>(-__builtin_inf()), inverse = 1.0 / parallax;
    const Real before = exponential_difference(-front * g.attenuation * inverse, none);
    const Real behind = exponential_difference(-back * g.attenuation * inverse, none);
    const Real mean = (back * behind - front * before) * inverse;  // d(fraction)/d(attenuation)
    const Real d[3] = {ray.x, ray.y, ray.z}, by_parallax = -g.attenuation * inverse * mean;
    pass(d_front, d_out, -g.attenuation * inverse * before);
    pass(d_back, d_out, g.attenuation * inverse * behind);
    pass(d_panel.attenuation, d_out, mean);
    for (int i = 0; i < 3; ++i) {
        pass(d_ray.direction[i], d_out, by_parallax * g.normal[i]);
        pass(d_panel.normal[i], d_out, by_parallax * d[i]);
    }
}

template <class Pass, class Real, class Source, class Common>
NANOBRAGG_FN void polarization_edges(const Pass& pass, const KernelScene& s, const Ray<Real>& ray,
                                     const KernelSource& source, Source& d_source, Common& d_common,
                                     RaySlopes<Real>& d_ray, Real& d_out) {
    const Real d[3] = {ray.x, ray.y, ray.z}, one = filled<Real>(1.0), zero = filled<Real>(0.0);
    const Real c = ray.along(source.direction), e = ray.along(source.electric), m = ray.along(source.magnetic);
    const Real ee = e * e, mm = m * m, total = ee + mm, inverse = 1.0 / (total > 0 ? total : one);
    const Real cos2psi = total > 0 ? (ee - mm) * inverse : one, rest = 1.0 - c * c;
    // (The ray, incidence, E and B have one length: rest is total, and next to the beam nothing but rounding.)
    const Real share = total > 1e-6 ? rest * inverse : one;
    pass(d_common.kahn_factor, d_out, -0.5 * cos2psi * rest);
    if (s.kahn_factor == 0) {  // wherever E and B point
        for (int i = 0; i < 3; ++i) {
            pass(d_ray.direction[i], d_out, c * source.direction[i]);
            pass(d_source.direction[i], d_out, c * d[i]);
        }
        return;
    }
    const Real turn = total > 0 ? (-2.0 * s.kahn_factor) * share * inverse : zero;
    const Real by_c = c * (1.0 + s.kahn_factor * cos2psi), by_e = turn * e * mm, by_m = -turn * m * ee;
    for (int i = 0; i < 3; ++i) {
        pass(d_ray.direction[i], d_out,
             by_c * source.direction[i] + by_e * source.electric[i] + by_m * source.magnetic[i]);
        pass(d_source.direction[i], d_out, by_c * d[i]);
        pass(d_source.electric[i], d_out, by_e * d[i]);
        pass(d_source.magnetic[i], d_out, by_m * d[i]);
    }
}

}  // namespace nanobragg
