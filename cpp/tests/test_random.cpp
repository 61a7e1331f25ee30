// Random numbers: the same seeds must give the same images for ever (specs/random.md).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/random.hpp"
#include "physics/philox.hpp"

using namespace nanobragg;

namespace {

Frame whole(std::size_t slow, std::size_t fast) {
    return {{{slow, fast, 0, static_cast<std::int64_t>(fast) - 1, 0, static_cast<std::int64_t>(slow) - 1}}};
}

// Means in every branch of both generators, and beyond.
std::vector<float> some_means(std::size_t count) {
    const float means[] = {0.0F, 1e-3F, 0.3F, 2.5F, 9.9F, 10.0F, 11.9F, 12.0F, 40.0F, 3e3F, 7e4F, 2e6F, -1.0F};
    std::vector<float> image(count);
    for (std::size_t i = 0; i < count; ++i) image[i] = means[(i * 7 + i / 64) % std::size(means)];
    return image;
}

}  // namespace

TEST_CASE("the first deviates of seed 1 are those of Numerical Recipes' ran1(-1)") {
    RandomTable table;
    Stream stream = Stream::from_user_seed(1);
    CHECK(table.uniform(stream) == doctest::Approx(0.4159993529).epsilon(1e-9));
    CHECK(table.uniform(stream) == doctest::Approx(0.0919648930).epsilon(1e-9));
    CHECK(table.uniform(stream) == doctest::Approx(0.7564104795).epsilon(1e-9));
}

TEST_CASE("a table goes on from its state") {
    RandomTable table;
    Stream stream = Stream::from_user_seed(42);
    for (int i = 0; i < 100; ++i) table.uniform(stream);
    RandomTable other(table.state());
    Stream same = stream;
    for (int i = 0; i < 100; ++i) CHECK(table.uniform(stream) == other.uniform(same));
}

TEST_CASE("seeds and states that would read outside the table are refused") {
    CHECK_THROWS_AS(Stream::from_user_seed(2147483648), InputError);
    CHECK_THROWS_AS(Stream::from_user_seed(std::numeric_limits<std::int64_t>::min()), InputError);
    RandomTable::State state{};
    state[32] = 2147483648;
    CHECK_THROWS_AS(RandomTable{state}, InputError);
}

TEST_CASE("Philox gives the known answers of its authors") {
    const Words zero = philox(Words{{0, 0, 0, 0}}, 0);
    CHECK(zero.w[0] == 0x6627e8d5u);
    CHECK(zero.w[1] == 0xe169c58du);
    CHECK(zero.w[2] == 0xbc57ac4cu);
    CHECK(zero.w[3] == 0x9b00dbd8u);
    const Words ones = philox(Words{{~0u, ~0u, ~0u, ~0u}}, ~std::uint64_t{0});
    CHECK(ones.w[0] == 0x408f276du);
    CHECK(ones.w[1] == 0x41c83b0eu);
    CHECK(ones.w[2] == 0xa20bc7c6u);
    CHECK(ones.w[3] == 0x6d5451fdu);
    const Words digits_of_pi = philox(Words{{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0x299f31d0a4093822u);
    CHECK(digits_of_pi.w[0] == 0xd16cfe09u);
    CHECK(digits_of_pi.w[1] == 0x94fdccebu);
    CHECK(digits_of_pi.w[2] == 0x5001e420u);
    CHECK(digits_of_pi.w[3] == 0x24126ea1u);
}

TEST_CASE("uniform deviates stay inside (0, 1)") {
    CHECK(open_uniform(0, 0) > 0.0);
    CHECK(open_uniform(0, 0) < 1e-15);
    CHECK(open_uniform(~0u, ~0u) < 1.0);
    CHECK(open_uniform(0x80000000u, 0) == doctest::Approx(0.5).epsilon(1e-15));
}

TEST_CASE("the exponential is good to 1e-14") {
    for (double x = 0.0; x < 10.0; x += 0.0137) CHECK(std::fabs(exp_minus(x) / std::exp(-x) - 1.0) < 1e-14);
}

TEST_CASE("the logarithms are good to a few units in the last place") {
    for (double x = 1e-300; x < 1e300; x *= 1.37) {
        CHECK(std::fabs(natural_log(x) - std::log(x)) < 4e-16 * std::fmax(1.0, std::fabs(std::log(x))));
    }
    for (double x = -0.999; x < 20.0; x += 0.00137) {
        const double expected = static_cast<double>(std::log1p(static_cast<long double>(x)) - x);
        CHECK(std::fabs(log_defect(x) - expected) < 3e-15 * std::fabs(expected) + 1e-25);
    }
    CHECK(log_defect(1e-9) == doctest::Approx(-5e-19).epsilon(1e-8));
}

TEST_CASE("the inversion ends for the largest deviate") {
    for (double mean = 0.0; mean < 10.0; mean += 0.00037) {
        const double count = poisson_small(mean, open_uniform(~0u, ~0u));
        REQUIRE(count >= std::floor(mean));
        REQUIRE(count < 60.0);
    }
}

TEST_CASE("the probability of a count is that of the Poisson distribution") {
    for (const double mean : {10.0, 33.3, 1e3, 1e6}) {
        for (double k = std::fmax(0.0, std::floor(mean - 8 * std::sqrt(mean))); k < mean + 8 * std::sqrt(mean);
             k += std::ceil(std::sqrt(mean) / 5)) {
            const double expected = k * std::log(mean) - mean - std::lgamma(k + 1.0);
            CHECK(std::fabs(poisson_log_probability(k, mean) - expected) < 1e-12 * (10.0 + mean * std::log(mean)));
        }
    }
}

TEST_CASE("a fast noise image is made of the deviates of its pixels, for any number of threads") {
    const std::size_t slow = 37, fast = 131;
    const std::vector<float> image = some_means(slow * fast);
    std::vector<std::uint16_t> pixels(image.size());
    for (const int threads : {1, 2, 3, 4}) {
        const NoiseCounts counts = noise_image_fast(image.data(), whole(slow, fast), 40.5, 77, threads, pixels.data());
        double photons = 0.0;
        std::int64_t overloads = 0;
        for (std::size_t i = 0; i < image.size(); ++i) {
            const double deviate = pixel_poisson(image[i], 77, i);
            photons += deviate;
            overloads += deviate + 40.5 > 65535.0;
            REQUIRE(pixels[i] == pixel_of<std::uint16_t>(deviate + 40.5));
        }
        CHECK(counts.photons == photons);
        CHECK(counts.overloads == overloads);
    }
}

TEST_CASE("many attempts at once are those that one pixel makes") {
    const std::size_t slow = 9, fast = 1033;
    for (const float mean : {9.999F, 10.0F, 13.0F, 31.0F, 250.0F, 4e4F, 1e9F}) {
        const std::vector<float> image(slow * fast, mean);
        std::vector<float> photons(image.size());
        noise_image_fast(image.data(), whole(slow, fast), 0.0, 11, 2, photons.data());
        for (std::size_t i = 0; i < image.size(); ++i) {
            REQUIRE(photons[i] == static_cast<float>(pixel_poisson(mean, 11, i)));
        }
    }
}

TEST_CASE("images of 32 bits hold the same photons beyond 65535") {
    const std::size_t slow = 20, fast = 150;
    const std::vector<float> image = some_means(slow * fast);
    std::vector<std::uint16_t> narrow(image.size());
    std::vector<std::int32_t> wide(image.size());
    for (const double offset : {40.0, -3.7}) {
        const NoiseCounts few = noise_image_fast(image.data(), whole(slow, fast), offset, 3, 1, narrow.data());
        const NoiseCounts many = noise_image_fast(image.data(), whole(slow, fast), offset, 3, 1, wide.data());
        CHECK(few.photons == many.photons);
        CHECK(few.overloads > 0);
        CHECK(many.overloads == 0);
        for (std::size_t i = 0; i < image.size(); ++i) {
            REQUIRE(narrow[i] == static_cast<std::uint16_t>(std::min(wide[i], 65535)));
            REQUIRE(wide[i] == static_cast<std::int32_t>(pixel_poisson(image[i], 3, i) + offset));
        }
    }
    CHECK(pixel_of<std::int32_t>(-3.7) == -3);
    CHECK(pixel_of<std::int32_t>(3e9) == 2147483647);
    CHECK(pixel_of<std::int32_t>(std::numeric_limits<double>::quiet_NaN()) == 0);
}

TEST_CASE("a region draws the exact generator's numbers in reading order") {
    const std::size_t slow = 9, fast = 11;
    const std::vector<float> image = some_means(slow * fast);
    const Frame frame{{{slow, fast, 2, 100, -4, 5}}};
    std::vector<std::uint16_t> pixels(image.size(), 7);
    RandomTable table, same_table;
    noise_image_exact(image.data(), frame, 40.0, Stream::from_user_seed(5), table, pixels.data());
    ReferencePoisson deviates(Stream::from_user_seed(5), same_table);
    for (std::size_t s = 0; s < slow; ++s) {
        for (std::size_t f = 0; f < fast; ++f) {
            const bool inside = f >= 2 && s <= 5;
            const double mean = inside ? deviates.draw(image[s * fast + f]) : 0.0;
            CHECK(pixels[s * fast + f] == (inside ? pixel_of<std::uint16_t>(mean + 40.0) : 0));
        }
    }
    CHECK(table.state() == same_table.state());
}

TEST_CASE("values become pixels as nanoBragg.c's do on x86-64") {
    CHECK(pixel_of<std::uint16_t>(0.99) == 0);
    CHECK(pixel_of<std::uint16_t>(65535.0) == 65535);
    CHECK(pixel_of<std::uint16_t>(65535.5) == 65535);
    CHECK(pixel_of<std::uint16_t>(1e300) == 65535);
    CHECK(pixel_of<std::uint16_t>(-0.9) == 0);
    CHECK(pixel_of<std::uint16_t>(-3.7) == 65533);
    CHECK(pixel_of<std::uint16_t>(-70000.0) == 61072);
    CHECK(pixel_of<std::uint16_t>(-2147483648.5) == 0);
    CHECK(pixel_of<std::uint16_t>(-1e300) == 0);
    CHECK(pixel_of<std::uint16_t>(std::numeric_limits<double>::quiet_NaN()) == 0);
}

TEST_CASE("means that are no numbers end") {
    PixelStream random(1, 2);
    CHECK(poisson(-5.0, random) == 0.0);
    CHECK(std::isnan(poisson(std::numeric_limits<double>::quiet_NaN(), random)));
    CHECK(std::isinf(poisson(std::numeric_limits<double>::infinity(), random)));
    RandomTable table;
    ReferencePoisson exact(Stream::from_user_seed(1), table);
    CHECK(exact.draw(-5.0F) == 0.0F);
    CHECK(std::isnan(exact.draw(std::numeric_limits<float>::quiet_NaN())));
}
