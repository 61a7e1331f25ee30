// From expected photons to detector counts with noisify.c's random numbers (specs/noisify.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "nanobragg/random.hpp"

namespace nanobragg {

/// What happens before the point spread: flicker, calibration error, counting.
struct CountingModel {
    double flicker = 0, calibration = 0;  // relative rms; off unless above 0
    bool flicker_per_pixel = true;        // otherwise one factor for the image
    bool shared_calibration = true;       // deviates from the streams in their common order; otherwise from a map
    bool calibration_first = true;        // before counting; otherwise left to the caller
    bool may_be_negative = true;          // factors 1 + sigma times deviate; otherwise log-normal ones
    bool exact_counting = false;          // the counter-based generator's Poisson deviates, by seed and pixel
    bool whole = false;                   // Gaussian deviates above 1e6 are rounded
    bool minus_one_first = true;          // a mean of -1 before all others gives about a hundred photons
};

/// And after it: gain, offset, read-out noise, whole numbers.
struct ReadoutModel {
    double gain = 1, offset = 0, readout = 0;  // ADU; read-out noise is off unless above 0
    int bits = 16;                             // 32: up to 2^31 - 1
    bool round = false;                        // to the nearest number; otherwise towards 0
    bool clamp = false;                        // at 0; otherwise modulo 2^bits
    double most = 0;                           // largest value; above 0: less than the bits would hold
};

/// The two streams with their common table and spare deviate.
class DetectorNoise {
  public:
    /// Seeds as the user writes them; `calibration_state`: that stream's state as it is, where no seed was given.
    DetectorNoise(std::int64_t seed, std::int64_t calibration_state);

    /// Photons, float, for the expected ones; `map`: calibration deviates by pixel, where they are not shared. Returns
    /// their sum.
    double photons(const float* expected, std::size_t pixels, const CountingModel& model, const float* map, float* out);

    /// Whole numbers: `wide` or `narrow` has `pixels` elements, by the bits. The sum is that of the photons.
    NoiseCounts counts(const float* photons, std::size_t pixels, const ReadoutModel& model, std::uint16_t* narrow,
                       std::uint32_t* wide);

  private:
    std::int64_t seed_;
    Stream calibration_;
    RandomTable table_;
    ReferencePoisson poisson_;
};

/// The factor of a deviate: 1 + sigma times it, or log-normal with the same mean and rms.
double noise_factor(double sigma, double deviate, bool may_be_negative);

/// `pixels` deviates of mean 0 and rms 1 from a stream of their own.
void calibration_map(std::int64_t state, std::size_t pixels, float* out);

/// Whole numbers without noise; in threads (0: all processors).
void whole_numbers(const float* photons, std::size_t pixels, const ReadoutModel& model, int threads,
                   std::uint16_t* narrow, std::uint32_t* wide);

}  // namespace nanobragg
