// Point spread functions, applied as noisify.c applies them (specs/noisify.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nanobragg {

enum class PsfShape { gauss, fiber };

/// A function of full width at half maximum `width` (pixels), integrated over pixels: kernel[(dy + R)(2R + 1) + dx + R]
/// for dx, dy from -R to R = radius. With `round`, 0 outside the circle of that radius. Threads: 0 is all processors.
std::vector<double> psf_kernel(PsfShape shape, double width, std::int32_t radius, bool round, int threads);

/// What the original does that another point spread function would not.
struct PsfRules {
    bool wrap = true;  // light beyond the right edge by one pixel lands in column 0, one row down
    bool tail = true;  // light beyond a pixel's radius is spread evenly over the image
    bool drop_negative = true;
    bool drop_faint = true;  // a Gaussian of fewer than 0.01 photons has no radius
    bool spread_nan = true;  // one NaN makes the image NaN
    bool conserve = false;   // every pixel's kernel is normalised to 1
};

struct PsfReport {
    double largest = 0;                     // pixel, where the radius is automatic
    std::int32_t radius = 0;                // that of the largest pixel
    bool automatic = false, empty = false;  // empty: nothing to spread
    double lost = 0;                        // beyond the radii
};

/// The image (slow, fast) with every pixel spread. `radius` 0: automatic, by each pixel's value; negative: nothing is
/// spread but the tails. Every target is a sum in float over its sources in reading order, so that the result does not
/// depend on the threads. `out` must not be `image`.
PsfReport spread(const float* image, std::size_t slow, std::size_t fast, PsfShape shape, double width,
                 std::int32_t radius, const PsfRules& rules, int threads, float* out);

}  // namespace nanobragg
