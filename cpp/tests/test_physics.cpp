// The polynomials and phases of physics.hpp against libm: an error here would tilt every image.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "physics/lattice_slopes.hpp"
#include "physics/physics.hpp"

using namespace nanobragg;

namespace {
constexpr double kPi = 3.14159265358979323846;
}

TEST_CASE("sin_pi has the accuracy it claims over its whole range") {
    for (int i = -500000; i <= 500000; ++i) {
        const double x = i * 1e-6, exact = std::sin(kPi * x);
        CHECK(std::abs(sin_pi(x) - exact) <= 6e-16 * std::abs(exact));
        const float xf = static_cast<float>(x);
        const double exact_f = std::sin(kPi * static_cast<double>(xf));
        CHECK(std::abs(static_cast<double>(sin_pi(xf)) - exact_f) <= 3e-7 * std::abs(exact_f));
    }
}

TEST_CASE("cosines and sines of turns and of phases agree with libm") {
    for (int i = -500000; i <= 500000; ++i) {
        const double x = i * 1e-6;
        CHECK(std::abs(cos_two_pi(x) - std::cos(2 * kPi * x)) <= 6e-16);
        CHECK(std::abs(sin_two_pi(x) - std::sin(2 * kPi * x)) <= 6e-16);
        const auto phase = static_cast<std::int32_t>(std::int64_t{i} * 4294 - 7);
        const double turn = static_cast<double>(phase) / 4294967296.0;
        CHECK(std::abs(static_cast<double>(cos_two_pi(phase)) - std::cos(2 * kPi * turn)) <= 2e-7);
        CHECK(std::abs(static_cast<double>(sin_two_pi(phase)) - std::sin(2 * kPi * turn)) <= 2e-7);
    }
    CHECK(std::abs(sin_two_pi(std::int32_t{-2147483647 - 1})) <= 1e-6f);
    CHECK(cos_two_pi(std::int32_t{-2147483647 - 1}) == doctest::Approx(-1));
}

TEST_CASE("exp_negative follows exp down to its end") {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> far(-700.0, 0.0), near(-1.0, 0.0);
    for (int i = 0; i < 200000; ++i) {
        const double x = i % 2 ? far(random) : near(random), exact = std::exp(x);
        CHECK(std::abs(exp_negative(x) - exact) <= 1e-15 * exact);
    }
    CHECK(exp_negative(0.0) == 1.0);
    CHECK(exp_negative(-1e5) == 0.0);
    CHECK(exp_negative(-1e300) == 0.0);
}

TEST_CASE("what derivatives of lattice factors are made of agrees with libm") {
    for (int i = -50000; i <= 50000; ++i) {
        const double x = i * 1e-5, sine = std::sin(2 * kPi * x), cosine = std::cos(2 * kPi * x);
        CHECK(std::abs(cos_pi(x) - std::cos(kPi * x)) <= 1e-14 * std::cos(kPi * x) + 2e-16);
        const double d[3] = {x, -x, 0.5 - std::abs(x)};
        const Turns<double> turn = turns_of(d);
        CHECK(std::abs(turn.cosine[0] - cosine) <= 1e-12);
        CHECK(turn.cosine[1] == turn.cosine[0]);
        CHECK(std::abs(turn.cosine[2] + cosine) <= 1e-12);
        CHECK(std::abs(2 * kPi * turn.sine[0] - sine) <= 1e-12);
        CHECK(turn.sine[1] == -turn.sine[0]);
        const double cot = i == 0 ? 2 : 2 * kPi * x * std::cos(kPi * x) / std::sin(kPi * x);
        CHECK(std::abs(turn.twice_cot[0] - cot) <= 1e-12);
        const double power = -7e-3 * (i + 50000);
        CHECK(std::abs(exp_in_two(power) - std::exp(power)) <= (1e-15 - 3e-16 * power) * std::exp(power));
    }
    CHECK(exp_in_two(-1e300) == 0.0);
}

TEST_CASE("the mean depth of absorption joins its series and its formula") {
    for (double x = 1e-9; x < 1e4; x *= 1.01) {
        const double exact = x < 1e-2 ? 0.5 - x / 12 + x * x * x / 720 : 1 / x - 1 / std::expm1(x);
        CHECK(std::abs(mean_absorption_depth(x) - exact) <= 1e-12);
        CHECK(std::abs(mean_absorption_depth(-x) - (1 - exact)) <= 1e-12);
    }
    CHECK(mean_absorption_depth(0.0) == 0.5);
    CHECK(mean_absorption_depth(1e300) < 1e-299);
}

TEST_CASE("the sphere's transform joins its series and its formula") {
    for (int i = 0; i < 200000; ++i) {
        const double u = i * 1e-4, x = kPi * u;
        // Long double keeps enough digits where the formula cancels.
        const long double xl = x;
        const double exact = x < 1e-2 ? 1.0 - x * x / 10 + x * x * x * x / 280
                                      : static_cast<double>(3 * (std::sin(xl) / xl - std::cos(xl)) / (xl * xl));
        const double size = x < 1 ? 1.0 : 3.0 / (x * x);
        CHECK(std::abs(std::abs(sphere_transform(u)) - std::abs(exact)) <= 3e-14 * size);
        CHECK(std::abs(std::abs(static_cast<double>(sphere_transform_mixed(u * u))) - std::abs(exact)) <= 1e-6 * size);
    }
}

TEST_CASE("phases wrap, and so do their multiples") {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> index(-300.0, 300.0);
    for (int i = 0; i < 100000; ++i) {
        const double h = index(random);
        const int32_t phase = phase_of(h + kPhaseShift);
        CHECK(std::abs(static_cast<double>(turns(phase)) - (h - std::round(h))) < 3e-8);
        const int cells = 1 + i % 1000;
        const double product = h * cells, rest = product - std::round(product);
        double error = std::abs(static_cast<double>(turns(times(phase, cells))) - rest);
        error = std::min(error, std::abs(1.0 - error));  // a half turn has two names
        CHECK(error < 3e-8 + cells * 2e-10);
        CHECK(whole_of(h + kPhaseShift) == static_cast<int>(std::ceil(h - 0.5)));
    }
    CHECK(whole_of(2.5 + kPhaseShift) == 2);
    CHECK(whole_of(-2.5 + kPhaseShift) == -3);
    CHECK(whole_of(-0.25 + kPhaseShift) == 0);
}

TEST_CASE("the polarization factor is Kahn's") {
    CHECK(polarization_factor(0.0, 1.0, 0.3, 0.4) == doctest::Approx(1.0));
    CHECK(polarization_factor(0.0, 0.0, 0.3, 0.4) == doctest::Approx(0.5));
    CHECK(polarization_factor(1.0, 0.0, 1.0, 0.0) == doctest::Approx(0.0));  // along the E vector: nothing
    CHECK(polarization_factor(1.0, 0.0, 0.0, 1.0) == doctest::Approx(1.0));  // across it: everything
    CHECK(polarization_factor(0.9, 1.0, 0.0, 0.0) == doctest::Approx(1.0));  // forward, where psi has no meaning
}
