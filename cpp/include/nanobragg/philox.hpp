// Counter-based random numbers and Poisson deviates: the fast generator of noise images (specs/random.md).
//
// A pixel's deviate is a function of (seed, pixel index, mean) and of nothing else, so that the image does not depend
// on the number of threads, the order of the pixels or the machine that takes them. Plain functions without tables or
// state, for the CPU and, compiled by nvcc, for the GPU.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define NANOBRAGG_HD __host__ __device__
#else
#define NANOBRAGG_HD
#endif

namespace nanobragg {

/// Four random 32-bit words.
struct Words {
    std::uint32_t w[4];
};

NANOBRAGG_HD inline Words philox_round(Words c, std::uint32_t key0, std::uint32_t key1) {
    const std::uint64_t product0 = static_cast<std::uint64_t>(0xD2511F53u) * c.w[0];
    const std::uint64_t product1 = static_cast<std::uint64_t>(0xCD9E8D57u) * c.w[2];
    return Words{{static_cast<std::uint32_t>(product1 >> 32) ^ c.w[1] ^ key0, static_cast<std::uint32_t>(product1),
                  static_cast<std::uint32_t>(product0 >> 32) ^ c.w[3] ^ key1, static_cast<std::uint32_t>(product0)}};
}

/// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11). The rounds are
/// written out: compilers do not vectorise a loop around a loop.
NANOBRAGG_HD inline Words philox(Words counter, std::uint64_t key) {
    constexpr std::uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;
    const auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
    Words c = philox_round(counter, key0, key1);
    c = philox_round(c, key0 + 1 * weyl0, key1 + 1 * weyl1);
    c = philox_round(c, key0 + 2 * weyl0, key1 + 2 * weyl1);
    c = philox_round(c, key0 + 3 * weyl0, key1 + 3 * weyl1);
    c = philox_round(c, key0 + 4 * weyl0, key1 + 4 * weyl1);
    c = philox_round(c, key0 + 5 * weyl0, key1 + 5 * weyl1);
    c = philox_round(c, key0 + 6 * weyl0, key1 + 6 * weyl1);
    c = philox_round(c, key0 + 7 * weyl0, key1 + 7 * weyl1);
    c = philox_round(c, key0 + 8 * weyl0, key1 + 8 * weyl1);
    return philox_round(c, key0 + 9 * weyl0, key1 + 9 * weyl1);
}

/// A uniform deviate in the open interval (0, 1): the middle of one of 2^52 equal cells, exact in double.
NANOBRAGG_HD inline double open_uniform(std::uint32_t high, std::uint32_t low) {
    const std::uint64_t cell = (static_cast<std::uint64_t>(high) << 32 | low) >> 12;
    const std::uint64_t bits = cell | 0x3FF0000000000000u;  // as the fraction of a double in [1, 2)
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value - 1.0 + 1.1102230246251565e-16;  // 2^-53; both steps exact
}

/// First words of the pixels 2*pair and 2*pair + 1: most pixels need one deviate only, so two of them share a block.
NANOBRAGG_HD inline Words pair_words(std::uint64_t seed, std::uint64_t pair) {
    return philox(Words{{static_cast<std::uint32_t>(pair), static_cast<std::uint32_t>(pair >> 32), 0u, 0u}}, seed);
}

/// The uniform deviates of one pixel (index in the image, fast axis fastest): the first from the words that it shares
/// with its neighbour, the others from blocks of its own.
class PixelStream {
  public:
    NANOBRAGG_HD PixelStream(std::uint64_t seed, std::uint64_t pixel)
        : PixelStream(seed, pixel, pair_words(seed, pixel >> 1)) {}

    /// The same, with the `pair_words` of pixel/2 at hand.
    NANOBRAGG_HD PixelStream(std::uint64_t seed, std::uint64_t pixel, const Words& shared)
        : seed_(seed),
          pixel_(pixel),
          ready_{(pixel & 1u) != 0 ? open_uniform(shared.w[2], shared.w[3]) : open_uniform(shared.w[0], shared.w[1]),
                 0.0} {}

    NANOBRAGG_HD double uniform() {
        if (left_ == 0) refill();
        return ready_[--left_];
    }

  private:
    NANOBRAGG_HD void refill() {
        const auto low = static_cast<std::uint32_t>(pixel_), high = static_cast<std::uint32_t>(pixel_ >> 32);
        const Words words = philox(Words{{low, high, block_++, 1u}}, seed_);
        ready_[0] = open_uniform(words.w[0], words.w[1]);
        ready_[1] = open_uniform(words.w[2], words.w[3]);
        left_ = 2;
    }

    std::uint64_t seed_, pixel_;
    double ready_[2];
    std::uint32_t block_ = 0;
    int left_ = 1;
};

/// Means below this are drawn by inversion, others by rejection.
constexpr double small_mean_limit = 10.0;
/// The inversion takes what is left of a uniform deviate up to this (2^-44) for rounding: more than the probabilities
/// can fall short of 1, so that the search ends.
constexpr double smallest_remainder = 5.684341886080802e-14;

/// exp(-x) for 0 <= x < 10 to 1e-14 relative: Taylor's series of exp(-x/32), squared five times. Sums and products
/// only, so that a compiler can do many at once and every machine gets the same bits.
NANOBRAGG_HD inline double exp_minus(double x) {
    const double y = x * (-1.0 / 32.0);
    double e = 1.0 / 479001600.0;
    e = e * y + 1.0 / 39916800.0;
    e = e * y + 1.0 / 3628800.0;
    e = e * y + 1.0 / 362880.0;
    e = e * y + 1.0 / 40320.0;
    e = e * y + 1.0 / 5040.0;
    e = e * y + 1.0 / 720.0;
    e = e * y + 1.0 / 120.0;
    e = e * y + 1.0 / 24.0;
    e = e * y + 1.0 / 6.0;
    e = e * y + 0.5;
    e = e * y + 1.0;
    e = e * y + 1.0;
    e *= e;
    e *= e;
    e *= e;
    e *= e;
    return e * e;
}

/// Poisson deviate of a mean in [0, 10) from the uniform deviate `u`: inversion of the cumulative distribution by
/// sequential search.
NANOBRAGG_HD inline double poisson_small(double mean, double u) {
    double probability = exp_minus(mean), count = 0.0;
    while (u > probability && u > smallest_remainder) {
        u -= probability;
        count += 1.0;
        probability *= mean * (1.0 / count);
    }
    return count;
}

/// ln of the probability of `count` (a whole number >= 0) under a mean >= 10. For large counts the terms of the size
/// of the mean are cancelled by hand and ln(count!) is Stirling's series (C. Loader, 2000: the saddle-point form).
NANOBRAGG_HD inline double poisson_log_probability(double count, double mean) {
    if (count < 10.0) {
        double factorial = 1.0;
        for (double factor = 2.0; factor <= count; factor += 1.0) factorial *= factor;
        return count * std::log(mean) - mean - std::log(factorial);
    }
    const double excess = mean - count, inverse = 1.0 / count, square = inverse * inverse;
    const double series =
        inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))));
    constexpr double two_pi = 6.283185307179586;
    return count * std::log1p(excess * inverse) - excess - 0.5 * std::log(two_pi * count) - series;
}

/// Poisson deviate of a mean of 10 or more: transformed rejection with squeeze (PTRS; W. Hoermann, "The transformed
/// rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12, 1993, 39-45).
NANOBRAGG_HD inline double poisson_large(double mean, PixelStream& random) {
    const double b = 0.931 + 2.53 * std::sqrt(mean);
    const double a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    const double squeeze = 0.9277 - 3.6224 / (b - 2.0);
    for (;;) {
        const double u = random.uniform() - 0.5;
        const double v = random.uniform();
        const double us = 0.5 - std::fabs(u);
        const double count = std::floor((2.0 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= squeeze) return count;
        if (count < 0.0 || (us < 0.013 && v > us)) continue;
        const double bound = std::log(v * inverse_alpha / (a / (us * us) + b));
        if (bound <= poisson_log_probability(count, mean)) return count;
    }
}

/// Poisson deviate of any mean, a whole number. 0 for a mean <= 0, the mean itself when it is NaN or infinite.
/// Exact in law to 1e-13 in probability; above 2^53 double has no other whole numbers.
NANOBRAGG_HD inline double poisson(double mean, PixelStream& random) {
    if (mean <= 0.0) return 0.0;
    if (mean < small_mean_limit) return poisson_small(mean, random.uniform());
    if (mean <= 3.5e38) return poisson_large(mean, random);  // every finite float
    return mean;
}

/// The deviate of one pixel: a function of its arguments only.
NANOBRAGG_HD inline double pixel_poisson(double mean, std::uint64_t seed, std::uint64_t pixel) {
    PixelStream random(seed, pixel);
    return poisson(mean, random);
}

/// The 16-bit pixel of `value`, as nanoBragg.c compiled for x86-64 makes it: above 65535 an overload (the caller's
/// test) and 65535; otherwise truncated to a 32-bit integer of which the low 16 bits are kept, so that negative values
/// wrap around; NaN and what does not fit in 32 bits is 0.
NANOBRAGG_HD inline std::uint16_t pixel_of(double value) {
    if (value > 65535.0) return 65535;
    if (!(value > -2147483649.0)) return 0;
    return static_cast<std::uint16_t>(static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
}

}  // namespace nanobragg
