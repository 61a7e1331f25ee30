// Reflections under symmetry, and sums over atoms, against loops over all indices and all operations.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "nanobragg/symmetry.hpp"
#include "nanobragg/waves.hpp"

using namespace nanobragg;

namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double hole = std::numeric_limits<double>::quiet_NaN();

SymmetryOperation operation(std::array<std::int32_t, 9> rotation, std::array<double, 3> translation) {
    return {rotation, translation};
}

const SymmetryOperation identity = operation({1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, 0});

SpaceGroup p21() { return {identity, operation({-1, 0, 0, 0, 1, 0, 0, 0, -1}, {0, 0.5, 0})}; }

SpaceGroup p43() {
    return {identity, operation({0, -1, 0, 1, 0, 0, 0, 0, 1}, {0, 0, 0.75}),
            operation({-1, 0, 0, 0, -1, 0, 0, 0, 1}, {0, 0, 0.5}),
            operation({0, 1, 0, -1, 0, 0, 0, 0, 1}, {0, 0, 0.25})};
}

SpaceGroup c_centred() { return {identity, operation({1, 0, 0, 0, 1, 0, 0, 0, 1}, {0.5, 0.5, 0})}; }

Ball ball(double a, double b, double c, double dmin) {
    Ball out;
    out.metric = {1 / (a * a), 0, 0, 0, 1 / (b * b), 0, 0, 0, 1 / (c * c)};
    out.largest = 1 / (dmin * dmin);
    out.bounds = {static_cast<std::int64_t>(a / dmin), static_cast<std::int64_t>(b / dmin),
                  static_cast<std::int64_t>(c / dmin)};
    return out;
}

using Hkl = std::array<std::int64_t, 3>;

Hkl turned(const Hkl& h, const SymmetryOperation& op) {
    Hkl out{};
    for (std::size_t column = 0; column < 3; ++column) {
        for (std::size_t row = 0; row < 3; ++row) out[column] += h[row] * op.rotation[3 * row + column];
    }
    return out;
}

std::size_t place(const Hkl& h, const Ball& b) {
    const auto shape = b.shape();
    return (static_cast<std::size_t>(h[0] + b.bounds[0]) * shape[1] + static_cast<std::size_t>(h[1] + b.bounds[1])) *
               shape[2] +
           static_cast<std::size_t>(h[2] + b.bounds[2]);
}

}  // namespace

TEST_CASE("one of each set of equivalents, and all of them again") {
    for (const SpaceGroup& group : {SpaceGroup{identity}, p21(), p43(), c_centred()}) {
        const Ball b = ball(17, 17, 23, 2.9);
        const std::vector<std::int32_t> unique = unique_reflections(group, b);
        std::set<Hkl> seen;
        for (std::size_t i = 0; i < unique.size(); i += 3) {
            const Hkl h{unique[i], unique[i + 1], unique[i + 2]};
            for (const SymmetryOperation& op : group) {
                const Hkl t = turned(h, op);
                seen.insert(t);
                seen.insert({-t[0], -t[1], -t[2]});
            }
        }
        std::vector<double> grid(b.shape()[0] * b.shape()[1] * b.shape()[2]);
        clear_grid(b.shape(), grid.data());
        std::vector<double> plus(unique.size() / 3), minus(unique.size() / 3, hole);
        for (std::size_t i = 0; i < plus.size(); ++i) plus[i] = static_cast<double>(i) + 1;
        minus.back() = -7;
        const Hkl minimum{-b.bounds[0], -b.bounds[1], -b.bounds[2]};
        spread_reflections(group, plus.size(), unique.data(), plus.data(), minus.data(), minimum, b.shape(),
                           grid.data());
        std::set<double> found;
        for (const double value : grid) {
            if (!std::isnan(value)) found.insert(value);
        }
        CHECK(found.count(-7) == 1);
        CHECK(found.size() == plus.size() + 1);
        const Completeness complete = complete_grid(group, b, 5.0, grid.data());
        std::uint64_t inside = 0;
        for (std::int64_t h = -b.bounds[0]; h <= b.bounds[0]; ++h) {
            for (std::int64_t k = -b.bounds[1]; k <= b.bounds[1]; ++k) {
                for (std::int64_t l = -b.bounds[2]; l <= b.bounds[2]; ++l) {
                    inside += b.holds(h, k, l);
                    const bool absent = b.holds(h, k, l) && seen.count({h, k, l}) == 0;
                    if (absent) CHECK(grid[place({h, k, l}, b)] == 0.0);
                    if (!b.holds(h, k, l)) CHECK(grid[place({h, k, l}, b)] == 5.0);
                }
            }
        }
        CHECK(complete.expected == seen.size() - 1);
        CHECK(complete.present_absences == 0);
        CHECK((group.size() == 1) == (seen.size() == inside));
    }
}

TEST_CASE("a row of a ball ends where the ball does") {
    Ball b;  // of an oblique cell
    b.metric = {0.004, 0.0011, -0.0014, 0.0011, 0.003, 0.0007, -0.0014, 0.0007, 0.0015};
    b.largest = 0.2;
    b.bounds = {9, 10, 14};
    for (std::int64_t h = -9; h <= 9; ++h) {
        for (std::int64_t k = -10; k <= 10; ++k) {
            const Ball::Row row = b.row(h, k);
            for (std::int64_t l = -14; l <= 14; ++l) CHECK(b.holds(h, k, l) == (l >= row.first && l <= row.last));
        }
    }
}

TEST_CASE("absences of screw axes and centring") {
    const Ball b = ball(20, 20, 20, 4);
    std::vector<double> grid(b.shape()[0] * b.shape()[1] * b.shape()[2], hole);
    grid[place({0, 3, 0}, b)] = 2.0;
    const Completeness found = complete_grid(p21(), b, 1.0, grid.data());
    CHECK(found.present_absences == 1);
    CHECK(grid[place({0, 1, 0}, b)] == 0.0);
    CHECK(grid[place({0, 2, 0}, b)] == 1.0);
    CHECK(grid[place({1, 1, 0}, b)] == 1.0);
    CHECK(grid[place({0, 3, 0}, b)] == 2.0);
    std::fill(grid.begin(), grid.end(), hole);
    complete_grid(c_centred(), b, 1.0, grid.data());
    CHECK(grid[place({1, 2, 0}, b)] == 0.0);
    CHECK(grid[place({1, 1, 3}, b)] == 1.0);
    // A glide plane across a - b, which turns h k l into k h l: it has the reflections h h l.
    const SpaceGroup glide{identity, operation({0, 1, 0, 1, 0, 0, 0, 0, 1}, {0, 0, 0.5})};
    std::fill(grid.begin(), grid.end(), hole);
    complete_grid(glide, b, 1.0, grid.data());
    CHECK(grid[place({1, 1, 3}, b)] == 0.0);
    CHECK(grid[place({1, 1, 2}, b)] == 1.0);
    CHECK(grid[place({2, 1, 3}, b)] == 1.0);
    // A screw axis along a + c, of one l of a row: it turns h k l into l -k h.
    const SpaceGroup screw{identity, operation({0, 0, 1, 0, -1, 0, 1, 0, 0}, {0.25, 0, 0.25})};
    std::fill(grid.begin(), grid.end(), hole);
    complete_grid(screw, b, 1.0, grid.data());
    CHECK(grid[place({3, 0, 3}, b)] == 0.0);
    CHECK(grid[place({2, 0, 2}, b)] == 1.0);
    CHECK(grid[place({1, 0, 3}, b)] == 1.0);
}

TEST_CASE("sums over symmetry are those over all atoms of the cell") {
    // One atom, by the transform of its wave alone and by its images in P 21.
    const std::array<double, 3> x{0.13, 0.41, 0.77};
    const Ball b = ball(20, 22, 24, 3);
    // Its second translation is no 48th of the cell.
    const SpaceGroup group{identity, operation({-1, 0, 0, 0, 1, 0, 0, 0, -1}, {0, 0.5, 0}),
                           operation({1, 0, 0, 0, -1, 0, 0, 0, 1}, {0.31, 0, 0.25})};
    const auto wave = [](double h, double k, double l, const std::array<double, 3>& place) {
        return std::exp(std::complex<double>(0, 2 * pi * (h * place[0] + k * place[1] + l * place[2])));
    };
    Transform transform;
    transform.shape = {7, 13, 14};
    std::vector<std::complex<float>> waves;
    for (int h = 0; h < 7; ++h) {
        for (int k = 0; k < 13; ++k) {
            for (int l = 0; l < 14; ++l) {
                waves.emplace_back(std::conj(wave(h, k > 6 ? k - 13 : k, l > 6 ? l - 14 : l, x)));
            }
        }
    }
    transform.waves = waves.data();
    transform.scale = 3;
    transform.blur = 9;
    const std::vector<std::int32_t> hkl{0, 0, 0, 4, -3, 2, 1, 0, -4, 0, 2, 3, 3, 3, 0, 6, 6, 6};
    std::vector<std::complex<float>> sums(6, 2.0F);
    sum_over_symmetry(group, transform, b, 6, hkl.data(), sums.data());
    CHECK(sums[5] == 2.0F);  // beyond the ball
    for (std::size_t i = 0; i < 5; ++i) {
        const double h = hkl[3 * i], k = hkl[3 * i + 1], l = hkl[3 * i + 2];
        std::complex<double> expected = 0;
        for (const SymmetryOperation& op : group) {
            std::array<double, 3> image = op.translation;
            for (std::size_t row = 0; row < 3; ++row) {
                for (std::size_t j = 0; j < 3; ++j) image[row] += op.rotation[3 * row + j] * x[j];
            }
            expected += wave(h, k, l, image);
        }
        expected *= 3 * std::exp(9 * b.inverse_d2(h, k, l) / 4);
        CHECK(std::abs(expected + 2.0 - std::complex<double>(sums[i])) < 1e-5);
    }
}

TEST_CASE("planes become columns, without what lies between the first rows and the last") {
    constexpr std::size_t count = 3, rows = 7, width = 4;
    std::vector<std::complex<float>> planes(count * rows * width);
    for (std::size_t i = 0; i < planes.size(); ++i) planes[i] = static_cast<float>(i);
    std::vector<std::complex<float>> values(width * 5 * 9, -1.0F);
    TransformColumns columns;
    columns.values = values.data();
    columns.shape = {width, 5, 9};
    put_planes(planes.data(), count, rows, 6, columns);
    for (std::size_t h = 0; h < width; ++h) {
        for (std::size_t k = 0; k < 5; ++k) {
            const std::size_t row = k < 3 ? k : k + 2;
            for (std::size_t z = 0; z < 9; ++z) {
                const std::complex<float> expected = z < 6 ? -1.0F : planes[((z - 6) * rows + row) * width + h];
                CHECK(values[(h * 5 + k) * 9 + z] == expected);
            }
        }
    }
}

TEST_CASE("amplitudes of mates") {
    const std::vector<std::complex<double>> f{{3, 4}, {1, -2}}, absorbing{{0, 0}, {0.5, 0.25}};
    std::vector<double> plus(2), minus(2);
    amplitudes_of_mates(f.data(), absorbing.data(), 2, plus.data(), minus.data());
    const std::complex<double> i(0, 1);
    for (std::size_t n = 0; n < 2; ++n) {
        CHECK(plus[n] == doctest::Approx(std::abs(f[n] + i * absorbing[n])).epsilon(1e-14));
        CHECK(minus[n] == doctest::Approx(std::abs(f[n] - i * absorbing[n])).epsilon(1e-14));
    }
    amplitudes_of_mates(f.data(), nullptr, 2, plus.data(), minus.data());
    CHECK(plus[1] == doctest::Approx(std::sqrt(5.0)));
    CHECK(minus[1] == plus[1]);
}

TEST_CASE("sums over atoms") {
    const Ball b = ball(11, 13, 300, 1.5);
    std::mt19937 random(5);
    std::uniform_real_distribution<double> unit(0, 1);
    AtomicModel model;
    model.elements = {{{2, 3, 1, 0.5}, {20, 8, 1, 50}, 0.25, 0.1, 0.3}, {{9, 1, 2, 3}, {2, 1, 7, 30}, 1.0, -2.0, 4.0}};
    model.groups = {{0, 0, 3, 12.0, false}, {0, 3, 4, 5.0, false}, {1, 4, 9, 0.0, true}};
    for (int i = 0; i < 9; ++i) {
        model.atoms.push_back({unit(random), unit(random), unit(random), 0.5 + unit(random)});
        model.tensors.push_back({2e-3, 3e-3, 4e-6, 5e-4, 2e-5, -3e-5});
    }
    std::vector<std::int32_t> hkl;
    for (std::int32_t l = -150; l < 151; ++l) hkl.insert(hkl.end(), {2, -3, l});  // several runs, one of them long
    hkl.insert(hkl.end(), {1, 1, 7, 1, 1, 9, -4, 2, -11, 0, 0, 0});
    const std::size_t n = hkl.size() / 3;
    std::vector<double> scattering(2 * n), absorbing(2 * n);
    sum_over_atoms(model, b, n, hkl.data(), scattering.data(), absorbing.data());
    for (std::size_t i = 0; i < n; ++i) {
        const double h = hkl[3 * i], k = hkl[3 * i + 1], l = hkl[3 * i + 2], s2 = b.inverse_d2(h, k, l);
        std::complex<double> one = 0, other = 0;
        for (const AtomGroup& group : model.groups) {
            const FormFactor& f = model.elements[group.element];
            double f0 = f.c + f.f_prime;
            for (std::size_t t = 0; t < 4; ++t) f0 += f.a[t] * std::exp(-f.b[t] * s2 / 4);
            for (std::size_t atom = group.begin; atom < group.end; ++atom) {
                const auto& x = model.atoms[atom];
                const auto& u = model.tensors[atom];
                const double beta =
                    u[0] * h * h + u[1] * k * k + u[2] * l * l + 2 * (u[3] * h * k + u[4] * h * l + u[5] * k * l);
                const double damping = std::exp(-(group.anisotropic ? beta : group.b_factor * s2 / 4));
                const std::complex<double> wave =
                    x[3] * damping * std::exp(std::complex<double>(0, 2 * pi * (h * x[0] + k * x[1] + l * x[2])));
                one += f0 * wave;
                other += f.f_double_prime * wave;
            }
        }
        CHECK(std::abs(one - std::complex<double>(scattering[2 * i], scattering[2 * i + 1])) < 1e-10);
        CHECK(std::abs(other - std::complex<double>(absorbing[2 * i], absorbing[2 * i + 1])) < 1e-10);
    }
}
