// For the vector units, and compiled without contraction: the same bits everywhere.
#include "nanobragg/measurement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "nanobragg/threads.hpp"
#include "noise/dead_time.hpp"
#include "physics/philox.hpp"
#include "targets.hpp"

namespace nanobragg {
namespace {

// Neighbouring pixels that are taken together: pairs share their random words.
constexpr std::size_t pairs = 32, batch = 2 * pairs;

[[gnu::always_inline]] inline void normals_of(std::uint64_t key, std::size_t first, double* normal) {
    double even[pairs], odd[pairs];
    for (std::size_t i = 0; i < pairs; ++i) {
        const NormalPair both = pixel_normals(key, first / 2 + i);
        even[i] = both.first;
        odd[i] = both.second;
    }
    for (std::size_t i = 0; i < pairs; ++i) {
        normal[2 * i] = even[i];
        normal[2 * i + 1] = odd[i];
    }
}

// A batch of pixels from `first` on, where the maps (or null) and the image begin with it.
struct Batch {
    std::size_t first;
    const float *photons, *gain, *offset;
    std::int32_t* out;
};

// Returns how many are above the highest value.
[[gnu::always_inline]] inline std::int64_t digitize_batch(const Digitizer& d, const Batch& b) {
    double value[batch];
    for (std::size_t i = 0; i < batch; ++i) value[i] = static_cast<double>(b.photons[i]) * d.gain;
    if (b.gain != nullptr) {
        for (std::size_t i = 0; i < batch; ++i) value[i] *= static_cast<double>(b.gain[i]);
    }
    // NOLINTNEXTLINE(modernize-loop-convert): all loops of a batch are of one form.
    for (std::size_t i = 0; i < batch; ++i) value[i] += d.offset;
    if (b.offset != nullptr) {
        for (std::size_t i = 0; i < batch; ++i) value[i] += static_cast<double>(b.offset[i]);
    }
    if (d.noise > 0.0) {
        double normal[batch];
        normals_of(d.key, b.first, normal);
        for (std::size_t i = 0; i < batch; ++i) value[i] += d.noise * normal[i];
    }
    std::int64_t above = 0;
    const double lowest = d.lowest, highest = d.highest;
    for (std::size_t i = 0; i < batch; ++i) {
        double whole = value[i] == value[i] ? std::floor(value[i] + 0.5) : 0.0;
        above += whole > highest ? 1 : 0;
        whole = whole > highest ? highest : whole;
        whole = whole < lowest ? lowest : whole;
        b.out[i] = static_cast<std::int32_t>(whole);
    }
    return above;
}

// Several widths of vector (targets.hpp).
using Normals = void (*)(std::uint64_t, std::size_t, double*);
using Digitize = std::int64_t (*)(const Digitizer&, const Batch&);

struct Passes {
    Normals normals;
    Digitize digitize;
};

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute may not stand in parentheses
#define NANOBRAGG_PASSES(suffix, attribute)                                                    \
    attribute void normals_##suffix(std::uint64_t key, std::size_t first, double* normal) {    \
        normals_of(key, first, normal);                                                        \
    }                                                                                          \
    attribute std::int64_t digitize_##suffix(const Digitizer& digitizer, const Batch& whole) { \
        return digitize_batch(digitizer, whole);                                               \
    }
// NOLINTEND(bugprone-macro-parentheses)

NANOBRAGG_PASSES(baseline, )
NANOBRAGG_PASSES(avx2, NANOBRAGG_AVX2)
NANOBRAGG_PASSES(avx512, NANOBRAGG_AVX512)

Passes choose_passes() {
    return version_of_run<Passes>({normals_baseline, digitize_baseline}, {normals_avx2, digitize_avx2},
                                  {normals_avx512, digitize_avx512});
}

// Pixels of one turn of a thread, whole batches; images of fewer are done sooner than threads start.
constexpr std::size_t turn = std::size_t{1} << 14;

// Calls run(first, end) for all turns and adds up what it gives.
template <class Do>
std::int64_t in_turns(std::size_t pixels, int threads, const Do& run) {
    const auto turns = static_cast<std::int64_t>((pixels + turn - 1) / turn);
    const int team = turns < 4 ? 1 : thread_count(threads);
    std::int64_t sum = 0;
#pragma omp parallel for schedule(dynamic) num_threads(team) reduction(+ : sum)
    for (std::int64_t number = 0; number < turns; ++number) {
        const std::size_t begin = static_cast<std::size_t>(number) * turn;
        sum += run(begin, std::min(pixels, begin + turn));
    }
    return sum;
}

// The batch of the last few pixels of an image, which is not full, digitized beside it.
std::int64_t digitize_rest(const Passes& passes, const Digitizer& digitizer, const Batch& rest, std::size_t count) {
    float photons[batch] = {}, gain[batch] = {}, offset[batch] = {};
    std::int32_t whole[batch];
    std::copy_n(rest.photons, count, photons);
    if (rest.gain != nullptr) std::copy_n(rest.gain, count, gain);
    if (rest.offset != nullptr) std::copy_n(rest.offset, count, offset);
    // What is not there is as low as can be, so that it is never above the highest value.
    std::fill(photons + count, photons + batch, -std::numeric_limits<float>::infinity());
    if (rest.gain != nullptr) std::fill(gain + count, gain + batch, 1.0F);
    const std::int64_t above = passes.digitize(digitizer, {rest.first, photons, rest.gain != nullptr ? gain : nullptr,
                                                           rest.offset != nullptr ? offset : nullptr, whole});
    std::copy_n(whole, count, rest.out);
    return above;
}

}  // namespace

std::uint64_t measurement_key(std::uint64_t seed, std::uint64_t shot, std::uint32_t stage, std::uint32_t panel) {
    return stream_key(seed, shot, stage, panel);
}

void normal_deviates(std::uint64_t key, std::size_t pixels, int threads, float* out) {
    const Passes passes = choose_passes();
    in_turns(pixels, threads, [&](std::size_t begin, std::size_t end) {
        double normal[batch];
        for (std::size_t first = begin; first < end; first += batch) {
            passes.normals(key, first, normal);
            const std::size_t count = std::min(batch, end - first);
            for (std::size_t i = 0; i < count; ++i) out[first + i] = static_cast<float>(normal[i]);
        }
        return std::int64_t{0};
    });
}

CountedMoments counted_moments(double photons, double part, bool paralyzable) {
    return moments_of_counts(photons, part, paralyzable);
}

void count_with_dead_time(const float* photons, std::size_t pixels, const DeadTime& counter, int threads, float* out) {
    const Passes passes = choose_passes();
    in_turns(pixels, threads, [&](std::size_t begin, std::size_t end) {
        double normal[batch];
        for (std::size_t first = begin; first < end; first += batch) {
            passes.normals(counter.key, first, normal);
            const std::size_t count = std::min(batch, end - first);
            for (std::size_t i = 0; i < count; ++i) {
                out[first + i] = counted_photons(photons[first + i], counter, normal[i]);
            }
        }
        return std::int64_t{0};
    });
}

std::int64_t digitize(const float* photons, std::size_t pixels, const Digitizer& digitizer, int threads,
                      std::int32_t* out) {
    const Passes passes = choose_passes();
    const auto from = [](const float* map, std::size_t first) { return map == nullptr ? nullptr : map + first; };
    return in_turns(pixels, threads, [&](std::size_t begin, std::size_t end) {
        std::int64_t above = 0;
        for (std::size_t first = begin; first < end; first += batch) {
            const Batch now{first, photons + first, from(digitizer.gain_map, first), from(digitizer.offset_map, first),
                            out + first};
            above += end - first >= batch ? passes.digitize(digitizer, now)
                                          : digitize_rest(passes, digitizer, now, end - first);
        }
        return above;
    });
}

}  // namespace nanobragg
