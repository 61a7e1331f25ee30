// Photon noise by the counter-based generator of philox.hpp, for the vector units. Compiled without contraction, like
// the GPU's: the same bits everywhere.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "nanobragg/random.hpp"
#include "nanobragg/threads.hpp"
#include "physics/philox.hpp"
#include "targets.hpp"

namespace nanobragg {
namespace {

// Neighbouring pixels that are drawn together: so many that those of them which need another step fill vectors as well.
constexpr std::size_t batch = 512;
// Neighbours among them that are looked at first: often none of them has a photon, or none a large mean.
constexpr std::size_t block = 64;
using Lanes = double[batch];
using List = std::uint32_t[batch];

struct Pixels {
    alignas(64) Lanes mean, uniform;
    alignas(64) Lanes count;  // below 0: left to the caller
};

// Attempts at the deviates of means from 10 on.
struct Attempts {
    alignas(64) List pixel;                   // in the batch
    alignas(64) Lanes mean, first, second;    // first and second: uniform deviates
    alignas(64) Lanes next;                   // the first one of another attempt
    alignas(64) Lanes count;                  // what is tried
    alignas(64) std::int64_t verdict[batch];  // of Verdict
};

// Those attempts of which the probability has to be known.
struct Open {
    alignas(64) List attempt;
    alignas(64) Lanes count, mean, first, second;
    alignas(64) Lanes bound, probability;  // ln of what is asked for and of what there is
};

// What a thread works with.
struct Bench {
    Pixels pixels;
    Attempts attempts;
    Open open;
};

enum Verdict : std::int64_t { kAccepted, kOpen, kRejected };

// Loops are over whole vectors: what stands behind the end of a list is computed for nothing.
constexpr std::size_t whole_vectors(std::size_t count) { return (count + 15) & ~std::size_t{15}; }

// The first uniform deviates of a block, whose first pixel is the even one of the pair `first`.
[[gnu::always_inline]] inline void first_uniforms(std::uint64_t seed, std::uint64_t first, double* uniform) {
    constexpr std::size_t pairs = block / 2;
    double even[pairs], odd[pairs];
    for (std::size_t i = 0; i < pairs; ++i) {
        const WideWords words = pair_words(seed, first + i);
        even[i] = open_uniform(words.w[0], words.w[1]);
        odd[i] = open_uniform(words.w[2], words.w[3]);
    }
    for (std::size_t i = 0; i < pairs; ++i) {
        uniform[2 * i] = even[i];
        uniform[2 * i + 1] = odd[i];
    }
}

// Deviates of a block's means below 10 from their uniform deviates (of the others: 0), as poisson_small() has them.
[[gnu::always_inline]] inline void draw_small(const double* means, const double* uniform, double* count) {
    double u[block], probability[block], mean[block];
    for (std::size_t i = 0; i < block; ++i) {
        const double small = means[i] < small_mean_limit ? means[i] : 0.0;
        mean[i] = small > 0.0 ? small : 0.0;
        probability[i] = exp_minus(mean[i]);
        u[i] = uniform[i];
        count[i] = 0.0;
    }
    std::uint64_t active = 1;
    for (double next = 1.0; active > 0; next += 1.0) {
        active = 0;
        const double inverse = 1.0 / next;
        for (std::size_t i = 0; i < block; ++i) {
            const double largest = probability[i] > smallest_remainder ? probability[i] : smallest_remainder;
            const double rest = u[i] - probability[i];
            const bool more = u[i] > largest;
            u[i] = more ? rest : 0.0;  // 0: done
            count[i] += more ? 1.0 : 0.0;
            active += more ? std::uint64_t{1} : std::uint64_t{0};
            probability[i] *= mean[i] * inverse;
        }
    }
}

// The deviates of a block, but for those of large means. Returns how many these are.
[[gnu::always_inline]] inline std::uint64_t draw_block(const double* mean, const double* uniform, double* count) {
    // exp(-m) >= 1 - m: where u + m <= 1 the count is 0.
    std::uint64_t zero = 0, large = 0, others = 0;
    for (std::size_t i = 0; i < block; ++i) {
        zero += uniform[i] + mean[i] <= 1.0 - 1e-12 ? std::uint64_t{1} : std::uint64_t{0};
        large += mean[i] >= small_mean_limit ? std::uint64_t{1} : std::uint64_t{0};
        others += mean[i] <= largest_mean ? std::uint64_t{0} : std::uint64_t{1};
    }
    if (zero + large < block) {
        draw_small(mean, uniform, count);
    } else {
        for (std::size_t i = 0; i < block; ++i) count[i] = 0.0;
    }
    if (others > 0) {
        for (std::size_t i = 0; i < block; ++i) count[i] = mean[i] <= largest_mean ? count[i] : -1.0;
    }
    return large;
}

// What attempt `number` at the first `count` pixels of the list gives, where that does not take a probability.
[[gnu::always_inline]] inline void attempt(std::uint64_t seed, std::uint64_t first, std::uint32_t number,
                                           std::size_t count, Attempts& now) {
    const std::size_t end = whole_vectors(count);
    for (std::size_t k = 0; k < end; ++k) {
        const WideWords words = pixel_words(seed, first + now.pixel[k], number);
        now.second[k] = open_uniform(words.w[2], words.w[3]);
        now.next[k] = open_uniform(words.w[0], words.w[1]);
    }
    for (std::size_t k = 0; k < end; ++k) {
        const Attempt one(now.mean[k], now.first[k], now.second[k]);
        now.count[k] = one.count;
        const std::int64_t open = one.rejected ? kRejected : kOpen;
        now.verdict[k] = one.squeezed ? kAccepted : open;
    }
}

// Bounds and probabilities of the attempts that are open. In several loops, and in functions of their own: else
// compilers make branches of comparisons.
[[gnu::always_inline]] inline void weigh_attempts(std::size_t count, Open& open) {
    const std::size_t end = whole_vectors(count);
    std::uint64_t few = 0;
    for (std::size_t j = 0; j < end; ++j) few += open.count[j] < 10.0 ? std::uint64_t{1} : std::uint64_t{0};
    for (std::size_t j = 0; j < end; ++j) {
        open.bound[j] = Attempt(open.mean[j], open.first[j], open.second[j]).bound();
    }
    for (std::size_t j = 0; j < end; ++j) {
        const double many = open.count[j] >= 10.0 ? open.count[j] : 10.0;
        open.probability[j] = poisson_log_probability_of_many(many, open.mean[j]);
    }
    if (few == 0) return;
    double probability[batch];
    for (std::size_t j = 0; j < end; ++j) {
        probability[j] = poisson_log_probability_of_few(open.count[j], open.mean[j]);
    }
    for (std::size_t j = 0; j < end; ++j) {
        open.probability[j] = open.count[j] < 10.0 ? probability[j] : open.probability[j];
    }
}

// Photons of a run of pixels as numbers of the image, and their sums. Returns how many are left to the caller.
template <class Pixel>
[[gnu::always_inline]] inline std::uint64_t store(const double* count, std::size_t size, double adc_offset,
                                                  NoiseCounts& sums, Pixel* out) {
    // Whole numbers: up to 2^53 the order of the additions does not matter.
    double photons[8] = {};
    std::uint64_t left = 0, overloads = 0, none = 0;
    for (std::size_t i = 0; i < size; ++i) none += count[i] == 0.0 ? std::uint64_t{1} : std::uint64_t{0};
    if (none == size) {
        std::fill_n(out, size, static_cast<Pixel>(adc_offset));
        return 0;
    }
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        for (std::size_t j = 0; j < 8; ++j) photons[j] += count[i + j] >= 0.0 ? count[i + j] : 0.0;
    }
    for (std::size_t i = size & ~std::size_t{7}; i < size; ++i) photons[0] += count[i] >= 0.0 ? count[i] : 0.0;
    for (std::size_t i = 0; i < size; ++i) {
        left += count[i] >= 0.0 ? std::uint64_t{0} : std::uint64_t{1};
        const double value = count[i] + adc_offset;
        overloads += value > largest_pixel(Pixel{}) ? std::uint64_t{1} : std::uint64_t{0};
        const double kept = value > largest_pixel(Pixel{}) ? largest_pixel(Pixel{}) : value;
        if constexpr (std::is_same_v<Pixel, float>) {
            out[i] = static_cast<float>(kept);
        } else {
            out[i] = static_cast<Pixel>(static_cast<std::int32_t>(kept));
        }
    }
    for (const double each : photons) sums.photons += each;
    sums.overloads += static_cast<std::int64_t>(overloads);
    return left;
}

// The deviates of whole blocks, but for those of large means. Returns how many these are.
[[gnu::always_inline]] inline std::uint64_t draw_blocks(std::uint64_t seed, std::uint64_t first, std::size_t size,
                                                        Pixels& pixels) {
    std::uint64_t large = 0;
    for (std::size_t at = 0; at < size; at += block) {
        first_uniforms(seed, (first + at) / 2, pixels.uniform + at);
        large += draw_block(pixels.mean + at, pixels.uniform + at, pixels.count + at);
    }
    return large;
}

// Several widths of vector (targets.hpp).
struct Passes {
    std::uint64_t (*blocks)(std::uint64_t, std::uint64_t, std::size_t, Pixels&);
    void (*attempt)(std::uint64_t, std::uint64_t, std::uint32_t, std::size_t, Attempts&);
    void (*weigh)(std::size_t, Open&);
};

template <class Pixel>
using Store = std::uint64_t (*)(const double*, std::size_t, double, NoiseCounts&, Pixel*);

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute may not stand in parentheses
#define NANOBRAGG_PASSES(suffix, attribute)                                                                           \
    attribute std::uint64_t blocks_##suffix(std::uint64_t seed, std::uint64_t first, std::size_t size,                \
                                            Pixels& pixels) {                                                         \
        return draw_blocks(seed, first, size, pixels);                                                                \
    }                                                                                                                 \
    attribute void attempt_##suffix(std::uint64_t seed, std::uint64_t first, std::uint32_t number, std::size_t count, \
                                    Attempts& now) {                                                                  \
        attempt(seed, first, number, count, now);                                                                     \
    }                                                                                                                 \
    attribute void weigh_##suffix(std::size_t count, Open& open) { weigh_attempts(count, open); }                     \
    template <class Pixel>                                                                                            \
    attribute std::uint64_t store_##suffix(const double* count, std::size_t size, double offset, NoiseCounts& sums,   \
                                           Pixel* out) {                                                              \
        return store(count, size, offset, sums, out);                                                                 \
    }
// NOLINTEND(bugprone-macro-parentheses)

NANOBRAGG_PASSES(baseline, )
NANOBRAGG_PASSES(avx2, NANOBRAGG_AVX2)
NANOBRAGG_PASSES(avx512, NANOBRAGG_AVX512)

Passes choose_passes() {
    return version_of_run<Passes>({blocks_baseline, attempt_baseline, weigh_baseline},
                                  {blocks_avx2, attempt_avx2, weigh_avx2},
                                  {blocks_avx512, attempt_avx512, weigh_avx512});
}

template <class Pixel>
Store<Pixel> choose_store() {
    return version_of_run<Store<Pixel>>(store_baseline<Pixel>, store_avx2<Pixel>, store_avx512<Pixel>);
}

// The pixels of a batch with means from 10 on, put on the list. Returns how many they are.
std::size_t list_large(const Pixels& pixels, std::size_t size, Attempts& now) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; ++i) {
        now.pixel[count] = static_cast<std::uint32_t>(i);
        count += ((pixels.mean[i] >= small_mean_limit) & (pixels.mean[i] <= largest_mean)) ? 1 : 0;
    }
    for (std::size_t k = 0; k < count; ++k) {
        now.mean[k] = pixels.mean[now.pixel[k]];
        now.first[k] = pixels.uniform[now.pixel[k]];
    }
    return count;
}

// The attempts that are open, put on their list. Returns how many they are.
std::size_t list_open(const Attempts& now, std::size_t count, Open& open) {
    std::size_t left = 0;
    for (std::size_t k = 0; k < count; ++k) {
        open.attempt[left] = static_cast<std::uint32_t>(k);
        left += now.verdict[k] == kOpen ? 1 : 0;
    }
    for (std::size_t j = left; j < whole_vectors(left); ++j) open.attempt[j] = 0;
    for (std::size_t j = 0; j < whole_vectors(left); ++j) {
        const std::uint32_t k = open.attempt[j];
        open.count[j] = now.count[k];
        open.mean[j] = now.mean[k];
        open.first[j] = now.first[k];
        open.second[j] = now.second[k];
    }
    return left;
}

// Deviates of the batch's means from 10 on, as poisson_large() has them: attempt after attempt at those that are left.
void draw_large(const Passes& passes, std::uint64_t seed, std::uint64_t first, std::size_t size, Bench& bench) {
    Pixels& pixels = bench.pixels;
    Attempts& now = bench.attempts;
    Open& open = bench.open;
    std::size_t count = list_large(pixels, size, now);
    for (std::uint32_t number = 0; count > 0; ++number) {
        for (std::size_t k = count; k < whole_vectors(count); ++k) {
            now.pixel[k] = 0;
            now.mean[k] = small_mean_limit;
            now.first[k] = 0.5;
        }
        passes.attempt(seed, first, number, count, now);
        const std::size_t undecided = list_open(now, count, open);
        passes.weigh(undecided, open);
        for (std::size_t j = 0; j < undecided; ++j) {
            now.verdict[open.attempt[j]] = open.bound[j] <= open.probability[j] ? kAccepted : kRejected;
        }
        std::size_t left = 0;
        for (std::size_t k = 0; k < count; ++k) {  // what is rejected is tried again, and stored over
            pixels.count[now.pixel[k]] = now.count[k];
            now.pixel[left] = now.pixel[k];
            now.mean[left] = now.mean[k];
            now.first[left] = now.next[k];
            left += now.verdict[k] == kRejected ? 1 : 0;
        }
        count = left;
    }
}

// A batch, or a part of one, whose pixels begin with number `first` of the image; the deviates are in the bench.
void draw_batch(const Passes& passes, const float* image, std::uint64_t seed, std::uint64_t first, std::size_t size,
                Bench& bench) {
    Pixels& pixels = bench.pixels;
    const std::size_t whole = (size + block - 1) / block * block;
    for (std::size_t i = 0; i < size; ++i) pixels.mean[i] = static_cast<double>(image[i]);
    for (std::size_t i = size; i < whole; ++i) pixels.mean[i] = 0.0;
    constexpr std::uint64_t worthwhile = 16;  // else pixels are drawn one by one
    const std::uint64_t large = passes.blocks(seed, first, whole, pixels);
    if (large >= worthwhile) {
        draw_large(passes, seed, first, size, bench);
    } else if (large > 0) {
        for (std::size_t i = 0; i < size; ++i) {
            pixels.count[i] = pixels.mean[i] >= small_mean_limit ? -1.0 : pixels.count[i];
        }
    }
}

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
                         const Passes& passes, Store<Pixel> store, Bench& bench, Pixel* out) {
    NoiseCounts sums;
    if (!(adc_offset >= 0.0 && adc_offset < 60000.0)) {  // pixels may wrap around, or all overflow
        for (std::size_t i = begin; i < end; ++i) draw_pixel(image[i], seed, i, adc_offset, sums, out[i]);
        return sums;
    }
    if (begin % 2 == 1 && begin < end) {  // batches begin with a pair
        draw_pixel(image[begin], seed, begin, adc_offset, sums, out[begin]);
        ++begin;
    }
    while (begin < end) {
        const std::size_t size = std::min(batch, end - begin);
        draw_batch(passes, image + begin, seed, begin, size, bench);
        std::uint64_t left = store(bench.pixels.count, size, adc_offset, sums, out + begin);
        for (std::size_t i = 0; left > 0 && i < size; ++i) {
            if (bench.pixels.count[i] >= 0.0) continue;
            draw_pixel(image[begin + i], seed, begin + i, adc_offset, sums, out[begin + i]);
            --left;
        }
        begin += size;
    }
    return sums;
}

}  // namespace

template <class Pixel>
NoiseCounts noise_image_fast(const float* image, const Frame& frame, double adc_offset, std::uint64_t seed, int threads,
                             Pixel* out) {
    const std::vector<FrameRow> rows = frame.rows();
    const auto row_count = static_cast<std::int64_t>(rows.size());
    const Passes passes = choose_passes();
    const Store<Pixel> store = choose_store<Pixel>();
    // Summed in the order of the rows afterwards, for the same rounding every time.
    std::vector<NoiseCounts> counts(rows.size());
    const auto noise_of_row = [&](std::size_t number, Bench& bench) {
        const FrameRow& row = rows[number];
        Pixel* first = out + row.start;
        std::fill_n(first, row.begin, Pixel{0});
        std::fill(first + row.end, first + row.pixels, Pixel{0});
        counts[number] = noise_of_run(image, row.start + row.begin, row.start + row.end, adc_offset, seed, passes,
                                      store, bench, out);
    };
    constexpr std::size_t small = 1 << 16;  // pixels; fewer are drawn sooner than threads start
    const int team = frame.pixels() < small ? 1 : thread_count(threads);
#pragma omp parallel num_threads(team)
    {
        Bench bench;
#pragma omp for schedule(dynamic, 8)
        for (std::int64_t row = 0; row < row_count; ++row) noise_of_row(static_cast<std::size_t>(row), bench);
    }

    NoiseCounts total;
    for (const NoiseCounts& sums : counts) {
        total.photons += sums.photons;
        total.overloads += sums.overloads;
    }
    return total;
}

template NoiseCounts noise_image_fast(const float*, const Frame&, double, std::uint64_t, int, std::uint16_t*);
template NoiseCounts noise_image_fast(const float*, const Frame&, double, std::uint64_t, int, std::int32_t*);
template NoiseCounts noise_image_fast(const float*, const Frame&, double, std::uint64_t, int, float*);

}  // namespace nanobragg
