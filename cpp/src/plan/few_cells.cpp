#include "plan/few_cells.hpp"

#include <algorithm>
#include <cmath>

namespace nanobragg {

bool whole_cells(const double cells[3]) {
    return std::all_of(cells, cells + 3, [](double n) { return n == std::floor(n); });
}

// sin(N x)/sin(x) = U_{N-1}(cos x) as a polynomial of c = cos(2 x): from sums of cosines for odd N, and for even N
// after taking out 2 cos x, whose square is 2 + 2 c. Short enough to be exact in single precision up to N = 8.
CellPolynomials few_cells(const double cells[3]) {
    static constexpr double kOdd[4][4] = {{1, 0, 0, 0}, {1, 2, 0, 0}, {-1, 2, 4, 0}, {-1, -4, 4, 8}};
    static constexpr double kEven[4][4] = {{1, 0, 0, 0}, {0, 2, 0, 0}, {-1, 0, 4, 0}, {0, -4, 0, 8}};
    CellPolynomials few{};
    for (int axis = 0; axis < 3; ++axis) {
        if (!(cells[axis] <= 8) || !whole_cells(cells)) {
            few.degree = -1;
            few.any_even = false;
            return few;
        }
        const int n = static_cast<int>(cells[axis]);
        const bool even = n % 2 == 0;
        const int own = (n - 1) / 2;
        std::copy_n(even ? kEven[own] : kOdd[own], 4, few.polynomial[axis]);
        few.even[axis] = even ? 2 : 0;
        few.odd[axis] = even ? 2 : 1;
        few.degree = std::max(few.degree, own);
        few.any_even |= even;
    }
    return few;
}

}  // namespace nanobragg
