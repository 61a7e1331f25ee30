// Photon noise and counts on a device: the fast generator of specs/random.md and the stages of specs/response.md, one
// pixel at a time. Compiled without contraction, they give the bits that the CPU gives.
#pragma once

#include <cmath>
#include <cstdint>

#include "noise/dead_time.hpp"
#include "physics/philox.hpp"

namespace nanobragg::gpu {

struct NoiseJob {
    const float* image;  // (panel, slow, fast), photons per pixel
    std::int64_t pixels, nslow, nfast;
    std::int64_t roi[4];  // fast first, fast last, slow first, slow last; pixels outside become 0
    double adc_offset;
    std::uint64_t seed;
    std::int32_t* out;
};

NANOBRAGG_HD inline void draw_noise(const NoiseJob& job, std::int64_t pixel) {
    const std::int64_t fast = pixel % job.nfast, slow = pixel / job.nfast % job.nslow;
    const bool inside = fast >= job.roi[0] && fast <= job.roi[1] && slow >= job.roi[2] && slow <= job.roi[3];
    const double mean = static_cast<double>(job.image[pixel]);
    job.out[pixel] =
        inside
            ? pixel_of<std::int32_t>(pixel_poisson(mean, job.seed, static_cast<std::uint64_t>(pixel)) + job.adc_offset)
            : 0;
}

// What a detector has for every pixel of a panel, or null.
struct PixelMaps {
    const float *added, *passed, *shadow;              // photons of materials, what gas and beamstop let through
    const float *calibration, *gain_map, *offset_map;  // factors, and ADU
    const std::uint8_t* fate;                          // of PixelFate
};

enum PixelFate : std::uint8_t { kOrdinary, kDead, kHot, kNotRendered };  // 0, the highest value, no light at all and 0

// Which stages a launch does: all, or those before the light is spread, or those after it.
enum class Stages { all, before_spread, after_spread };

struct CountsJob {
    const float* image;  // photons of the crystal, one panel
    std::int64_t pixels;
    PixelMaps maps;
    Stages stages;
    float* light;   // what is spread: means in a detector that counts, else photons
    float factor;   // of all pixels
    bool counting;  // the calibration is of means, not of photons
    DeadTime dead_time;
    std::uint64_t photon_key, noise_key;  // streams of random numbers
    double gain, offset, noise, lowest, highest;
    std::int32_t* out;
};

NANOBRAGG_HD inline float expected_photons(const CountsJob& job, std::int64_t pixel) {
    float mean = job.image[pixel];
    if (job.maps.added != nullptr) mean += job.maps.added[pixel];
    if (job.maps.passed != nullptr) mean *= job.maps.passed[pixel];
    if (job.maps.shadow != nullptr) mean *= job.maps.shadow[pixel];
    mean *= job.factor;
    return job.counting && job.maps.calibration != nullptr ? mean * job.maps.calibration[pixel] : mean;
}

NANOBRAGG_HD inline PixelFate fate_of(const CountsJob& job, std::int64_t pixel) {
    return job.maps.fate != nullptr ? static_cast<PixelFate>(job.maps.fate[pixel]) : kOrdinary;
}

NANOBRAGG_HD inline float drawn_photons(const CountsJob& job, float mean, std::int64_t pixel) {
    return pixel_of<float>(pixel_poisson(static_cast<double>(mean), job.photon_key, static_cast<std::uint64_t>(pixel)));
}

NANOBRAGG_HD inline double normal_of(std::uint64_t key, std::int64_t pixel) {
    const NormalPair both = pixel_normals(key, static_cast<std::uint64_t>(pixel) / 2);
    return pixel % 2 == 0 ? both.first : both.second;
}

NANOBRAGG_HD inline float light_before_spread(const CountsJob& job, std::int64_t pixel) {
    if (fate_of(job, pixel) == kNotRendered) return 0.0F;
    const float mean = expected_photons(job, pixel);
    return job.counting ? mean : drawn_photons(job, mean, pixel);
}

NANOBRAGG_HD inline float recorded_photons(const CountsJob& job, float light, std::int64_t pixel) {
    if (!job.counting) return job.maps.calibration != nullptr ? light * job.maps.calibration[pixel] : light;
    const float photons = drawn_photons(job, light, pixel);
    if (!(job.dead_time.part > 0.0)) return photons;
    return counted_photons(photons, job.dead_time, normal_of(job.dead_time.key, pixel));
}

NANOBRAGG_HD inline std::int32_t digitized(const CountsJob& job, float photons, std::int64_t pixel) {
    const PixelFate fate = fate_of(job, pixel);
    if (fate != kOrdinary) return fate == kHot ? static_cast<std::int32_t>(job.highest) : 0;
    double value = static_cast<double>(photons) * job.gain;
    if (job.maps.gain_map != nullptr) value *= static_cast<double>(job.maps.gain_map[pixel]);
    value += job.offset;
    if (job.maps.offset_map != nullptr) value += static_cast<double>(job.maps.offset_map[pixel]);
    if (job.noise > 0.0) value += job.noise * normal_of(job.noise_key, pixel);
    double whole = value == value ? std::floor(value + 0.5) : 0.0;
    whole = whole > job.highest ? job.highest : whole;
    whole = whole < job.lowest ? job.lowest : whole;
    return static_cast<std::int32_t>(whole);
}

NANOBRAGG_HD inline void count_pixel(const CountsJob& job, std::int64_t pixel) {
    const float light = job.stages == Stages::after_spread ? job.light[pixel] : light_before_spread(job, pixel);
    if (job.stages == Stages::before_spread) {
        job.light[pixel] = light;
    } else {
        job.out[pixel] = digitized(job, recorded_photons(job, light, pixel), pixel);
    }
}

}  // namespace nanobragg::gpu
