// From a pixel's sum of terms to photons: what is done once for a pixel. Templates of a type of pixels (rays.hpp).
#pragma once

#include "physics/rays.hpp"

namespace nanobragg {

// The polarization factor of the first source that is not culled; a factor of exactly 0 is computed again.
template <class At>
NANOBRAGG_FN typename At::Real first_polarization(const KernelScene& s, const At& pixel) {
    using Real = typename At::Real;
    if (s.layer_count * s.oversample * s.oversample * s.source_count == 1 && !(s.dmin > 0)) {
        return polarization(s, pixel.ray(subpixel_of(s, 0, 0)), s.sources[0]);  // there is no other
    }
    Real value = filled<Real>(0.0);
    for (int64_t layer = 0; layer < s.layer_count; ++layer) {
        for (int64_t number = 0; number < s.oversample * s.oversample; ++number) {
            const Ray<Real> ray = pixel.ray(subpixel_of(s, layer, number));
            for (int64_t n = 0; n < s.source_count; ++n) {
                Real now = polarization(s, ray, s.sources[n]);
                if (s.dmin > 0) now = kept(s, ray, s.sources[n]) == 0.0 ? filled<Real>(0.0) : now;
                value = value == 0.0 ? now : value;
                if (!any_of(value == 0.0)) return value;
            }
        }
    }
    return value;
}

// What is added once per pixel, with the factors of its centre. `parallax`: the component along the normal of the ray
// there.
template <class At, class Real>
NANOBRAGG_FN Real background_of(const KernelScene& s, const At& pixel, Real parallax, double amount, bool with_omega,
                                bool with_polar, bool with_capture) {
    const Ray<Real> centre = pixel.centre();
    Real value = filled<Real>(amount);
    if (with_omega) value *= solid_angle(s, pixel.panel(), centre);
    if (with_polar && s.polar != Factor::off) {
        Real polar = filled<Real>(0.0);
        for (int64_t n = 0; n < s.source_count; ++n) {
            polar += s.sources[n].weight / s.weight_sum * polarization(s, centre, s.sources[n]);
        }
        value *= polar;
    }
    if (with_capture && s.capture != Factor::off) {
        value *= absorbed(pixel.panel(), parallax, 0.0, pixel.panel().sensor_depth);
    }
    return value;
}

// Photons from sums of terms. `pixels.change(look, f)` makes f(pixel, look(pixel), value) of each pixel's value: there
// may be one (OnePixel) or many, and what is done to many is done faster in short loops.
template <class Pixels>
NANOBRAGG_FN void finish_pixels(const KernelScene& s, Pixels& pixels) {
    const auto central_parallax = [&](const auto& pixel) { return pixel.centre().along(pixel.panel().normal); };
    if (s.background_sum != 0) {
        const bool polar = s.polar == Factor::each || s.polar == Factor::centre;
        pixels.change(central_parallax, [&](const auto& pixel, auto parallax, auto value) {
            return value + background_of(s, pixel, parallax, s.background_sum, s.omega == Factor::each, polar,
                                         s.capture_inside != 0);
        });
    }
    // Factors that left the sum.
    if (!s.capture_inside && s.capture != Factor::off) {
        const int64_t last = s.oversample * s.oversample - 1;
        pixels.change([&](const auto& pixel) { return parallax_of(s, pixel, 0, pixel.centre()); },
                      [&](const auto& pixel, auto parallax, auto value) {
                          return value * capture_of(s, pixel, 0, last, parallax);
                      });
    }
    const double scale = s.scale / s.steps;
    const Subpixel first = subpixel_of(s, 0, 0);
    pixels.change(
        [&](const auto& pixel) {
            if (s.omega == Factor::first) return solid_angle(s, pixel.panel(), pixel.ray(first));
            const auto omega = solid_angle(s, pixel.panel(), pixel.centre());
            return s.omega == Factor::centre ? omega : filled<decltype(central_parallax(pixel))>(1.0);
        },
        [&](const auto& pixel, auto omega, auto value) {
            if (s.polar == Factor::first) value *= first_polarization(s, pixel);
            return scale * value * omega;
        });
    if (s.background != 0) {
        pixels.change(central_parallax, [&](const auto& pixel, auto parallax, auto value) {
            return value + background_of(s, pixel, parallax, s.background, true, true, true);
        });
    }
}

template <class At>
struct OnePixel {
    const At& pixel;
    typename At::Real value;

    template <class Look, class Change>
    NANOBRAGG_FN_MEMBER void change(const Look& look, const Change& changed) {
        value = changed(pixel, look(pixel), value);
    }
};

// Photons of one pixel, from its sum.
template <class At>
NANOBRAGG_FN typename At::Real photons(const KernelScene& s, const At& pixel, typename At::Real sum) {
    OnePixel<At> one{pixel, sum};
    finish_pixels(s, one);
    return one.value;
}

}  // namespace nanobragg
