// Compiled without contraction: which products are rounded to float decides bits of the result (specs/random.md).
#include "nanobragg/random.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/render.hpp"
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

// First and one-past-last index of an inclusive range clipped to [0, size).
struct Span {
    std::size_t begin, end;
};
Span clip(std::int64_t first, std::int64_t last, std::size_t size) {
    const auto limit = static_cast<std::int64_t>(size);
    const std::int64_t begin = std::clamp<std::int64_t>(first, 0, limit);
    const std::int64_t end = last >= limit ? limit : std::max(last + 1, begin);
    return {static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(end, begin))};
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
    const Span slow = clip(frame.slow_first, frame.slow_last, frame.slow);
    const Span fast = clip(frame.fast_first, frame.fast_last, frame.fast);
    ReferencePoisson poisson_deviate(stream, table);
    NoiseCounts counts;
    for (std::size_t panel = 0; panel < frame.panels; ++panel) {
        for (std::size_t s = slow.begin; s < slow.end; ++s) {
            const std::size_t row = (panel * frame.slow + s) * frame.fast;
            for (std::size_t f = fast.begin; f < fast.end; ++f) {
                const double deviate = poisson_deviate.draw(image[row + f]);
                counts.photons += deviate;
                const double value = deviate * gain + adc_offset;
                counts.overloads += value > largest_pixel(Pixel{});
                out[row + f] = pixel_of<Pixel>(value);
            }
        }
    }
    return counts;
}

template NoiseCounts noise_image_exact(const float*, const Frame&, double, Stream, RandomTable&, std::uint16_t*,
                                       double);
template NoiseCounts noise_image_exact(const float*, const Frame&, double, Stream, RandomTable&, std::int32_t*, double);

namespace {

// A batch of neighbouring pixels for the vector units: 32 pairs that share their random words, the even pixels first.
struct Batch {
    static constexpr std::size_t pairs = 32, pixels = 2 * pairs;

    static std::size_t lane(std::size_t pixel) { return (pixel & 1) * pairs + (pixel >> 1) % pairs; }

    double mean[pixels];
    double count[pixels];  // below 0: not drawn
};

// The first uniform deviates of the pixels of the pairs from `first` on.
[[gnu::always_inline]] inline void first_uniforms(std::uint64_t seed, std::uint64_t first, double* uniform) {
    for (std::size_t i = 0; i < Batch::pairs; ++i) {
        const WideWords words = pair_words(seed, first + i);
        uniform[i] = open_uniform(words.w[0], words.w[1]);
        uniform[Batch::pairs + i] = open_uniform(words.w[2], words.w[3]);
    }
}

// Deviates of the batch's means below 10 from their uniform deviates (of the others: 0), as poisson_small() has them.
[[gnu::always_inline]] inline void draw_small(const double* uniform, Batch& batch) {
    double u[Batch::pixels], probability[Batch::pixels], mean[Batch::pixels];
    for (std::size_t i = 0; i < Batch::pixels; ++i) {
        const double small = batch.mean[i] < small_mean_limit ? batch.mean[i] : 0.0;
        mean[i] = small > 0.0 ? small : 0.0;
        probability[i] = exp_minus(mean[i]);
        u[i] = uniform[i];
        batch.count[i] = 0.0;
    }
    std::uint64_t active = 1;
    for (double next = 1.0; active > 0; next += 1.0) {
        active = 0;
        const double inverse = 1.0 / next;
        for (std::size_t i = 0; i < Batch::pixels; ++i) {
            const double largest = probability[i] > smallest_remainder ? probability[i] : smallest_remainder;
            const double rest = u[i] - probability[i];
            const bool more = u[i] > largest;
            u[i] = more ? rest : 0.0;  // 0: done
            batch.count[i] += more ? 1.0 : 0.0;
            active += more ? std::uint64_t{1} : std::uint64_t{0};
            probability[i] *= mean[i] * inverse;
        }
    }
}

// Deviates of the batch's means from 10 on that the first attempt settles; -1 for the others of them.
[[gnu::always_inline]] inline void draw_large(std::uint64_t seed, std::uint64_t first_pair, const double* uniform,
                                              Batch& batch) {
    double second[Batch::pixels];
    for (std::size_t i = 0; i < Batch::pixels; ++i) {
        const std::uint64_t pixel = 2 * (first_pair + i % Batch::pairs) + i / Batch::pairs;
        const WideWords words = pixel_words(seed, pixel, 0);
        second[i] = open_uniform(words.w[2], words.w[3]);
    }
    for (std::size_t i = 0; i < Batch::pixels; ++i) {
        const bool large = batch.mean[i] >= small_mean_limit;
        const bool drawn = large & (batch.mean[i] <= largest_mean);
        const double mean = drawn ? batch.mean[i] : small_mean_limit;
        const Attempt attempt(mean, uniform[i], second[i]);
        const double many = attempt.count >= 10.0 ? attempt.count : 10.0;
        const bool likely = attempt.bound <= poisson_log_probability_of_many(many, mean);
        const bool accepted = attempt.squeezed | (!attempt.rejected & (attempt.count >= 10.0) & likely);
        const double count = (drawn & accepted) ? attempt.count : -1.0;
        batch.count[i] = large ? count : batch.count[i];
    }
}

// A whole batch from image to pixels. Returns how many pixels are left to the caller: their count in the batch is below
// 0, and they are not in the sums.
template <class Pixel>
[[gnu::always_inline]] inline std::uint64_t draw_batch(const float* image, std::uint64_t seed, std::uint64_t first_pair,
                                                       double adc_offset, Batch& batch, NoiseCounts& sums, Pixel* out) {
    double uniform[Batch::pixels];
    first_uniforms(seed, first_pair, uniform);
    for (std::size_t i = 0; i < Batch::pairs; ++i) {
        batch.mean[i] = static_cast<double>(image[2 * i]);
        batch.mean[Batch::pairs + i] = static_cast<double>(image[2 * i + 1]);
    }
    // exp(-m) >= 1 - m: where u + m <= 1 the count is 0, and mostly that is so for every pixel of a batch.
    std::uint64_t zero = 0, large = 0, others = 0;
    for (std::size_t i = 0; i < Batch::pixels; ++i) {
        zero += uniform[i] + batch.mean[i] <= 1.0 - 1e-12 ? std::uint64_t{1} : std::uint64_t{0};
        large += batch.mean[i] >= small_mean_limit ? std::uint64_t{1} : std::uint64_t{0};
        others += batch.mean[i] <= largest_mean ? std::uint64_t{0} : std::uint64_t{1};
    }
    if (zero == Batch::pixels) {
        const auto none = static_cast<Pixel>(adc_offset);
        for (std::size_t i = 0; i < Batch::pixels; ++i) out[i] = none;
        return 0;
    }
    draw_small(uniform, batch);
    constexpr std::uint64_t worthwhile = 6;
    if (large >= worthwhile) draw_large(seed, first_pair, uniform, batch);
    if (large + others > 0) {
        for (std::size_t i = 0; i < Batch::pixels; ++i) {
            const bool known =
                batch.mean[i] < small_mean_limit || (large >= worthwhile && batch.mean[i] <= largest_mean);
            batch.count[i] = known ? batch.count[i] : -1.0;
        }
    }
    double photons[Batch::pixels];
    std::uint64_t left = 0, overloads = 0;
    for (std::size_t i = 0; i < Batch::pixels; ++i) {
        const bool known = batch.count[i] >= 0.0;
        photons[i] = known ? batch.count[i] : 0.0;
        left += known ? std::uint64_t{0} : std::uint64_t{1};
        overloads += batch.count[i] + adc_offset > largest_pixel(Pixel{}) ? std::uint64_t{1} : std::uint64_t{0};
    }
    // Whole numbers: up to 2^53 the order of the additions does not matter.
    for (std::size_t half = Batch::pixels / 2; half >= 8; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) photons[i] += photons[half + i];
    }
    for (std::size_t i = 0; i < 8; ++i) sums.photons += photons[i];
    sums.overloads += static_cast<std::int64_t>(overloads);
    const auto pixel = [&](std::size_t lane) {
        const double value = batch.count[lane] + adc_offset;
        return static_cast<Pixel>(static_cast<std::int32_t>(std::min(value, largest_pixel(Pixel{}))));
    };
    for (std::size_t i = 0; i < Batch::pairs; ++i) {
        out[2 * i] = pixel(i);
        out[2 * i + 1] = pixel(Batch::pairs + i);
    }
    return left;
}

// The same code for several widths of vector, without fused operations: the same bits.
template <class Pixel>
using DrawBatch = std::uint64_t (*)(const float*, std::uint64_t, std::uint64_t, double, Batch&, NoiseCounts&, Pixel*);

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute may not stand in parentheses
#define NANOBRAGG_DRAW(suffix, attribute)                                                                         \
    template <class Pixel>                                                                                        \
    attribute std::uint64_t draw_batch_##suffix(const float* image, std::uint64_t seed, std::uint64_t first_pair, \
                                                double offset, Batch& batch, NoiseCounts& sums, Pixel* out) {     \
        return draw_batch(image, seed, first_pair, offset, batch, sums, out);                                     \
    }
// NOLINTEND(bugprone-macro-parentheses)

NANOBRAGG_DRAW(baseline, )
#if defined(__x86_64__) && defined(__GNUC__)
#if defined(__clang__)
#define NANOBRAGG_AVX512 "avx512f,avx512dq,avx512bw,avx512vl"
#else  // GCC prefers 256 bits unless told
#define NANOBRAGG_AVX512 "avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"
#endif
NANOBRAGG_DRAW(avx2, [[gnu::target("avx2")]])
NANOBRAGG_DRAW(avx512, [[gnu::target(NANOBRAGG_AVX512)]])

template <class Pixel>
DrawBatch<Pixel> choose_draw() {
    const std::string set = chosen_instruction_set();
    if (set == "avx512") return draw_batch_avx512<Pixel>;
    return set == "avx2" ? draw_batch_avx2<Pixel> : draw_batch_baseline<Pixel>;
}
#else
template <class Pixel>
DrawBatch<Pixel> choose_draw() {
    return draw_batch_baseline<Pixel>;
}
#endif

template <class Pixel>
void draw_pixel(float mean, std::uint64_t seed, std::size_t pixel, double adc_offset, NoiseCounts& sums, Pixel& out) {
    const double deviate = pixel_poisson(static_cast<double>(mean), seed, pixel);
    sums.photons += deviate;
    sums.overloads += deviate + adc_offset > largest_pixel(Pixel{});
    out = pixel_of<Pixel>(deviate + adc_offset);
}

// Pixels [begin, end) of a flat image.
template <class Pixel>
NoiseCounts noise_of_run(const float* image, std::size_t begin, std::size_t end, double adc_offset, std::uint64_t seed,
                         DrawBatch<Pixel> draw, Pixel* out) {
    NoiseCounts sums;
    if (!(adc_offset >= 0.0 && adc_offset < 60000.0)) {  // pixels may wrap around, or all overflow
        for (std::size_t i = begin; i < end; ++i) draw_pixel(image[i], seed, i, adc_offset, sums, out[i]);
        return sums;
    }
    Batch batch;
    while (begin < end) {
        const std::size_t start = begin - begin % Batch::pixels, stop = std::min(end, start + Batch::pixels);
        std::uint64_t left = 0;
        if (stop - begin == Batch::pixels) {
            left = draw(image + begin, seed, start / 2, adc_offset, batch, sums, out + begin);
        } else {  // the others of the batch have mean 0
            float means[Batch::pixels] = {};
            Pixel drawn[Batch::pixels];
            std::copy(image + begin, image + stop, means + (begin - start));
            left = draw(means, seed, start / 2, adc_offset, batch, sums, drawn);
            std::copy(drawn + (begin - start), drawn + (stop - start), out + begin);
        }
        for (std::size_t i = begin; left > 0 && i < stop; ++i) {
            if (batch.count[Batch::lane(i)] >= 0.0) continue;
            draw_pixel(image[i], seed, i, adc_offset, sums, out[i]);
            --left;
        }
        begin = stop;
    }
    return sums;
}

}  // namespace

template <class Pixel>
NoiseCounts noise_image_fast(const float* image, const Frame& frame, double adc_offset, std::uint64_t seed, int threads,
                             Pixel* out) {
    const Span slow = clip(frame.slow_first, frame.slow_last, frame.slow);
    const Span fast = clip(frame.fast_first, frame.fast_last, frame.fast);
    const std::size_t height = slow.end - slow.begin;
    const auto rows = static_cast<std::int64_t>(frame.panels * frame.slow);
    const DrawBatch<Pixel> draw = choose_draw<Pixel>();
    // Summed in the order of the rows afterwards, for the same rounding every time.
    std::vector<NoiseCounts> counts(static_cast<std::size_t>(rows));
    const auto noise_of_row = [&](std::size_t row) {
        const std::size_t first = row * frame.fast;
        if (row % frame.slow - slow.begin >= height) {
            std::fill_n(out + first, frame.fast, Pixel{0});
            return;
        }
        std::fill_n(out + first, fast.begin, Pixel{0});
        std::fill(out + first + fast.end, out + first + frame.fast, Pixel{0});
        counts[row] = noise_of_run(image, first + fast.begin, first + fast.end, adc_offset, seed, draw, out);
    };
    constexpr std::size_t small = 1 << 16;  // pixels; fewer are drawn sooner than threads start
    const int team = frame.pixels() < small ? 1 : thread_count(threads);
#pragma omp parallel for schedule(dynamic, 8) num_threads(team)
    for (std::int64_t row = 0; row < rows; ++row) noise_of_row(static_cast<std::size_t>(row));

    NoiseCounts total;
    for (const NoiseCounts& sums : counts) {
        total.photons += sums.photons;
        total.overloads += sums.overloads;
    }
    return total;
}

template NoiseCounts noise_image_fast(const float*, const Frame&, double, std::uint64_t, int, std::uint16_t*);
template NoiseCounts noise_image_fast(const float*, const Frame&, double, std::uint64_t, int, std::int32_t*);

}  // namespace nanobragg
