// From the photons that a detector records to whole numbers, with counter-based random numbers (specs/response.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace nanobragg {

/// The key of a stream of random numbers, to be taken for a seed: another one for every seed, shot, stage and panel.
/// Stages begin at 2.
std::uint64_t measurement_key(std::uint64_t seed, std::uint64_t shot, std::uint32_t stage, std::uint32_t panel);

/// `pixels` deviates of mean 0 and rms 1. Pixel i of the stream `key` has the same one whatever the number of pixels
/// and threads (0: all processors).
void normal_deviates(std::uint64_t key, std::size_t pixels, int threads, float* out);

/// A counter that is blind for a while after a photon.
struct DeadTime {
    double part = 0;          // of the exposure; none unless above 0
    bool paralyzable = true;  // photons within the dead time prolong it
    std::uint64_t key = 0;    // of the random numbers
};

/// Mean and variance of the counts of a number of photons at random times; `part` and `paralyzable` as above.
struct CountedMoments {
    double mean, variance;
};
CountedMoments counted_moments(double photons, double part, bool paralyzable);

/// What the counter makes of numbers of photons: whole numbers between 0 and these. `out` may be `photons`.
void count_with_dead_time(const float* photons, std::size_t pixels, const DeadTime& counter, int threads, float* out);

/// Gain, offset, read-out noise, whole numbers.
struct Digitizer {
    double gain = 1;                     // ADU per photon
    double offset = 0;                   // ADU
    double noise = 0;                    // ADU, rms; none unless above 0
    double lowest = 0, highest = 65535;  // ADU, between -2^31 and 2^31 - 1
    std::uint64_t key = 0;               // of the noise
    const float* gain_map = nullptr;     // relative, by pixel
    const float* offset_map = nullptr;   // ADU, by pixel, added to the offset
};

/// round(photons * gain + offset + noise) between the lowest and the highest value, halves upwards; NaN is 0 before
/// that. Returns how many pixels are above the highest. `out` may not be `photons`.
std::int64_t digitize(const float* photons, std::size_t pixels, const Digitizer& digitizer, int threads,
                      std::int32_t* out);

}  // namespace nanobragg
