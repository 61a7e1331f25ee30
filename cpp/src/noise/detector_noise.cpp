// Compiled without contraction: which products are rounded to float decides bits of the result.
#include "nanobragg/detector_noise.hpp"

#include <algorithm>
#include <cmath>

#include "nanobragg/threads.hpp"
#include "physics/philox.hpp"

namespace nanobragg {
namespace {

// What x86-64 makes of a double where a C program asks for an unsigned number: truncated to a signed one of twice the
// bits, of which the lower half is kept. NaN, and what the signed one has no room for, is 0.
std::uint16_t narrow_of(double value) {
    constexpr double limit = 2147483648.0;
    const bool fits = value > -limit - 1.0 && value < limit;
    return static_cast<std::uint16_t>(fits ? static_cast<std::int32_t>(value) : 0);
}

std::uint32_t wide_of(double value) {
    constexpr double limit = 9223372036854775808.0;
    return static_cast<std::uint32_t>(value >= -limit && value < limit ? static_cast<std::int64_t>(value) : 0);
}

// Brings a value to what the bits hold; whether it was above.
bool limited(const ReadoutModel& model, double& value) {
    if (model.round) value = std::floor(value + 0.5);
    if (model.clamp && !(value > 0.0)) value = 0.0;
    const double largest = model.bits == 16 ? 65535.0 : 2147483647.0;
    const bool over = value > largest;
    if (over) value = largest;
    if (model.most > 0.0 && value > model.most) value = model.most;
    return over;
}

void store(double value, std::size_t i, std::uint16_t* narrow, std::uint32_t* wide) {
    if (narrow != nullptr) narrow[i] = narrow_of(value);
    if (wide != nullptr) wide[i] = wide_of(value);
}

}  // namespace

DetectorNoise::DetectorNoise(std::int64_t seed, std::int64_t calibration_state)
    : seed_(seed), calibration_{calibration_state}, poisson_(Stream::from_user_seed(seed), table_) {}

double noise_factor(double sigma, double deviate, bool may_be_negative) {
    if (may_be_negative) return 1.0 + sigma * deviate;
    const double width = std::sqrt(std::log1p(sigma * sigma));
    return std::exp(width * deviate - 0.5 * width * width);
}

void calibration_map(std::int64_t state, std::size_t pixels, float* out) {
    RandomTable table;
    ReferencePoisson deviates(Stream{state}, table);
    for (std::size_t i = 0; i < pixels; ++i) out[i] = deviates.gaussian();
}

double DetectorNoise::photons(const float* expected, std::size_t pixels, const CountingModel& model, const float* map,
                              float* out) {
    if (!model.minus_one_first) poisson_.forget_first();
    const bool flickers = model.flicker > 0.0, calibrated = model.calibration > 0.0 && model.calibration_first;
    double common = 1.0;
    if (flickers && !model.flicker_per_pixel) {
        common = noise_factor(model.flicker, static_cast<double>(poisson_.gaussian()), model.may_be_negative);
    }
    double sum = 0;
    for (std::size_t i = 0; i < pixels; ++i) {
        double mean = static_cast<double>(expected[i]);
        if (flickers) {
            mean *= model.flicker_per_pixel
                        ? noise_factor(model.flicker, static_cast<double>(poisson_.gaussian()), model.may_be_negative)
                        : common;
        }
        if (calibrated) {
            const float deviate = model.shared_calibration ? poisson_.gaussian(calibration_) : map[i];
            mean *= noise_factor(model.calibration, static_cast<double>(deviate), model.may_be_negative);
        }
        float drawn = 0;
        if (model.exact_counting) {
            drawn = static_cast<float>(pixel_poisson(mean, static_cast<std::uint64_t>(seed_), i));
        } else {
            drawn = poisson_.draw(static_cast<float>(mean));
            if (model.whole) drawn = std::floor(drawn + 0.5F);
        }
        out[i] = drawn;
        sum += static_cast<double>(drawn);
    }
    return sum;
}

NoiseCounts DetectorNoise::counts(const float* photons, std::size_t pixels, const ReadoutModel& model,
                                  std::uint16_t* narrow, std::uint32_t* wide) {
    NoiseCounts counts;
    for (std::size_t i = 0; i < pixels; ++i) {
        const double number = static_cast<double>(photons[i]);
        counts.photons += number;
        double value = number * model.gain + model.offset;
        if (model.readout > 0.0) value += model.readout * static_cast<double>(poisson_.gaussian());
        counts.overloads += limited(model, value) ? 1 : 0;
        store(value, i, narrow, wide);
    }
    return counts;
}

void whole_numbers(const float* photons, std::size_t pixels, const ReadoutModel& model, int threads,
                   std::uint16_t* narrow, std::uint32_t* wide) {
    constexpr std::size_t small = 1 << 16;
    const int team = pixels < small ? 1 : thread_count(threads);
#pragma omp parallel for schedule(static) num_threads(team)
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(pixels); ++i) {
        double value = static_cast<double>(photons[i]) * model.gain + model.offset;
        limited(model, value);
        store(value, static_cast<std::size_t>(i), narrow, wide);
    }
}

}  // namespace nanobragg
