// Gauss quadrature of spectra, against plain sums.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plan/spectrum.hpp"

using namespace nanobragg;

namespace {

std::vector<SpectralLine> lamp(int lines, std::mt19937_64& random) {
    std::uniform_real_distribution<double> part(0, 1);
    std::vector<SpectralLine> out;
    for (int i = 0; i < lines; ++i) out.push_back({1e10 * (0.99 + 0.02 * part(random)), part(random)});
    return out;
}

template <class Function>
double sum(const std::vector<SpectralLine>& lines, Function f) {
    double total = 0;
    for (const SpectralLine& line : lines) total += line.weight * f(line.inverse_wavelength);
    return total;
}

double one(double) { return 1; }

}  // namespace

TEST_CASE("n nodes integrate polynomials up to degree 2 n - 1, with weights that are not negative") {
    std::mt19937_64 random(1);
    for (const int lines : {2, 3, 10, 100, 1000}) {
        const auto all = lamp(lines, random);
        const double total = sum(all, one);
        for (const int n : {1, 2, 5, 20, 70}) {
            const auto few = Spectrum(all, n).nodes(n);
            CHECK(static_cast<int>(few.size()) == std::min(n, lines));
            for (const SpectralLine& line : few) CHECK(line.weight >= 0);
            for (int degree = 0; degree < 2 * n; ++degree) {
                const auto power = [degree](double x) { return std::pow((x / 1e10 - 1) / 0.01, degree); };
                CAPTURE(lines);
                CAPTURE(n);
                CAPTURE(degree);
                CHECK(std::abs(sum(few, power) - sum(all, power)) <= 1e-13 * total);
            }
        }
    }
}

TEST_CASE("a short spectrum sums the cosines that it promises to, and no fewer nodes would do") {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> part(0, 1);
    const auto all = lamp(500, random);
    double low = 2e10, high = 0;
    for (const SpectralLine& line : all) {
        low = std::min(low, line.inverse_wavelength);
        high = std::max(high, line.inverse_wavelength);
    }
    const double total = sum(all, one), half = (high - low) / 2;
    for (const double phase : {0.01, 0.5, 3.0, 20.0, 100.0}) {
        for (const double accuracy : {1e-6, 1e-12}) {
            const int n = nodes_for(phase, accuracy, 400);
            const Spectrum spectrum(all, n);
            CAPTURE(phase);
            CAPTURE(accuracy);
            const auto worst = [&](int nodes) {
                const auto few = spectrum.nodes(nodes);
                double most = 0;
                for (int i = 0; i < 50; ++i) {
                    const double shift = 7 * part(random);
                    const auto wave = [&](double x) { return std::cos(phase * (x - low - half) / half + shift); };
                    most = std::max(most, std::abs(sum(few, wave) - sum(all, wave)) / total);
                }
                return most;
            };
            CHECK(worst(n) <= accuracy + 3e-14 * (1 + phase));
            if (n > 2) CHECK(worst(n / 2) > accuracy);
        }
    }
}

TEST_CASE("a spectrum of few different wavelengths keeps them") {
    const std::vector<SpectralLine> lines = {{1.0, 2}, {3.0, 1}, {1.0, 5}, {2.0, 0}, {3.0, 4}};
    const auto nodes = Spectrum(lines, 4).nodes(4);
    REQUIRE(nodes.size() == 2);
    CHECK(nodes[0].inverse_wavelength == doctest::Approx(1).epsilon(1e-14));
    CHECK(nodes[0].weight == doctest::Approx(7).epsilon(1e-14));
    CHECK(nodes[1].inverse_wavelength == doctest::Approx(3).epsilon(1e-14));
    CHECK(nodes[1].weight == doctest::Approx(5).epsilon(1e-14));
    const auto same = Spectrum({{4.0, 1}, {4.0, 2}}, 1).nodes(1);
    REQUIRE(same.size() == 1);
    CHECK(same[0].inverse_wavelength == 4.0);
    CHECK(same[0].weight == 3.0);
}

TEST_CASE("more nodes than are allowed are not counted to the end") {
    CHECK(nodes_for(1e15, 1e-12, 30) == 31);
    CHECK(nodes_for(std::nan(""), 1e-12, 30) == 31);
    CHECK(nodes_for(INFINITY, 1e-12, 30) == 31);
    CHECK(nodes_for(0, 1e-12, 30) == 1);
}
