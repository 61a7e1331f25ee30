// Far tails of point spread functions are on a coarse grid: what is wrong here would be wrong in every pixel.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "nanobragg/coarse_grid.hpp"

using namespace nanobragg;

namespace {

// Numbers without any order, between -1 and 1.
std::vector<float> some_numbers(std::size_t count, std::uint32_t state) {
    std::vector<float> out(count);
    for (float& value : out) {
        state = state * 1664525U + 1013904223U;
        value = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
    }
    return out;
}

double product(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

}  // namespace

TEST_CASE("giving to the nodes is the transpose of taking from them, whatever the edges and the threads") {
    for (const std::size_t slow : {1, 8, 37, 600}) {
        for (const std::size_t fast : {1, 16, 61, 523}) {
            const std::size_t nodes = coarse_nodes(slow) * coarse_nodes(fast);
            const std::vector<float> image = some_numbers(slow * fast, 1), coarse = some_numbers(nodes, 2);
            std::vector<float> given(nodes), taken(image.size()), again(nodes), twice(image.size());
            coarsen(image.data(), slow, fast, 1, given.data());
            refine(coarse.data(), slow, fast, 1, taken.data());
            CHECK(std::fabs(product(given, coarse) - product(image, taken)) < 2e-5 * std::sqrt(image.size() + 0.0));
            coarsen(image.data(), slow, fast, 3, again.data());
            refine(coarse.data(), slow, fast, 3, twice.data());
            CHECK(given == again);
            CHECK(taken == twice);
        }
    }
}

TEST_CASE("polynomials of the fifth degree are refined as they are, and added") {
    const auto f = [](double y, double x) { return 1.0 + x - y + x * y * y - std::pow(x, 5) + std::pow(y, 5) * x; };
    const std::size_t slow = 45, fast = 83, rows = coarse_nodes(slow), columns = coarse_nodes(fast);
    std::vector<float> coarse(rows * columns), image(slow * fast, 2.0F);
    // Node 2 is half a pixel before the middle of the first one.
    const auto place = [](double node) { return (8.0 * (node - 2.0) - 0.5) / 100.0; };
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t column = 0; column < columns; ++column) {
            const double y = place(static_cast<double>(row)), x = place(static_cast<double>(column));
            coarse[row * columns + column] = static_cast<float>(f(y, x));
        }
    }
    refine(coarse.data(), slow, fast, 1, image.data());
    for (std::size_t row = 0; row < slow; ++row) {
        for (std::size_t column = 0; column < fast; ++column) {
            const double expected = 2.0 + f(static_cast<double>(row) / 100.0, static_cast<double>(column) / 100.0);
            REQUIRE(std::fabs(static_cast<double>(image[row * fast + column]) - expected) < 2e-6);
        }
    }
}
