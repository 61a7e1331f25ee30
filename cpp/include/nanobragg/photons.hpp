// After the image: statistics and whole numbers (specs/physics.md, "After the image").
#pragma once

#include <cstdint>

#include "nanobragg/random.hpp"

namespace nanobragg {

struct ImageStatistics {
    double mean = 0, rms = 0, rmsd = 0;
    float maximum = 0;             // 0 if nothing is above it
    std::int64_t maximum_at = -1;  // first pixel that has it, in reading order
};

/// Statistics of the frame's region. Pixels whose `mask` (frame.pixels(), or null) is 0 count as 0 in rmsd, and not at
/// all elsewhere. The result does not depend on the number of threads.
ImageStatistics image_statistics(const float* image, const Frame& frame, const std::uint8_t* mask, int threads);

/// floor(float32(p scale + offset + 1/2)) between 0 and 65535; 0 for NaN and outside the frame's region. With a
/// `Pixel` of std::int32_t instead of std::uint16_t the same up to 65535, and above that up to 2^31 - 1 without the
/// rounding to float32.
template <class Pixel>
void image_integers(const float* image, const Frame& frame, double scale, double offset, int threads, Pixel* out);

}  // namespace nanobragg
