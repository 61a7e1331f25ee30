// Photon noise on a device: the fast generator of specs/random.md, one pixel at a time. Compiled without contraction,
// it gives the bits that the CPU gives.
#pragma once

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

}  // namespace nanobragg::gpu
