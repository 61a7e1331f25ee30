// Photon noise and counts on a device: the fast generator of specs/random.md and the stages of specs/response.md, one
// pixel at a time. Compiled without contraction, they give the bits that the CPU gives.
#pragma once

#include <cmath>
#include <cstdint>

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
    const std::uint8_t* fate;                          // 1: holds 0, 2: holds the highest value
};

struct CountsJob {
    const float* image;  // photons of the crystal, one panel
    std::int64_t pixels;
    PixelMaps maps;
    float factor;                         // of all pixels
    bool counting;                        // the calibration is of means, not of photons
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

NANOBRAGG_HD inline void count_pixel(const CountsJob& job, std::int64_t pixel) {
    const auto number = static_cast<std::uint64_t>(pixel);
    const double mean = static_cast<double>(expected_photons(job, pixel));
    auto photons = pixel_of<float>(pixel_poisson(mean, job.photon_key, number));
    if (!job.counting && job.maps.calibration != nullptr) photons *= job.maps.calibration[pixel];
    double value = static_cast<double>(photons) * job.gain;
    if (job.maps.gain_map != nullptr) value *= static_cast<double>(job.maps.gain_map[pixel]);
    value += job.offset;
    if (job.maps.offset_map != nullptr) value += static_cast<double>(job.maps.offset_map[pixel]);
    if (job.noise > 0.0) {
        const NormalPair both = pixel_normals(job.noise_key, number / 2);
        value += job.noise * (number % 2 == 0 ? both.first : both.second);
    }
    double whole = value == value ? std::floor(value + 0.5) : 0.0;
    whole = whole > job.highest ? job.highest : whole;
    whole = whole < job.lowest ? job.lowest : whole;
    const int fate = job.maps.fate != nullptr ? job.maps.fate[pixel] : 0;
    if (fate != 0) whole = fate == 1 ? 0.0 : job.highest;
    job.out[pixel] = static_cast<std::int32_t>(whole);
}

}  // namespace nanobragg::gpu
