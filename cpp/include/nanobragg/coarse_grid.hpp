// An image on a coarse grid, for what varies slowly over it: far tails of point spread functions (specs/response.md).
#pragma once

#include <cstddef>

namespace nanobragg {

/// Pixels from one node of the grid to the next, along either axis.
constexpr std::size_t coarse_step = 8;
/// A pixel's value is that of a polynomial through so many nodes around it, along either axis.
constexpr std::size_t coarse_order = 6;

/// Nodes along an axis of `pixels` pixels: all that its polynomials go through.
std::size_t coarse_nodes(std::size_t pixels);

/// Every pixel's value is given to the nodes around it, by the weights that `refine` has: `coarse` is
/// (coarse_nodes(slow), coarse_nodes(fast)). Results do not depend on the threads (0: all processors).
void coarsen(const float* image, std::size_t slow, std::size_t fast, int threads, float* coarse);

/// Adds to every pixel of the image the value there of the polynomials through `coarse`.
void refine(const float* coarse, std::size_t slow, std::size_t fast, int threads, float* image);

}  // namespace nanobragg
