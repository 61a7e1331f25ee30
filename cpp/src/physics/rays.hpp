// Rays from the sample to the pixels of a panel, and the factors that depend on them, written once: templates of a
// number type (double, a register full of doubles, ...), for the CPU, the GPU and whoever comes next. The rules of
// physics.hpp hold here too.
#pragma once

#include "physics/kernel_scene.hpp"
#include "physics/physics.hpp"

namespace nanobragg {

// ---- geometry ---------------------------------------------------------------------------------------------

template <class Real>
struct Ray {
    Real x, y, z, inverse;  // unit vector from the sample, and 1/distance (0 at the sample itself)

    // Component of the ray's direction along a vector.
    NANOBRAGG_FN_MEMBER Real along(const double v[3]) const { return x * v[0] + y * v[1] + z * v[2]; }
};

// A place on a raster, `fast` and `slow` pixels from its corner and at a depth (m); on a flat detector.
template <class Real>
NANOBRAGG_FN void flat_point(const KernelPanel& g, Real fast, Real slow, double depth, Real at[3]) {
    const Real f = g.pixel_fast * fast, w = g.pixel_slow * slow;
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) at[i] = f * g.fast[i] + w * g.slow[i] + depth * g.normal[i] + g.origin[i];
}

// Rodrigues' formula (vec3.hpp has it too, but its inline functions must not be compiled here).
template <class Number, class Real>
NANOBRAGG_FN void rotate(const Number v[3], const double axis[3], Real angle, Real out[3]) {
    const Real s = sine(angle), c = cosine(angle);
    const Real along = (axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2]) * (1.0 - c);
    const Real turned[3] = {axis[0] * along + v[0] * c + (axis[1] * v[2] - axis[2] * v[1]) * s,
                            axis[1] * along + v[1] * c + (axis[2] * v[0] - axis[0] * v[2]) * s,
                            axis[2] * along + v[2] * c + (axis[0] * v[1] - axis[1] * v[0]) * s};
    for (int i = 0; i < 3; ++i) out[i] = turned[i];
}

// Moves a place on the flat panel to the curved detector's distance (specs/geometry.md).
template <class Real>
NANOBRAGG_FN void curve_point(const KernelScene& s, const KernelPanel& g, Real at[3]) {
    const double start[3] = {s.curved_distance * s.beam[0], s.curved_distance * s.beam[1],
                             s.curved_distance * s.beam[2]};
    Real turned[3];
    rotate<double, Real>(start, g.slow, at[1] / s.curved_distance, turned);
    rotate<Real, Real>(turned, g.fast, at[2] / s.curved_distance, at);
}

// The ray to a place on the flat panel, or to where a curved detector has it.
template <class Real>
NANOBRAGG_FN Ray<Real> ray_through(const KernelScene& s, const KernelPanel& g, Real at[3]) {
    if (s.curved_distance != 0) curve_point(s, g, at);
    const Real inverse = inverse_root(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]);
    return {at[0] * inverse, at[1] * inverse, at[2] * inverse, inverse};
}

// The ray to where a layer with a thickness absorbs it, on average; `front`: where it enters the sensor.
template <class Real>
NANOBRAGG_FN Ray<Real> ray_into(const KernelScene& s, const KernelPanel& g, const Layer& layer, const Real front[3]) {
    Real at[3] = {front[0], front[1], front[2]};
    const Real parallax = ray_through(s, g, at).along(g.normal);
    const Real depth =
        layer.depth + layer.thickness * mean_absorption_depth(layer.thickness * g.attenuation / parallax);
    for (int i = 0; i < 3; ++i) at[i] = front[i] + depth * g.normal[i];
    return ray_through(s, g, at);
}

// One point of a pixel's sampling.
struct Subpixel {
    int64_t layer, number;            // in its layer
    double offset_fast, offset_slow;  // in pixels
};

// The fast axis is the fastest. (The first one is asked for most often, and divisions of whole numbers are slow.)
NANOBRAGG_FN Subpixel subpixel_of(const KernelScene& s, int64_t layer, int64_t number) {
    const double width = 1.0 / (double)s.oversample;
    const int64_t row = number == 0 ? 0 : number / s.oversample;
    return {layer, number, ((double)(number - row * s.oversample) + 0.5) * width, ((double)row + 0.5) * width};
}

// A pixel of a raster (or a register full of them), counted from its corner: where to ask for rays. Other types with
// the same functions may know some of the rays already.
template <class Number>
struct Pixel {
    using Real = Number;
    const KernelScene& scene;
    const KernelPanel& raster;
    Real fast, slow;

    NANOBRAGG_FN_MEMBER const KernelPanel& panel() const { return raster; }

    // To its centre, at the front of the sensor.
    NANOBRAGG_FN_MEMBER Ray<Real> centre() const { return ray_to(fast + 0.5, slow + 0.5, 0.0); }
    // To a subpixel at a depth.
    NANOBRAGG_FN_MEMBER Ray<Real> ray(const Subpixel& sub, double depth) const {
        return ray_to(fast + sub.offset_fast, slow + sub.offset_slow, depth);
    }
    // To a subpixel where it stands in its layer.
    NANOBRAGG_FN_MEMBER Ray<Real> ray(const Subpixel& sub) const {
        const Layer& layer = layer_of(scene, raster, sub.layer);
        if (layer.thickness == 0) return ray(sub, layer.depth);
        Real front[3];
        flat_point(raster, fast + sub.offset_fast, slow + sub.offset_slow, 0.0, front);
        return ray_into(scene, raster, layer, front);
    }

  private:
    NANOBRAGG_FN_MEMBER Ray<Real> ray_to(Real at_fast, Real at_slow, double depth) const {
        Real at[3];
        flat_point(raster, at_fast, at_slow, depth, at);
        return ray_through(scene, raster, at);
    }
};

// ---- factors ----------------------------------------------------------------------------------------------

// Solid angle of a pixel, steradian. One at the sample itself fills the sky.
template <class Real>
NANOBRAGG_FN Real solid_angle(const KernelScene& s, const KernelPanel& g, const Ray<Real>& ray) {
    const Real near = ray.inverse > 0 ? ray.inverse : filled<Real>(__builtin_inf());
    if (s.point_pixel) return near * near;
    return near * near * (g.pixel_area * g.close_distance * near);
}

// Fraction absorbed between two depths, of rays whose direction has this component along the sensor's normal.
template <class Real>
NANOBRAGG_FN Real absorbed(const KernelPanel& g, Real parallax, double front, double back) {
    return exponential_difference(-front * g.attenuation / parallax, -back * g.attenuation / parallax);
}

template <class Real>
NANOBRAGG_FN Real polarization(const KernelScene& s, const Ray<Real>& ray, const KernelSource& source) {
    const Real cos2theta = ray.along(source.direction);
    if (s.kahn_factor == 0) return 0.5 * (1.0 + cos2theta * cos2theta);  // wherever E and B point
    return polarization_factor(s.kahn_factor, cos2theta, ray.along(source.electric), ray.along(source.magnetic));
}

// 0 where the scattering vector is beyond dmin, else 1.
template <class Real>
NANOBRAGG_FN Real kept(const KernelScene& s, const Ray<Real>& ray, const KernelSource& source) {
    const double* i = source.direction;
    const Real x = ray.x - i[0], y = ray.y - i[1], z = ray.z - i[2], one = filled<Real>(1.0);
    const Real stol = 0.5 * source.inverse_wavelength * root(x * x + y * y + z * z);
    const Real limit = stol > 0 ? 0.5 / (stol > 0 ? stol : one) : filled<Real>(s.dmin);
    return s.dmin > limit ? filled<Real>(0.0) : one;
}

// Capture fractions are made in two steps, since the second takes long: the component along the sensor's normal of the
// ray that decides, of `ray` to a subpixel, the pixel's centre and the first subpixel ...
template <class At, class Real>
NANOBRAGG_FN Real parallax_of(const KernelScene& s, const At& pixel, int64_t layer, const Ray<Real>& ray) {
    if (s.capture == Factor::each) return ray.along(pixel.panel().normal);
    if (s.capture == Factor::centre) return pixel.centre().along(pixel.panel().normal);
    const double depth = layer_of(s, pixel.panel(), layer).incidence_depth;
    return pixel.ray(subpixel_of(s, layer, 0), depth).along(pixel.panel().normal);
}

// ... and the fraction. That of the first subpixel is computed again, up to the subpixel of number `last`, as long as
// it is exactly 0.
template <class At, class Real>
NANOBRAGG_FN Real capture_of(const KernelScene& s, const At& pixel, int64_t layer, int64_t last, Real parallax) {
    const Layer& at = layer_of(s, pixel.panel(), layer);
    Real value = absorbed(pixel.panel(), parallax, at.front, at.back);
    for (int64_t number = 1; s.capture == Factor::first && number <= last && any_of(value == 0.0); ++number) {
        const Real again = pixel.ray(subpixel_of(s, layer, number), at.incidence_depth).along(pixel.panel().normal);
        value = value == 0.0 ? absorbed(pixel.panel(), again, at.front, at.back) : value;
    }
    return value;
}

// What the terms of one ray are multiplied by; 0 where they are beyond dmin. `captured`: capture_of() where it differs
// from layer to layer or from subpixel to subpixel, else 1.
template <class At, class Real>
NANOBRAGG_FN Real inner_factor(const KernelScene& s, const At& pixel, const Ray<Real>& ray, const KernelSource& source,
                               Real captured) {
    Real factor = captured;
    if (s.polar == Factor::each) factor *= polarization(s, ray, source);
    if (s.polar == Factor::centre) factor *= polarization(s, pixel.centre(), source);
    if (s.omega == Factor::each) factor *= solid_angle(s, pixel.panel(), ray);
    if (s.dmin > 0) factor = kept(s, ray, source) == 0.0 ? filled<Real>(0.0) : factor;
    return factor;
}

// A sum of terms, times that. Where there is none, nothing, even if a capture fraction leaves the range of numbers, as
// it may behind a curved detector.
template <class Real>
NANOBRAGG_FN Real with_factor(Real factor, Real sum) {
    return sum == 0.0 ? filled<Real>(0.0) : factor * sum;
}

}  // namespace nanobragg
