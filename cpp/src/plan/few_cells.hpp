// Polynomials in place of sin(N x)/sin(x) where a block has few cells.
#pragma once

#include "physics/kernel_scene.hpp"

namespace nanobragg {

// For N up to 8 along each axis.
CellPolynomials few_cells(const double cells[3]);

}  // namespace nanobragg
