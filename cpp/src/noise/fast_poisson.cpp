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
        const double value = std::min(batch.count[lane] + adc_offset, largest_pixel(Pixel{}));
        if constexpr (std::is_same_v<Pixel, float>) {
            return static_cast<float>(value);
        } else {
            return static_cast<Pixel>(static_cast<std::int32_t>(value));
        }
    };
    for (std::size_t i = 0; i < Batch::pairs; ++i) {
        out[2 * i] = pixel(i);
        out[2 * i + 1] = pixel(Batch::pairs + i);
    }
    return left;
}

// Several widths of vector (targets.hpp).
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
NANOBRAGG_DRAW(avx2, NANOBRAGG_AVX2)
NANOBRAGG_DRAW(avx512, NANOBRAGG_AVX512)

template <class Pixel>
DrawBatch<Pixel> choose_draw() {
    return version_of_run<DrawBatch<Pixel>>(draw_batch_baseline<Pixel>, draw_batch_avx2<Pixel>,
                                            draw_batch_avx512<Pixel>);
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
    const std::vector<FrameRow> rows = frame.rows();
    const auto row_count = static_cast<std::int64_t>(rows.size());
    const DrawBatch<Pixel> draw = choose_draw<Pixel>();
    // Summed in the order of the rows afterwards, for the same rounding every time.
    std::vector<NoiseCounts> counts(rows.size());
    const auto noise_of_row = [&](std::size_t number) {
        const FrameRow& row = rows[number];
        Pixel* first = out + row.start;
        std::fill_n(first, row.begin, Pixel{0});
        std::fill(first + row.end, first + row.pixels, Pixel{0});
        counts[number] = noise_of_run(image, row.start + row.begin, row.start + row.end, adc_offset, seed, draw, out);
    };
    constexpr std::size_t small = 1 << 16;  // pixels; fewer are drawn sooner than threads start
    const int team = frame.pixels() < small ? 1 : thread_count(threads);
#pragma omp parallel for schedule(dynamic, 8) num_threads(team)
    for (std::int64_t row = 0; row < row_count; ++row) noise_of_row(static_cast<std::size_t>(row));

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
