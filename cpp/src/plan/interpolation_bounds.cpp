#include "plan/interpolation_bounds.hpp"

#include <algorithm>
#include <cmath>

namespace nanobragg {
namespace {

// A cubic polynomial through values at -1, 0, 1, 2 lies, between 0 and 1, between the least and the largest of four
// sums of these values: its coefficients in Bernstein's basis.
constexpr double kCoefficients[4][4] = {
    {0, 1, 0, 0}, {-1.0 / 9, 5.0 / 6, 1.0 / 3, -1.0 / 18}, {-1.0 / 18, 1.0 / 3, 5.0 / 6, -1.0 / 9}, {0, 0, 1, 0}};

// out = the sum over j of the coefficients times a row of values, `step` apart.
void combine(const double* values, std::int64_t step, const double* coefficients, std::int64_t n, double* out) {
    const double *a = values, *b = a + step, *c = b + step, *d = c + step;
    const double u = coefficients[0], v = coefficients[1], w = coefficients[2], x = coefficients[3];
    for (std::int64_t i = 0; i < n; ++i) out[i] = (u * a[i] + v * b[i]) + (w * c[i] + x * d[i]);
}

}  // namespace

std::vector<double> largest_between_points(const Scene& s) {
    const std::int64_t *n = s.f_shape, row = n[2], plane = n[1] * n[2];
    std::vector<double> most(static_cast<std::size_t>(s.grid_points()), 0.0);
    if (n[0] < 4 || n[1] < 4 || n[2] < 4) return most;
    double largest = 0;
    for (std::int64_t i = 0; i < s.grid_points(); ++i) largest = std::max(largest, std::abs(s.f_grid[i]));
    const double rounding = 1e-12 * largest;
    std::vector<double> along_h(static_cast<std::size_t>(plane)), along_k(static_cast<std::size_t>(row)),
        along_l = along_k;
    for (std::int64_t h = 1; h < n[0] - 2; ++h) {
        for (const auto& of_h : kCoefficients) {
            combine(s.f_grid + (h - 1) * plane, plane, of_h, plane, along_h.data());
            for (std::int64_t k = 1; k < n[1] - 2; ++k) {
                double* own = most.data() + h * plane + k * row + 1;
                for (const auto& of_k : kCoefficients) {
                    combine(along_h.data() + (k - 1) * row, row, of_k, row, along_k.data());
                    for (const auto& of_l : kCoefficients) {
                        combine(along_k.data(), 1, of_l, row - 3, along_l.data());
                        for (std::int64_t l = 0; l < row - 3; ++l) own[l] = std::max(own[l], std::abs(along_l[l]));
                    }
                }
            }
        }
    }
    for (double& each : most) each = each > 0 ? (each + rounding) * (each + rounding) : rounding * rounding;
    return most;
}

}  // namespace nanobragg
