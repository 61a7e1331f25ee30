// Derivatives on a device against those on the CPU, which test_derivatives.cpp holds against differences of the
// formulas; and one pass against the other. Played by the host, or on a real or an emulated device (tested_device.hpp).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "gpu_derivatives.hpp"
#include "nanobragg/error.hpp"
#include "random_scene.hpp"
#include "scene_numbers.hpp"
#include "tested_device.hpp"

using namespace nanobragg;

namespace {

double length(const double* values, std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += values[i] * values[i];
    return std::sqrt(sum);
}

double distance(const double* a, const double* b, std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
}

// More directions than a thread takes at once: all numbers together, one alone, the cell and the crystal's orientation.
std::vector<SceneChange> directions_of(RandomScene& random, std::vector<Number>& numbers, int count) {
    std::vector<SceneChange> out;
    for (int i = 0; i < count; ++i) {
        if (i % 3 == 0) {
            out.push_back(random_step(random, numbers));
        } else if (i % 3 == 1) {
            out.push_back(zeros_like(random.scene));
            const auto last = static_cast<std::int64_t>(numbers.size()) - 1;
            const Number& number = numbers[static_cast<std::size_t>(random.whole(0, last))];
            number.change(out.back()) = number.step;
        } else {
            double b[9];
            for (double& x : b) x = random.between(-1e-8, 1e-8);
            out.push_back(strained(random.scene, b));
        }
    }
    return out;
}

void check_scene(RandomScene& random, int count) {
    const Scene& s = random.scene;
    const auto on = device();
    std::vector<Number> numbers = numbers_of(s);
    std::vector<SceneChange> directions = directions_of(random, numbers, count);
    const auto pixels = static_cast<std::size_t>(s.pixels());
    std::vector<double> expected(pixels * directions.size()), found(expected.size()), weights(pixels);
    std::vector<double> expected_image(pixels), image(pixels);
    for (double& w : weights) w = random.between(-1, 1);
    DerivativeOptions options;
    options.image = expected_image.data();
    render_jvp(s, directions, expected.data(), options);
    options.image = image.data();
    gpu::render_jvp(on, s, directions, found.data(), options);
    CHECK(distance(image.data(), expected_image.data(), pixels) <= 1e-11 * length(expected_image.data(), pixels));
    std::fill(image.begin(), image.end(), -1.0);
    SceneChange gradient = gpu::render_vjp(on, s, weights.data(), options);
    CHECK(distance(image.data(), expected_image.data(), pixels) <= 1e-11 * length(expected_image.data(), pixels));
    const double rounding = 1e-17 * length(image.data(), pixels);  // a step moves indices by 1e-8
    for (std::size_t i = 0; i < directions.size(); ++i) {
        CAPTURE(i);
        const double *column = found.data() + i * pixels, *of_cpu = expected.data() + i * pixels;
        CHECK(distance(column, of_cpu, pixels) <= 1e-8 * length(of_cpu, pixels) + rounding);
        const double backward = along(numbers, gradient, directions[i]);
        CHECK(std::abs(weighted(weights, column) - backward) <= 1e-11 * weighted_size(weights, column));
    }
}

}  // namespace

TEST_CASE("derivatives on a device are the CPU's, and both passes agree") {
    for (std::uint64_t seed = 8000; seed < 8060; seed += kEvery) {
        RandomScene random(seed);
        make_differentiable(random.scene);
        CAPTURE(seed);
        check_scene(random, seed % 4 == 0 ? 18 : 4);
    }
}

TEST_CASE("derivatives on a device go by the structure factors of a grid, nearest and interpolated") {
    for (std::uint64_t seed = 8100; seed < 8112; seed += kEvery) {
        RandomScene random(seed);
        make_differentiable(random.scene);
        give_grid(random, seed % 2 ? Interpolation::tricubic : Interpolation::nearest);
        CAPTURE(seed);
        check_scene(random, 3);
    }
}

TEST_CASE("many sources have their derivatives on a device") {
    for (std::uint64_t seed = 8200; seed < 8206; seed += kEvery) {
        RandomScene random(seed);
        make_differentiable(random.scene);
        Scene& s = random.scene;
        const Source first = s.sources.front();
        for (int i = 0; i < 12; ++i) {
            s.sources.push_back({unit(first.direction + Vec3{0, random.between(-1e-3, 1e-3), 0}),
                                 random.between(0.8e-10, 1.2e-10), random.between(0.5, 1.5)});
        }
        CAPTURE(seed);
        check_scene(random, 3);
    }
}

TEST_CASE("on a device only the pixels that are wanted are computed") {
    RandomScene random(8300);
    make_differentiable(random.scene);
    const Scene& s = random.scene;
    std::vector<Number> numbers = numbers_of(s);
    const SceneChange direction = random_step(random, numbers);
    const auto all = static_cast<std::size_t>(s.pixels());
    std::vector<double> whole(all), weights(all);
    std::vector<std::int64_t> wanted;
    for (std::size_t i = 1; i < all; i += 1 + i % 3) wanted.push_back(static_cast<std::int64_t>(i));
    gpu::render_jvp(device(), s, {direction}, whole.data(), {});
    DerivativeOptions options;
    options.pixels = wanted.data();
    options.pixel_count = static_cast<std::int64_t>(wanted.size());
    std::vector<double> some(wanted.size());
    gpu::render_jvp(device(), s, {direction}, some.data(), options);
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(some[i] == whole[static_cast<std::size_t>(wanted[i])]);
    options.pixel_count = 0;
    gpu::render_jvp(device(), s, {direction}, some.data(), options);
    const SceneChange none = gpu::render_vjp(device(), s, weights.data(), options);
    CHECK(none.scale == 0);
}
