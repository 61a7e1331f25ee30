// Compiled without contraction: which products are rounded to float decides bits of the result (specs/random.md).
#include "nanobragg/random.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "physics/philox.hpp"

namespace nanobragg {

namespace {

constexpr double pi = 3.14159265358979323846;

// Park-Miller.
constexpr std::int64_t modulus = 2147483647, multiplier = 16807;

// multiplier * state mod 2^31 - 1, for 0 <= state <= modulus: 2^31 is 1 there, so that the upper bits are added to the
// lower ones. No division: each number waits for the one before.
std::int64_t step(std::int64_t state) {
    const std::int64_t product = multiplier * state;
    const std::int64_t folded = (product & modulus) + (product >> 31);
    return folded >= modulus ? folded - modulus : folded;
}

// The C library's functions take and give doubles; the results are stored as floats.
float to_float(double value) { return static_cast<float>(value); }

// ln of the gamma function (Lanczos; Press et al., "Numerical Recipes", gammln): doubles inside, floats in and out.
float log_gamma(float argument) {
    constexpr double coefficients[] = {76.18009172947146,  -86.50532032941677,   24.01409824083091,
                                       -1.231739572450155, 0.001208650973866179, -0.000005395239384953};
    const double x = argument;
    double shifted = x + 5.5;
    shifted -= (x + 0.5) * std::log(shifted);
    double series = 1.000000000190015, y = x;
    for (const double c : coefficients) {
        y += 1.0;
        series += c / y;
    }
    return to_float(-shifted + std::log(2.5066282746310005 * series / x));
}

}  // namespace

Stream Stream::from_user_seed(std::int64_t seed) {
    if (seed < -modulus || seed > modulus) {
        throw InputError("seed: found " + std::to_string(seed) + ", expected a whole number from -2147483647 to " +
                         "2147483647");
    }
    return Stream{-seed};
}

RandomTable::RandomTable(const State& state) : state_(state) {
    for (const std::int64_t number : state) {
        if (number < 0 || number > modulus) {
            throw InputError("random state: found " + std::to_string(number) +
                             ", expected whole numbers from 0 to 2147483647");
        }
    }
}

void RandomTable::fill(Stream& stream) {
    stream.seed = stream.seed < 0 ? -stream.seed : 1;
    constexpr std::size_t discarded = 8;
    for (std::size_t j = entries + discarded; j-- > 0;) {
        stream.seed = step(stream.seed);
        if (j < entries) state_[j] = stream.seed;
    }
    state_[entries] = state_[0];
}

float RandomTable::uniform(Stream& stream) {
    std::int64_t& output = state_[entries];
    if (stream.seed <= 0 || output == 0) fill(stream);
    stream.seed = step(stream.seed);
    constexpr std::int64_t divisor = 1 + (modulus - 1) / static_cast<std::int64_t>(entries);
    std::int64_t& entry = state_[static_cast<std::size_t>(output / divisor)];
    output = entry;
    entry = stream.seed;
    constexpr double largest = 1.0 - 1.2e-7;
    const float value = to_float(1.0 / static_cast<double>(modulus) * static_cast<double>(output));
    return static_cast<double>(value) > largest ? to_float(largest) : value;
}

void random_rotation(float spread, Stream& stream, RandomTable& table, double matrix[9]) {
    double r[3];
    for (double& value : r) value = 2.0 * table.uniform(stream) - 1.0;
    const double radius = std::sqrt(1.0 - r[1] * r[1]);
    const double x = radius * std::sin(pi * r[0]), y = radius * std::cos(pi * r[0]), z = r[1];
    const double angle = spread * std::pow(to_float(1.0 - r[2] * r[2]), to_float(1.0 / 3.0));

    const double c = std::cos(angle), s = std::sin(angle), versine = 1.0 - c;
    const double vx = versine * x, xy = vx * y, xz = vx * z, yz = versine * y * z;
    matrix[0] = c + versine * (x * x);
    matrix[1] = xy - s * z;
    matrix[2] = xz + s * y;
    matrix[3] = xy + s * z;
    matrix[4] = c + versine * (y * y);
    matrix[5] = yz - s * x;
    matrix[6] = xz - s * y;
    matrix[7] = yz + s * x;
    matrix[8] = c + versine * (z * z);
}

void mosaic_rotations(float spread, std::size_t count, Stream& stream, RandomTable& table, double* matrices) {
    for (std::size_t i = 0; i < count; ++i) random_rotation(spread, stream, table, matrices + 9 * i);
    for (std::size_t j = 0; count > 0 && j < 9; ++j) matrices[j] = j % 4 == 0 ? 1.0 : 0.0;
}

std::array<double, 3> rotation_angles(const double matrix[9]) {
    double u[9];
    for (int row = 0; row < 3; ++row) {
        const double* m = matrix + 3 * row;
        const double norm = std::sqrt(m[0] * m[0] + m[1] * m[1] + m[2] * m[2]);
        for (int column = 0; column < 3; ++column) u[3 * row + column] = norm > 0.0 ? m[column] / norm : m[column];
    }
    if (u[6] * u[6] < 1.0) {
        return {std::atan2(u[7], u[8]), std::atan2(-u[6], std::sqrt(u[7] * u[7] + u[8] * u[8])),
                std::atan2(u[3], u[0])};
    }
    // x turns into -z or z: only the sum or the difference of the other two angles is defined.
    return {0.0, u[6] < 0.0 ? pi / 2.0 : -pi / 2.0, std::atan2(-u[1], u[4])};
}

float ReferencePoisson::draw(float mean) {
    if (mean > 1e6F) return to_float(mean + std::sqrt(static_cast<double>(mean)) * gaussian());
    return mean < 12.0F ? multiply(mean) : reject(mean);
}

float ReferencePoisson::multiply(float mean) {
    const float first = uniform();
    // exp(-m) >= 1 - m, by more than rounding takes away: faint pixels need no exponential.
    if (mean >= 0.0F && static_cast<double>(first) < 1.0 - static_cast<double>(mean) - 2e-7) {
        if (mean_ == -1.0F) forget_first();
        return 0.0F;
    }
    if (mean != mean_) {
        mean_ = mean;
        exponent_ = to_float(std::exp(-static_cast<double>(mean)));
    }
    float count = 0.0F;
    for (float product = first; product > exponent_; product *= uniform()) count += 1.0F;
    return count;
}

// ln of the gamma function at count + 1.
float ReferencePoisson::log_factorial(float count) {
    constexpr std::size_t size = 1 << 16;
    if (!(count < static_cast<float>(size))) return log_gamma(to_float(count + 1.0));
    if (log_factorials_.empty()) log_factorials_.assign(size, std::numeric_limits<float>::quiet_NaN());
    float& known = log_factorials_[static_cast<std::size_t>(count)];
    if (known != known) known = log_gamma(to_float(count + 1.0));
    return known;
}

float ReferencePoisson::reject(float mean) {
    if (mean != mean_) {
        mean_ = mean;
        width_ = to_float(std::sqrt(2.0 * mean));
        log_mean_ = to_float(std::log(static_cast<double>(mean)));
        exponent_ = mean * log_mean_ - log_gamma(to_float(mean + 1.0));
    }
    float count, y, acceptance;
    do {
        do {
            y = to_float(std::tan(pi * uniform()));
            count = width_ * y + mean;
        } while (count < 0.0F);
        count = std::floor(count);
        const float exponent = count * log_mean_ - log_factorial(count) - exponent_;
        acceptance = to_float(0.9 * (1.0 + y * y) * std::exp(static_cast<double>(exponent)));
    } while (uniform() > acceptance);
    return count;
}

float ReferencePoisson::gaussian(Stream& other) {
    if (spare_ready_) {
        spare_ready_ = false;
        return spare_;
    }
    float v1, v2, square;
    do {
        v1 = to_float(2.0 * table_.uniform(other) - 1.0);
        v2 = to_float(2.0 * table_.uniform(other) - 1.0);
        square = v1 * v1 + v2 * v2;
    } while (square >= 1.0F || square == 0.0F);
    const float factor = to_float(std::sqrt(-2.0 * std::log(static_cast<double>(square)) / square));
    spare_ = v1 * factor;
    spare_ready_ = true;
    return v2 * factor;
}

template <class Pixel>
NoiseCounts noise_image_exact(const float* image, const Frame& frame, double adc_offset, Stream stream,
                              RandomTable& table, Pixel* out, double gain) {
    std::fill_n(out, frame.pixels(), Pixel{0});
    ReferencePoisson poisson_deviate(stream, table);
    NoiseCounts counts;
    for (const FrameRow& row : frame.rows()) {
        for (std::size_t pixel = row.start + row.begin; pixel < row.start + row.end; ++pixel) {
            const double deviate = poisson_deviate.draw(image[pixel]);
            counts.photons += deviate;
            const double value = deviate * gain + adc_offset;
            counts.overloads += value > largest_pixel(Pixel{});
            out[pixel] = pixel_of<Pixel>(value);
        }
    }
    return counts;
}

template NoiseCounts noise_image_exact(const float*, const Frame&, double, Stream, RandomTable&, std::uint16_t*,
                                       double);
template NoiseCounts noise_image_exact(const float*, const Frame&, double, Stream, RandomTable&, std::int32_t*, double);

}  // namespace nanobragg
