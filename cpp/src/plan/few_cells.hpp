// Polynomials in place of sin(N x)/sin(x) where a block has few cells.
#pragma once

#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Whether N is whole along each axis: only then is F_latt^2 of a square block a sum of cosines.
bool whole_cells(const double cells[3]);

// For whole N up to 8 along each axis.
CellPolynomials few_cells(const double cells[3]);

}  // namespace nanobragg
