// Spreading light on a device: against the sum over all pixels, whatever the lengths of the transforms.
#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "nanobragg/error.hpp"
#include "point_spread.hpp"
#include "tested_device.hpp"

using namespace nanobragg;
using gpu::Buffer;
using gpu::PointSpread;
using Waves = std::vector<std::complex<double>>;

namespace {

constexpr double turn = 6.283185307179586;

// A function on offsets -reach ... reach along either axis.
struct Kernel {
    std::int64_t slow, fast;  // reach
    std::vector<double> values;

    Kernel(std::int64_t slow_reach, std::int64_t fast_reach, bool even, std::mt19937& random)
        : slow(slow_reach), fast(fast_reach), values(static_cast<std::size_t>((2 * slow + 1) * (2 * fast + 1))) {
        std::uniform_real_distribution<double> light(0.0, 1.0);
        for (std::int64_t y = -slow; y <= slow; ++y) {
            for (std::int64_t x = -fast; x <= fast; ++x) {
                at(y, x) = even && (y > 0 || x > 0) ? at(-std::abs(y), -std::abs(x)) : light(random);
            }
        }
    }
    double& at(std::int64_t y, std::int64_t x) {
        return values[static_cast<std::size_t>((y + slow) * (2 * fast + 1) + x + fast)];
    }

    // exp(-2 pi i (k y / rows + l x / columns)) summed over the function, for k < `high` and l <= columns / 2.
    Waves transform(std::int64_t rows, std::int64_t columns, std::int64_t high) {
        Waves out;
        for (std::int64_t k = 0; k < high; ++k) {
            for (std::int64_t l = 0; l <= columns / 2; ++l) {
                std::complex<double> sum = 0.0;
                for (std::int64_t y = -slow; y <= slow; ++y) {
                    for (std::int64_t x = -fast; x <= fast; ++x) {
                        const double angle = turn * (static_cast<double>(k * y) / static_cast<double>(rows) +
                                                     static_cast<double>(l * x) / static_cast<double>(columns));
                        sum += at(y, x) * std::polar(1.0, -angle);
                    }
                }
                out.push_back(sum);
            }
        }
        return out;
    }
};

std::vector<float> floats_of(const Waves& waves, bool even) {
    std::vector<float> out;
    for (const auto& wave : waves) {
        out.push_back(static_cast<float>(wave.real()));
        if (!even) out.push_back(static_cast<float>(wave.imag()));
    }
    return out;
}

std::shared_ptr<Buffer> uploaded(const std::shared_ptr<gpu::Device>& on, const std::vector<float>& values) {
    auto buffer = std::make_shared<Buffer>(on, values.size() * sizeof(float));
    on->upload(buffer->as<void>(), values.data(), buffer->bytes());
    on->wait();
    return buffer;
}

struct Lengths {
    std::uint32_t slow, fast, rows, columns;
    bool even;
};

// A panel of light, spread on the device.
std::vector<float> spread(const Lengths& n, Kernel& kernel, const std::vector<float>& light) {
    const auto on = device();
    const auto waves = kernel.transform(n.rows, n.columns, n.even ? n.rows / 2 + 1 : n.rows);
    const PointSpread function(on, n.slow, n.fast, n.rows, n.columns, uploaded(on, floats_of(waves, n.even)), n.even);
    const auto panel = uploaded(on, light);
    const Buffer one(on, function.room()), other(on, function.room());
    function.spread(panel->as<float>(), one, other);
    on->wait();
    std::vector<float> out(light.size());
    on->download(out.data(), panel->as<void>(), panel->bytes());
    return out;
}

// Every pixel's light where the function has it, and none from beyond the panel.
std::vector<double> expected_light(const Lengths& n, Kernel& kernel, const std::vector<float>& light) {
    std::vector<double> out(light.size(), 0.0);
    const std::int64_t slow = n.slow, fast = n.fast;
    for (std::int64_t from = 0; from < slow * fast; ++from) {
        for (std::int64_t y = -kernel.slow; y <= kernel.slow; ++y) {
            for (std::int64_t x = -kernel.fast; x <= kernel.fast; ++x) {
                const std::int64_t row = from / fast + y, column = from % fast + x;
                if (row < 0 || row >= slow || column < 0 || column >= fast) continue;
                out[static_cast<std::size_t>(row * fast + column)] +=
                    kernel.at(y, x) * static_cast<double>(light[static_cast<std::size_t>(from)]);
            }
        }
    }
    return out;
}

double rms_of(const std::vector<double>& values) {
    double sum = 0.0;
    for (const double value : values) sum += value * value;
    return std::sqrt(sum / static_cast<double>(values.size()));
}

}  // namespace

TEST_CASE("a device spreads light as the sum over all pixels does, and nothing wraps around") {
    std::mt19937 random(1);
    // All factors, in rows and in columns; odd panels; functions as wide as the panel.
    for (const Lengths n :
         {Lengths{9, 14, 12, 20, true}, Lengths{17, 27, 22, 30, false}, Lengths{1, 5, 4, 6, false},
          Lengths{20, 11, 28, 16, true}, Lengths{24, 17, 36, 22, true}, Lengths{13, 50, 18, 56, false}}) {
        CAPTURE(n.rows);
        CAPTURE(n.columns);
        Kernel kernel(n.rows - n.slow, n.columns - n.fast, n.even, random);
        std::vector<float> light(std::size_t{n.slow} * n.fast);
        std::poisson_distribution<int> photons(10.0);
        for (float& pixel : light) pixel = static_cast<float>(photons(random));
        const auto expected = expected_light(n, kernel, light);
        const auto found = spread(n, kernel, light);
        std::vector<double> error(found.size());
        for (std::size_t i = 0; i < found.size(); ++i) error[i] = static_cast<double>(found[i]) - expected[i];
        CHECK(rms_of(error) < 3e-7 * rms_of(expected));
    }
}

TEST_CASE("a pixel without a number has no light on a device") {
    std::mt19937 random(2);
    const Lengths n{6, 7, 8, 10, false};
    Kernel kernel(2, 3, false, random);
    std::vector<float> light(std::size_t{n.slow} * n.fast, 3.0F);
    light[9] = 0.0F;
    const auto expected = spread(n, kernel, light);
    light[9] = std::numeric_limits<float>::quiet_NaN();
    CHECK(spread(n, kernel, light) == expected);
}

TEST_CASE("lengths that a device does not transform are refused") {
    const auto on = device();
    const auto of = [&](std::uint32_t rows, std::uint32_t columns, std::uint32_t waves) {
        return PointSpread(on, 4, 4, rows, columns, std::make_shared<Buffer>(on, waves * sizeof(float)), true);
    };
    CHECK_NOTHROW(of(8, 10, 5 * 6));
    CHECK_THROWS_WITH_AS(of(26, 10, 14 * 6),
                         "point spread: found a transform of 26, expected an even length of factors up to 11",
                         InputError);
    CHECK_THROWS_AS(of(8, 9, 5 * 5), InputError);
    CHECK_THROWS_AS(of(8, 10, 5 * 6 - 1), InputError);
    CHECK_THROWS_AS(of(2, 10, 2 * 6), InputError);
}
