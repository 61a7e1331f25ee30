// Random numbers and whole numbers of a measurement: the same seeds must give the same counts for ever
// (specs/response.md).
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include "nanobragg/measurement.hpp"
#include "nanobragg/random.hpp"
#include "physics/philox.hpp"

using namespace nanobragg;

TEST_CASE("a stream's key is the block of Philox that the page names") {
    const Words words = philox(Words{{7, 9, 3, 5}}, 0x123456789abcdef0u);
    const std::uint64_t key = measurement_key(0x123456789abcdef0u, std::uint64_t{9} << 32 | 7, 5, 3);
    CHECK(key == (std::uint64_t{words.w[0]} | std::uint64_t{words.w[1]} << 32));
    std::set<std::uint64_t> keys;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        for (std::uint64_t shot = 0; shot < 5; ++shot) {
            for (std::uint32_t stage = 2; stage < 7; ++stage) {
                for (std::uint32_t panel = 0; panel < 5; ++panel) keys.insert(stream_key(seed, shot, stage, panel));
            }
        }
    }
    CHECK(keys.size() == 5 * 5 * 5 * 5);
}

TEST_CASE("normal deviates are those of Box and Muller to a few units in the last place") {
    const double turn = 6.283185307179586;
    for (double u = 1e-15; u < 1.0; u += 0.0137) {
        for (double v = 1e-15; v < 1.0; v += 0.00713) {
            const double radius = std::sqrt(-2.0 * std::log(u));
            const NormalPair pair = normal_pair(u, v);
            REQUIRE(std::fabs(pair.first - radius * std::cos(turn * v)) < 2e-15 * (1.0 + radius));
            REQUIRE(std::fabs(pair.second - radius * std::sin(turn * v)) < 2e-15 * (1.0 + radius));
        }
    }
    CHECK(std::isfinite(normal_pair(open_uniform(0, 0), open_uniform(~0u, ~0u)).first));
    CHECK(std::fabs(normal_pair(open_uniform(~0u, ~0u), 0.3).second) < 1e-7);
}

TEST_CASE("a pixel's normal deviate does not depend on the image's size or the threads") {
    const std::size_t pixels = 70001;
    std::vector<float> one(pixels), several(pixels), few(77);
    normal_deviates(99, pixels, 1, one.data());
    normal_deviates(99, pixels, 3, several.data());
    normal_deviates(99, few.size(), 1, few.data());
    for (std::size_t i = 0; i < pixels; ++i) {
        REQUIRE(one[i] == several[i]);
        const NormalPair pair = pixel_normals(99, i / 2);
        REQUIRE(one[i] == static_cast<float>(i % 2 == 0 ? pair.first : pair.second));
        if (i < few.size()) REQUIRE(one[i] == few[i]);
    }
}

static bool alike(double found, double expected) { return std::fabs(found - expected) <= 1e-12 * expected; }

TEST_CASE("a dead time's moments are those of the formulas, for one photon as for many times too many") {
    for (const double part : {1e-15, 1e-9, 1e-5, 3e-3, 0.2}) {
        for (const double n : {0.0, 1.0, 2.0, 17.0, 300.0, 5e4, 1e7}) {
            const double x = n * part, e = std::exp(-x);
            CAPTURE(x);
            // (Where x is small the formula itself loses digits.)
            const double more = x < 1e-2 ? x * (1.0 - x * (0.5 - x * (1.0 / 6.0 + x * (1.0 / 24.0 + x / 120.0))))
                                         : std::expm1(x) - x * x;
            const CountedMoments longer = counted_moments(n, part, true), fixed = counted_moments(n, part, false);
            if (x < 700.0) {
                CHECK(alike(longer.mean, n * e));
                CHECK(alike(longer.variance, n * e * (e * more)));
            } else {
                CHECK(longer.mean < 1e-290);
                CHECK(longer.variance < 1e-290);
            }
            CHECK(alike(fixed.mean, n / (1.0 + x)));
            CHECK(alike(fixed.variance, n * x / std::pow(1.0 + x, 4)));
        }
    }
}

TEST_CASE("what a dead time leaves does not depend on the threads, and is between nothing and all") {
    std::vector<float> photons(66003), one(photons.size());
    for (std::size_t i = 0; i < photons.size(); ++i) photons[i] = static_cast<float>(i % 977);
    for (const bool paralyzable : {true, false}) {
        const DeadTime counter{1e-3, paralyzable, 77};
        count_with_dead_time(photons.data(), photons.size(), counter, 1, one.data());
        for (std::size_t i = 0; i < photons.size(); ++i) {
            const CountedMoments of = counted_moments(photons[i], 1e-3, paralyzable);
            const NormalPair pair = pixel_normals(77, i / 2);
            const double deviate = static_cast<double>(static_cast<float>(i % 2 == 0 ? pair.first : pair.second));
            const double counts = std::floor(of.mean + std::sqrt(of.variance) * deviate + 0.5);
            REQUIRE(one[i] == static_cast<float>(std::fmin(std::fmax(counts, 0.0), static_cast<double>(photons[i]))));
        }
        auto several = photons;  // in place
        count_with_dead_time(several.data(), several.size(), counter, 3, several.data());
        CHECK(several == one);
    }
}

TEST_CASE("whole numbers are rounded, noisy and clipped as the page says") {
    const std::size_t pixels = 66003;
    std::vector<float> photons(pixels), gain(pixels), offset(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
        photons[i] = static_cast<float>(i % 400) - 7.0F;
        gain[i] = 1.0F + static_cast<float>(i % 11) / 100.0F;
        offset[i] = static_cast<float>(i % 13) - 6.0F;
    }
    photons[5] = std::numeric_limits<float>::quiet_NaN();
    const Digitizer digitizer{1.8, 10.25, 3.0, -5.0, 650.0, 42, gain.data(), offset.data()};
    std::vector<std::int32_t> counts(pixels);
    for (const int threads : {1, 2, 5}) {
        std::int64_t above = 0;
        const std::int64_t found = digitize(photons.data(), pixels, digitizer, threads, counts.data());
        for (std::size_t i = 0; i < pixels; ++i) {
            const NormalPair pair = pixel_normals(42, i / 2);
            double value = static_cast<double>(photons[i]) * 1.8 * static_cast<double>(gain[i]) + 10.25;
            value = value + static_cast<double>(offset[i]) + 3.0 * (i % 2 == 0 ? pair.first : pair.second);
            const double whole = i == 5 ? 0.0 : std::floor(value + 0.5);
            above += whole > 650.0 ? 1 : 0;
            REQUIRE(counts[i] == static_cast<std::int32_t>(std::fmin(std::fmax(whole, -5.0), 650.0)));
        }
        CHECK(found == above);
    }
    const Digitizer plain{1, 0, 0, 0, 2147483647.0, 0, nullptr, nullptr};
    const float values[] = {2.5F, -0.4F, 3e9F, 16777216.0F};
    std::int32_t whole[4];
    CHECK(digitize(values, 4, plain, 1, whole) == 1);
    CHECK(whole[0] == 3);
    CHECK(whole[1] == 0);
    CHECK(whole[2] == 2147483647);
    CHECK(whole[3] == 16777216);
}

TEST_CASE("photons that are counted later are the photons of a noise image") {
    const float means[] = {0.0F, 0.3F, 9.9F, 10.0F, 40.0F, 3e3F, 2e6F, -1.0F, std::numeric_limits<float>::quiet_NaN()};
    std::vector<float> image(9000), photons(image.size());
    for (std::size_t i = 0; i < image.size(); ++i) image[i] = means[(i * 7 + i / 64) % std::size(means)];
    const Frame frame{{{90, 100, 0, 99, 0, 89}}};
    noise_image_fast(image.data(), frame, 0.0, 5, 2, photons.data());
    for (std::size_t i = 0; i < image.size(); ++i) {
        const double deviate = pixel_poisson(image[i], 5, i);
        REQUIRE(photons[i] == (std::isnan(deviate) ? 0.0F : static_cast<float>(deviate)));
    }
}
