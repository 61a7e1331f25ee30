// Counter-based random numbers and Poisson deviates: the fast generator of noise images (specs/random.md).
//
// A pixel's deviate is a function of (seed, pixel index, mean) and of nothing else, so that the image does not depend
// on the number of threads, the order of the pixels or the machine that takes them. Plain functions without tables or
// state, for the CPU and, compiled by nvcc, for the GPU. Sums, products, quotients, square roots and floor only, all of
// which IEEE 754 rounds in one way: every compiler that leaves contraction alone (-ffp-contract=off, nvcc -fmad=false)
// gets the same bits.
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

/// Words in 64 bits each, the upper halves 0: a vector unit multiplies lanes of 64 bits without shuffling them.
struct WideWords {
    std::uint64_t w[4];
};

NANOBRAGG_HD inline WideWords philox_round(const WideWords& c, std::uint32_t key0, std::uint32_t key1) {
    constexpr std::uint64_t low_half = 0xFFFFFFFFu;
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * static_cast<std::uint32_t>(c.w[0]);
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * static_cast<std::uint32_t>(c.w[2]);
    return WideWords{
        {(product1 >> 32) ^ c.w[1] ^ key0, product1 & low_half, (product0 >> 32) ^ c.w[3] ^ key1, product0 & low_half}};
}

/// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11). The rounds are
/// written out: compilers do not vectorise a loop around a loop.
NANOBRAGG_HD inline WideWords philox(const WideWords& counter, std::uint64_t key) {
    constexpr std::uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;
    const auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
    WideWords c = philox_round(counter, key0, key1);
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

NANOBRAGG_HD inline Words philox(const Words& counter, std::uint64_t key) {
    const WideWords c = philox(WideWords{{counter.w[0], counter.w[1], counter.w[2], counter.w[3]}}, key);
    return Words{{static_cast<std::uint32_t>(c.w[0]), static_cast<std::uint32_t>(c.w[1]),
                  static_cast<std::uint32_t>(c.w[2]), static_cast<std::uint32_t>(c.w[3])}};
}

/// The key of a stream of its own, for one stage of a measurement of one shot on one panel: to be taken for a seed. The
/// fourth word of the counter is the stage, from 2 on: noise images by the seed itself have 0 and 1 there.
NANOBRAGG_HD inline std::uint64_t stream_key(std::uint64_t seed, std::uint64_t shot, std::uint32_t stage,
                                             std::uint32_t panel) {
    const Words words =
        philox(Words{{static_cast<std::uint32_t>(shot), static_cast<std::uint32_t>(shot >> 32), panel, stage}}, seed);
    return std::uint64_t{words.w[0]} | std::uint64_t{words.w[1]} << 32;
}

/// A uniform deviate in the open interval (0, 1): the middle of one of 2^52 equal cells, exact in double.
NANOBRAGG_HD inline double open_uniform(std::uint64_t high, std::uint64_t low) {
    const std::uint64_t cell = (high << 32 | low) >> 12;
    const std::uint64_t bits = cell | 0x3FF0000000000000u;  // as the fraction of a double in [1, 2)
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value - 1.0 + 1.1102230246251565e-16;  // 2^-53; both steps exact
}

/// First words of the pixels 2*pair and 2*pair + 1: most pixels need one deviate only, so two of them share a block.
NANOBRAGG_HD inline WideWords pair_words(std::uint64_t seed, std::uint64_t pair) {
    return philox(WideWords{{pair & 0xFFFFFFFFu, pair >> 32, 0u, 0u}}, seed);
}

/// Further words of one pixel: its block number `block`.
NANOBRAGG_HD inline WideWords pixel_words(std::uint64_t seed, std::uint64_t pixel, std::uint32_t block) {
    return philox(WideWords{{pixel & 0xFFFFFFFFu, pixel >> 32, block, 1u}}, seed);
}

/// The uniform deviates of one pixel (index in the image, fast axis fastest): the first from the words that it shares
/// with its neighbour, the others from blocks of its own.
class PixelStream {
  public:
    NANOBRAGG_HD PixelStream(std::uint64_t seed, std::uint64_t pixel) : seed_(seed), pixel_(pixel) {
        const WideWords shared = pair_words(seed, pixel >> 1);
        ready_[0] = (pixel & 1u) != 0 ? open_uniform(shared.w[2], shared.w[3]) : open_uniform(shared.w[0], shared.w[1]);
    }

    NANOBRAGG_HD double uniform() {
        if (left_ == 0) refill();
        return ready_[--left_];
    }

  private:
    NANOBRAGG_HD void refill() {
        const WideWords words = pixel_words(seed_, pixel_, block_++);
        ready_[0] = open_uniform(words.w[0], words.w[1]);
        ready_[1] = open_uniform(words.w[2], words.w[3]);
        left_ = 2;
    }

    std::uint64_t seed_, pixel_;
    double ready_[2] = {0.0, 0.0};
    std::uint32_t block_ = 0;
    int left_ = 1;
};

/// Means below this are drawn by inversion, others by rejection.
constexpr double small_mean_limit = 10.0;
/// Above every finite float; means beyond it are not drawn.
constexpr double largest_mean = 3.5e38;
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

/// 2 atanh(s) - 2 s for |s| < 0.18, to 1e-16 of 2 atanh(s): Taylor's series.
NANOBRAGG_HD inline double atanh_excess(double s) {
    const double z = s * s;
    double p = 2.0 / 23.0;
    p = p * z + 2.0 / 21.0;
    p = p * z + 2.0 / 19.0;
    p = p * z + 2.0 / 17.0;
    p = p * z + 2.0 / 15.0;
    p = p * z + 2.0 / 13.0;
    p = p * z + 2.0 / 11.0;
    p = p * z + 2.0 / 9.0;
    p = p * z + 2.0 / 7.0;
    p = p * z + 2.0 / 5.0;
    p = p * z + 2.0 / 3.0;
    return p * z * s;
}

/// ln(x) of a normal positive number, to 3e-16 relative or absolute, whichever is larger.
NANOBRAGG_HD inline double natural_log(double x) {
    constexpr std::uint64_t root_half = 0x3FE6A09E667F3BCDu;  // the fraction is in [sqrt(1/2), sqrt(2))
    constexpr double ln2_high = 0.6931471803691238, ln2_low = 1.9082149292705877e-10;
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint64_t steps = bits - root_half + (std::uint64_t{1024} << 52);
    const std::uint64_t fraction_bits = bits - (((steps >> 52) - 1024) << 52);
    const std::uint64_t exponent_bits = steps >> 52 | 0x4330000000000000u;  // 2^52 + 1024 + exponent
    double fraction, exponent;
    std::memcpy(&fraction, &fraction_bits, sizeof fraction);
    std::memcpy(&exponent, &exponent_bits, sizeof exponent);
    exponent -= 4503599627371520.0;
    const double s = (fraction - 1.0) / (fraction + 1.0);
    return exponent * ln2_high + (2.0 * s + (atanh_excess(s) + exponent * ln2_low));
}

/// Two independent deviates of mean 0 and rms 1.
struct NormalPair {
    double first, second;
};

/// From two uniform deviates (G. E. P. Box & M. E. Muller, Ann. Math. Stat. 29 (1958) 610-611). Sine and cosine are
/// Taylor's series on an eighth of a turn, to 3e-16.
NANOBRAGG_HD inline NormalPair normal_pair(double u, double v) {
    const double radius = std::sqrt(-2.0 * natural_log(u));
    const double quarter = std::floor(4.0 * v + 0.5);  // 0 ... 4
    const double x = (4.0 * v - quarter) * 1.5707963267948966, z = x * x;
    double c = 1.0 / 20922789888000.0;
    c = c * z - 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z - 0.5;
    c = c * z + 1.0;
    double s = -1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    s = s * z + 1.0;
    s *= x;
    const bool one = quarter == 1.0, two = quarter == 2.0, three = quarter == 3.0;
    const double cosine = (one | three) ? s : c, sine = (one | three) ? c : s;
    return {radius * ((one | two) ? -cosine : cosine), radius * ((two | three) ? -sine : sine)};
}

/// The pair of normal deviates of the pixels 2*pair and 2*pair + 1.
NANOBRAGG_HD inline NormalPair pixel_normals(std::uint64_t key, std::uint64_t pair) {
    const WideWords words = pair_words(key, pair);
    return normal_pair(open_uniform(words.w[0], words.w[1]), open_uniform(words.w[2], words.w[3]));
}

/// ln(1 + x) - x for x > -1, without cancellation where x is small.
NANOBRAGG_HD inline double log_defect(double x) {
    const double s = x / (2.0 + x);
    const double near = atanh_excess(s) - x * s, far = natural_log(1.0 + x) - x;
    return ((x > -0.25) & (x < 0.4)) ? near : far;  // both, so that many are done at once
}

/// ln of the probability of a whole number `count` >= 10 under a mean >= 10: the saddle-point form (C. Loader, 2000),
/// in which the terms of the size of the mean are cancelled by hand, with Stirling's series for ln(count!).
NANOBRAGG_HD inline double poisson_log_probability_of_many(double count, double mean) {
    constexpr double two_pi = 6.283185307179586;
    const double inverse = 1.0 / count, square = inverse * inverse;
    const double series =
        inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))));
    return count * log_defect((mean - count) * inverse) - 0.5 * natural_log(two_pi * count) - series;
}

/// ln of the probability of a whole number `count` from 0 to 9 under a mean.
NANOBRAGG_HD inline double poisson_log_probability_of_few(double count, double mean) {
    double factorial = 1.0;  // times every whole number down from the count
    factorial *= count > 1.0 ? count : 1.0;
    factorial *= count - 1.0 > 1.0 ? count - 1.0 : 1.0;
    factorial *= count - 2.0 > 1.0 ? count - 2.0 : 1.0;
    factorial *= count - 3.0 > 1.0 ? count - 3.0 : 1.0;
    factorial *= count - 4.0 > 1.0 ? count - 4.0 : 1.0;
    factorial *= count - 5.0 > 1.0 ? count - 5.0 : 1.0;
    factorial *= count - 6.0 > 1.0 ? count - 6.0 : 1.0;
    factorial *= count - 7.0 > 1.0 ? count - 7.0 : 1.0;
    return count * natural_log(mean) - mean - natural_log(factorial);
}

/// ln of the probability of any whole number `count` >= 0 under a mean.
NANOBRAGG_HD inline double poisson_log_probability(double count, double mean) {
    return count >= 10.0 ? poisson_log_probability_of_many(count, mean) : poisson_log_probability_of_few(count, mean);
}

/// One attempt at a Poisson deviate of a mean of 10 or more by transformed rejection with squeeze (PTRS; W. Hoermann,
/// "The transformed rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12,
/// 1993, 39-45), from the uniform deviates `first` and `second`.
struct Attempt {
    double count;
    bool squeezed;  // accepted at once
    bool rejected;  // without a look at the probability

    NANOBRAGG_HD Attempt(double mean, double first, double second) {
        b_ = 0.931 + 2.53 * std::sqrt(mean);
        a_ = -0.059 + 0.02483 * b_;
        const double squeeze = 0.9277 - 3.6224 / (b_ - 2.0);
        const double u = first - 0.5;
        us_ = 0.5 - std::fabs(u);
        second_ = second;
        count = std::floor((2.0 * a_ / us_ + b_) * u + mean + 0.43);
        squeezed = (us_ >= 0.07) & (second <= squeeze);
        rejected = (count < 0.0) | ((us_ < 0.013) & (second > us_));
    }

    /// Else it is accepted if the ln of the count's probability is as large as this: the paper's v / alpha / (a / us^2
    /// + b), in one quotient.
    NANOBRAGG_HD double bound() const {
        const double inverse_alpha = 1.1239 + 1.1328 / (b_ - 3.4);
        return natural_log(second_ * inverse_alpha * (us_ * us_) / (a_ + b_ * (us_ * us_)));
    }

  private:
    double a_, b_, us_, second_;
};

/// Poisson deviate of a mean of 10 or more.
NANOBRAGG_HD inline double poisson_large(double mean, PixelStream& random) {
    for (;;) {
        const double first = random.uniform(), second = random.uniform();
        const Attempt attempt(mean, first, second);
        if (attempt.squeezed) return attempt.count;
        if (!attempt.rejected && attempt.bound() <= poisson_log_probability(attempt.count, mean)) return attempt.count;
    }
}

/// Poisson deviate of any mean, a whole number. 0 for a mean <= 0, the mean itself when it is NaN or infinite.
/// Exact in law to 1e-13 in probability; above 2^53 double has no other whole numbers.
NANOBRAGG_HD inline double poisson(double mean, PixelStream& random) {
    if (mean <= 0.0) return 0.0;
    if (mean < small_mean_limit) return poisson_small(mean, random.uniform());
    if (mean <= largest_mean) return poisson_large(mean, random);
    return mean;
}

/// The deviate of one pixel: a function of its arguments only.
NANOBRAGG_HD inline double pixel_poisson(double mean, std::uint64_t seed, std::uint64_t pixel) {
    PixelStream random(seed, pixel);
    return poisson(mean, random);
}

/// The largest count of a pixel: the original's 16 bits, or what a signed 32-bit integer holds.
NANOBRAGG_HD constexpr double largest_pixel(std::uint16_t /*unused*/) { return 65535.0; }
NANOBRAGG_HD constexpr double largest_pixel(std::int32_t /*unused*/) { return 2147483647.0; }
/// That of photons which are counted only later is the largest float.
NANOBRAGG_HD constexpr double largest_pixel(float /*unused*/) { return 3.4028234663852886e38; }

/// The whole number of `value`: truncated, 2^31 - 1 above that, and 0 for NaN and what is below -2^31.
NANOBRAGG_HD inline std::int32_t truncated(double value) {
    if (value > 2147483647.0) return 2147483647;
    return value > -2147483649.0 ? static_cast<std::int32_t>(value) : 0;
}

/// The pixel of `value`. One of 16 bits is as nanoBragg.c compiled for x86-64 makes it: above 65535 an overload (the
/// caller's test) and 65535; otherwise truncated to a 32-bit integer of which the low 16 bits are kept, so that
/// negative values wrap around; NaN and what does not fit in 32 bits is 0.
template <class Pixel>
NANOBRAGG_HD inline Pixel pixel_of(double value) {
    if (value > largest_pixel(Pixel{})) return static_cast<Pixel>(largest_pixel(Pixel{}));
    return static_cast<Pixel>(truncated(value));
}

/// Photons that are counted later; NaN is 0.
template <>
NANOBRAGG_HD inline float pixel_of<float>(double value) {
    if (value > largest_pixel(0.0F)) return static_cast<float>(largest_pixel(0.0F));
    return value == value ? static_cast<float>(value) : 0.0F;
}

}  // namespace nanobragg
