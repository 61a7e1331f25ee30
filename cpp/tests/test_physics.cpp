// The polynomials and phases of physics.hpp against libm: an error here would tilt every image.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "physics/lattice_slopes.hpp"
#include "physics/physics.hpp"
#include "plan/few_cells.hpp"

using namespace nanobragg;

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
        const double x = i * 1e-5;
        CHECK(std::abs(cos_pi(x) - std::cos(kPi * x)) <= 1e-14 * std::cos(kPi * x) + 2e-16);
        const double power = -7e-3 * (i + 50000);
        CHECK(std::abs(exp_in_two(power) - std::exp(power)) <= (1e-15 - 3e-16 * power) * std::exp(power));
    }
    CHECK(exp_in_two(-1e300) == 0.0);
}

namespace {

// Of N^2: errors of the square and of its slope; relative ones of the slope and of the cotangent, and of that where it
// is all but 0.
struct AxisLimits {
    double value, slope, relative, cot, least_cot;
};

template <int degree, bool full, class Number>
void check_axis(int cells, const AxisLimits& limits) {
    const double all[3] = {static_cast<double>(cells), 2.0 * degree + 2, 2.0 * degree + 1};
    const AxisPolynomial<degree, Number> axis = axis_polynomial<degree, Number>(few_cells(all), 0, full);
    const double unit = axis.unit * axis.unit, cot = cot_series(Number()).highest, size = cells * cells;
    for (int i = 0; i < 5000; ++i) {
        const double x = static_cast<Number>(i * 1e-4);
        const Number d[2] = {static_cast<Number>(x), -static_cast<Number>(x)};
        AxisSlopes<Number> at[2];
        slopes_along<degree, true, full, 2>(axis, d, at);
        const double value = at[0].value, square = unit * value * value * at[0].half,
                     found = 2 * unit * slope_unit<Number>() * value * at[0].slope;
        CHECK(at[1].value == at[0].value);
        CHECK(at[1].slope == -at[0].slope);
        if (i == 0) {
            CHECK(square == doctest::Approx(size).epsilon(limits.value));
            CHECK(at[0].slope == 0);
            CHECK(cot * at[0].twice_cot == doctest::Approx(2).epsilon(limits.cot));
            continue;
        }
        const double s = std::sin(kPi * x), c = std::cos(kPi * x), exact = std::sin(cells * kPi * x) / s;
        const double slope = 2 * kPi * exact * (cells * std::cos(cells * kPi * x) - exact * c) / s;
        CHECK(std::abs(square - exact * exact) <= limits.value * size);
        CHECK(std::abs(found - slope) <= limits.relative * std::abs(slope) + limits.slope * size);
        CHECK(std::abs(cot * at[0].twice_cot - 2 * kPi * x * c / s) <=
              limits.cot * c * 2 * kPi * x / s + limits.least_cot);
    }
}

}  // namespace

TEST_CASE("a few cells' lattice factor along an axis, with its slopes, agrees with libm") {
    const AxisLimits doubles{1e-12, 1e-11, 2e-9, 1.1e-9, 0}, singles{3e-6, 2e-5, 1e-6, 5e-7, 1e-7};
    for (int cells = 1; cells <= 8; ++cells) {
        CAPTURE(cells);
        check_axis<3, false, double>(cells, doubles);
        check_axis<3, false, float>(cells, singles);
        if (cells != 5 && cells != 6) continue;
        check_axis<2, true, double>(cells, doubles);
        check_axis<2, false, float>(cells, singles);
    }
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
