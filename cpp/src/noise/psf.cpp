// Compiled without contraction: every product and sum is rounded as noisify.c's is, whatever the width of the vectors.
#include "nanobragg/psf.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "nanobragg/error.hpp"
#include "nanobragg/threads.hpp"
#include "targets.hpp"

namespace nanobragg {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double ln_2 = 0.69314718055994530942, ln_4 = 1.38629436111989061883, ln_16 = 2.77258872223978123767;

// fwhm of a Moffat function in its parameter g, as the original has it.
constexpr double fiber_parameter = 0.652383013252053;

// What x86-64 makes of a double where a C program asks for an int.
std::int32_t to_int(double value) {
    constexpr double limit = 2147483648.0;
    return value > -limit - 1.0 && value < limit ? static_cast<std::int32_t>(value)
                                                 : std::numeric_limits<std::int32_t>::min();
}

double wrapped_square(std::int32_t value) {
    const auto bits = static_cast<std::uint32_t>(value);
    return static_cast<double>(static_cast<std::int32_t>(bits * bits));
}

// The integral of the function from a corner at infinity, up to a constant that cancels, at pixel corners.
std::vector<double> fiber_kernel(double g, std::int32_t radius, int threads) {
    const std::int64_t size = 2 * std::int64_t{radius} + 1, corners = size + 1;
    std::vector<double> corner(static_cast<std::size_t>(corners * corners));
    const int team = corners < 64 ? 1 : thread_count(threads);
#pragma omp parallel for schedule(static) num_threads(team)
    for (std::int64_t row = 0; row < corners; ++row) {
        const double y = static_cast<double>(row - radius) - 0.5;
        for (std::int64_t column = 0; column < corners; ++column) {
            const double x = static_cast<double>(column - radius) - 0.5;
            corner[static_cast<std::size_t>(row * corners + column)] =
                std::atan((x * y) / (g * std::sqrt(g * g + x * x + y * y))) / 2.0 / pi;
        }
    }
    std::vector<double> kernel(static_cast<std::size_t>(size * size));
    for (std::int64_t row = 0; row < size; ++row) {
        const double *low = corner.data() + row * corners, *high = low + corners;
        for (std::int64_t column = 0; column < size; ++column) {
            kernel[static_cast<std::size_t>(row * size + column)] =
                high[column + 1] - low[column + 1] - high[column] + low[column];
        }
    }
    return kernel;
}

std::vector<double> gauss_kernel(double width, std::int32_t radius) {
    const std::int64_t size = 2 * std::int64_t{radius} + 1;
    const double half = 1.0 / width / 2.0, ratio = std::sqrt(ln_16 / ln_2);
    // Error functions at both edges of every pixel; those of x and of y are written in two ways.
    std::vector<double> x_low, x_high, y_low, y_high;
    for (std::int64_t i = -radius; i <= radius; ++i) {
        const double low = static_cast<double>(i) / width - half, high = static_cast<double>(i) / width + half;
        x_low.push_back(std::erf(2.0 * low * std::sqrt(ln_2)));
        x_high.push_back(std::erf(2.0 * high * std::sqrt(ln_2)));
        y_low.push_back(std::erf(low * std::sqrt(ln_16)));
        y_high.push_back(std::erf(high * std::sqrt(ln_16)));
    }
    const auto corner = [ratio](double x, double y) { return 0.125 * (x * y * ratio); };
    std::vector<double> kernel(static_cast<std::size_t>(size * size));
    for (std::size_t row = 0; row < static_cast<std::size_t>(size); ++row) {
        for (std::size_t column = 0; column < static_cast<std::size_t>(size); ++column) {
            kernel[row * static_cast<std::size_t>(size) + column] =
                corner(x_high[column], y_high[row]) - corner(x_high[column], y_low[row]) -
                corner(x_low[column], y_high[row]) + corner(x_low[column], y_low[row]);
        }
    }
    return kernel;
}

// Columns of a kernel's row within a radius, to either side of the centre.
std::int32_t half_width(std::int32_t radius, std::int32_t dy) {
    const double square = static_cast<double>(radius) * radius - static_cast<double>(dy) * dy;
    return static_cast<std::int32_t>(std::sqrt(square));
}

// A pixel that spreads.
struct Spreader {
    std::int32_t fast, radius;
    double photons;
};

struct SourceRow {
    std::vector<Spreader> sources;  // in the order of the fast axis
    std::int32_t reach = -1;        // largest radius
};

constexpr std::int32_t widest = 8;       // lanes of the widest vectors
constexpr std::int32_t margin = widest;  // columns of zeros on both sides of a row of the kernel

// Vectors of so many doubles, and of their bits.
template <int lanes>
struct Vectors {
    using Doubles __attribute__((vector_size(8 * lanes))) = double;
    using Bits __attribute__((vector_size(8 * lanes))) = std::int64_t;
};

// Windows on these are masks that leave out lanes at the beginning, and at the end.
struct Masks {
    std::int64_t begin[2 * widest], end[2 * widest];

    Masks() {
        for (std::int32_t i = 0; i < 2 * widest; ++i) {
            begin[i] = i < widest ? 0 : -1;
            end[i] = i < widest ? -1 : 0;
        }
    }
};

// The part of the kernel within a radius, with zeros around: whole squares of it can be added without looking where the
// circle ends.
struct Square {
    std::int32_t radius = 0;
    std::size_t stride = 0;
    std::vector<double> values;  // rows, each between margins; empty: not needed, or too large

    const double* row(std::int32_t dy) const {
        return values.data() + static_cast<std::size_t>(dy + radius) * stride +
               static_cast<std::size_t>(radius + margin);
    }
};
constexpr std::int32_t largest_square = 48;

// Everything that bands share.
struct Spread {
    std::int32_t slow, fast, radius;
    std::vector<double> kernel;  // rows of `stride`, dx = 0 at `origin`
    std::size_t stride, origin;
    std::vector<SourceRow> rows;
    std::vector<std::vector<std::int32_t>> halves;  // columns to either side by radius and |dy|, of radii that occur
    std::vector<Square> squares;                    // by radius
    bool masked;                                    // radii differ: a kernel's row is used in part
    bool wrap;
    bool not_finite = false;  // some photons are not: 0 times them is not 0
    Masks masks;

    const double* kernel_row(std::int32_t dy) const {
        return kernel.data() + static_cast<std::size_t>(dy + radius) * stride + origin;
    }
};

// A sum rounded to float, as a double.
double rounded(double value) { return static_cast<double>(static_cast<float>(value)); }

// Adds photons times a vector of the kernel to as many targets, and rounds these to float; masks, where there are any,
// leave lanes out. Rounding: with 1.5 times 2^29 times the value's power of 2 added, a double has as many bits for the
// value as a float has, and is rounded to them; then it is taken away again. (Not so where floats are denormal. No
// vector is handed to a function: that would be another one for every instruction set.)
template <int lanes>
[[gnu::always_inline]] inline void add(double* to, const double* kernel, double photons, const std::int64_t* front,
                                       const std::int64_t* back) {
    using V = Vectors<lanes>;
    typename V::Doubles share, target;
    typename V::Bits mask, bits;
    std::memcpy(&share, kernel, sizeof share);
    std::memcpy(&target, to, sizeof target);
    share *= photons;
    for (const std::int64_t* from : {front, back}) {
        if (from == nullptr) continue;
        std::memcpy(&mask, from, sizeof mask);
        std::memcpy(&bits, &share, sizeof bits);
        bits &= mask;
        std::memcpy(&share, &bits, sizeof share);
    }
    target += share;
    constexpr std::int64_t exponent = 0x7FF0000000000000;
    constexpr double raise = 1.5 * 536870912.0;
    std::memcpy(&bits, &target, sizeof bits);
    bits &= exponent;
    std::memcpy(&share, &bits, sizeof share);
    share *= raise;
    target = (target + share) - share;
    std::memcpy(to, &target, sizeof target);
}

// Adds one source's share to one row of targets, whole vectors that cover the columns [first, last]; `kernel` is the
// row's, with dx = 0 at the source. Lanes beside the columns get 0, which changes nothing: the kernel is 0 outside its
// radius, and where that is not the source's they are masked.
template <int lanes>
[[gnu::always_inline]] inline void add_row(const Spread& s, double* row, const double* kernel, double photons,
                                           std::int32_t source, std::int32_t first, std::int32_t last) {
    const std::int32_t begin = first / lanes * lanes, end = last / lanes * lanes;
    const double* k = kernel - source;
    if (!s.masked) {
        for (std::int32_t x = begin; x <= end; x += lanes) add<lanes>(row + x, k + x, photons, nullptr, nullptr);
        return;
    }
    const std::int64_t *front = s.masks.begin + widest - (first - begin),
                       *back = s.masks.end + widest - (last - end) - 1;
    if (begin == end) {
        add<lanes>(row + begin, k + begin, photons, front, back);
        return;
    }
    add<lanes>(row + begin, k + begin, photons, front, nullptr);
    for (std::int32_t x = begin + lanes; x < end; x += lanes) add<lanes>(row + x, k + x, photons, nullptr, nullptr);
    add<lanes>(row + end, k + end, photons, nullptr, back);
}

// Adds one source's share to `rows` rows of targets, `count` vectors in each, which cover its columns.
template <int lanes, int count>
[[gnu::always_inline]] inline void add_vectors(double* to, std::size_t stride, const double* kernel,
                                               std::size_t kernel_stride, double photons, std::int32_t rows) {
    for (std::int32_t row = 0; row < rows; ++row) {
        for (int i = 0; i < count; ++i) add<lanes>(to + i * lanes, kernel + i * lanes, photons, nullptr, nullptr);
        to += stride;
        kernel += kernel_stride;
    }
}

// The same for the rows [low, high] of the band, which are in the image, and the square of a source in row y0.
template <int lanes>
[[gnu::always_inline]] inline void add_square(const Square& square, std::int32_t image_fast, const Spreader& source,
                                              std::int32_t y0, std::int32_t low, std::int32_t high, std::int32_t begin,
                                              std::size_t stride, double* band) {
    const std::int32_t first = std::max(source.fast - source.radius, 0) / lanes,
                       last = std::min(source.fast + source.radius, image_fast - 1) / lanes;
    const std::int32_t column = first * lanes, rows = high - low + 1;
    double* to = band + static_cast<std::size_t>(low - begin) * stride + static_cast<std::size_t>(column);
    const double* kernel = square.row(low - y0) + (column - source.fast);
    switch (last - first + 1) {
        case 1:
            return add_vectors<lanes, 1>(to, stride, kernel, square.stride, source.photons, rows);
        case 2:
            return add_vectors<lanes, 2>(to, stride, kernel, square.stride, source.photons, rows);
        case 3:
            return add_vectors<lanes, 3>(to, stride, kernel, square.stride, source.photons, rows);
        case 4:
            return add_vectors<lanes, 4>(to, stride, kernel, square.stride, source.photons, rows);
        case 5:
            return add_vectors<lanes, 5>(to, stride, kernel, square.stride, source.photons, rows);
        case 6:
            return add_vectors<lanes, 6>(to, stride, kernel, square.stride, source.photons, rows);
        default:
            for (std::int32_t row = 0; row < rows; ++row) {
                for (std::int32_t i = 0; i <= last - first; ++i) {
                    add<lanes>(to + i * lanes, kernel + i * lanes, source.photons, nullptr, nullptr);
                }
                to += stride;
                kernel += square.stride;
            }
    }
}

// One source, target by target, as the original goes through them.
void add_one_by_one(const Spread& s, const Spreader& source, std::int32_t y0, std::int32_t begin, std::int32_t end,
                    std::size_t stride, double* band) {
    for (std::int32_t dx = -source.radius; dx <= source.radius; ++dx) {
        const std::int32_t half = half_width(source.radius, dx), x = source.fast + dx;
        if (x < 0 || x > s.fast - (s.wrap ? 0 : 1)) continue;
        for (std::int32_t y = std::max(y0 - half, 0); y <= y0 + half; ++y) {
            const double k = s.kernel_row(y - y0)[dx];
            const std::int32_t row = x == s.fast ? y + 1 : y, column = x == s.fast ? 0 : x;
            if (k == 0.0 || row < begin || row >= end) continue;
            double& target = band[static_cast<std::size_t>(row - begin) * stride + static_cast<std::size_t>(column)];
            target = rounded(target + source.photons * k);
        }
    }
}

// Targets of the rows [begin, end), in `band`, rows of `stride` floats.
template <int lanes>
[[gnu::always_inline]] inline void spread_band(const Spread& s, std::int32_t begin, std::int32_t end,
                                               std::size_t stride, double* band) {
    for (std::int32_t y0 = 0; y0 < s.slow; ++y0) {
        const SourceRow& row = s.rows[static_cast<std::size_t>(y0)];
        // The row above the band matters, too: what leaves it on the right comes in on the left of the band's first.
        if (y0 + row.reach < begin - 1 || y0 - row.reach >= end) continue;
        for (const Spreader& source : row.sources) {
            const std::int32_t low = std::max(y0 - source.radius, begin - 1),
                               high = std::min(y0 + source.radius, end - 1);
            if (s.not_finite) {
                add_one_by_one(s, source, y0, begin, end, stride, band);
                continue;
            }
            const std::int32_t* halves = s.halves[static_cast<std::size_t>(source.radius)].data();
            const Square& square = s.squares[static_cast<std::size_t>(source.radius)];
            const bool small = !square.values.empty();
            if (small && high >= begin) {
                add_square<lanes>(square, s.fast, source, y0, std::max(low, begin), high, begin, stride, band);
            }
            for (std::int32_t y = std::max(low, begin); !small && y <= high; ++y) {
                const std::int32_t half = halves[std::abs(y - y0)];
                add_row<lanes>(s, band + static_cast<std::size_t>(y - begin) * stride, s.kernel_row(y - y0),
                               source.photons, source.fast, std::max(source.fast - half, 0),
                               std::min(source.fast + half, s.fast - 1));
            }
            if (!s.wrap || source.fast + source.radius < s.fast) continue;
            const std::int32_t dx = s.fast - source.fast;
            for (std::int32_t y = std::max(low, 0); y <= std::min(high, end - 2); ++y) {
                if (dx > halves[std::abs(y - y0)]) continue;
                double& target = band[static_cast<std::size_t>(y + 1 - begin) * stride];
                target = rounded(target + source.photons * s.kernel_row(y - y0)[dx]);
            }
        }
    }
}

using Band = void (*)(const Spread&, std::int32_t, std::int32_t, std::size_t, double*);

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute may not stand in parentheses
#define NANOBRAGG_BAND(suffix, lanes, attribute)                                                            \
    attribute void band_##suffix(const Spread& s, std::int32_t begin, std::int32_t end, std::size_t stride, \
                                 double* band) {                                                            \
        spread_band<lanes>(s, begin, end, stride, band);                                                    \
    }
// NOLINTEND(bugprone-macro-parentheses)

NANOBRAGG_BAND(baseline, 2, )
NANOBRAGG_BAND(avx2, 4, NANOBRAGG_AVX2)
NANOBRAGG_BAND(avx512, 8, NANOBRAGG_AVX512)

Band choose_band() { return version_of_run<Band>(band_baseline, band_avx2, band_avx512); }

// The function's part outside radius, and the radius beyond which a tenth of a pixel's counting error falls.
struct Tails {
    PsfShape shape;
    double width, g;
    std::int32_t given, most;
    bool drop_faint;

    std::int32_t automatic(double photons, bool of_largest) const {
        const double lost = std::sqrt(photons) / 10.0;
        if (shape == PsfShape::fiber) return to_int(1.0 + std::ceil(g * (photons / lost)));
        const double logarithm = -std::log(lost / photons);
        if (!drop_faint && logarithm < 0.0) return 1;
        return to_int(1.0 + std::ceil(std::sqrt(of_largest ? logarithm / ln_4 / 2.0 : logarithm / ln_16) * width));
    }

    std::int32_t of(double photons) const {
        const std::int32_t radius = given != 0 ? given : automatic(photons, false);
        return std::min(radius == 0 ? 1 : radius, most);
    }

    double lost(double photons, std::int32_t radius) const {
        if (shape == PsfShape::fiber) return photons * g / std::sqrt(g * g + wrapped_square(radius));
        const double square = static_cast<double>(radius) / width * (static_cast<double>(radius) / width);
        return photons * std::exp(-ln_16 * square);
    }
};

// Rows of sources, and the light that all of them lose, added up in reading order.
double find_sources(const float* image, const Tails& tails, const PsfRules& rules, int team, Spread& s) {
    std::vector<std::vector<double>> lost(s.rows.size());
#pragma omp parallel for schedule(dynamic, 16) num_threads(team)
    for (std::int32_t y = 0; y < s.slow; ++y) {
        SourceRow& row = s.rows[static_cast<std::size_t>(y)];
        for (std::int32_t x = 0; x < s.fast; ++x) {
            const double photons = static_cast<double>(
                image[static_cast<std::size_t>(y) * static_cast<std::size_t>(s.fast) + static_cast<std::size_t>(x)]);
            if (photons == 0.0 || (rules.drop_negative && photons <= 0.0)) continue;
            const bool left_alone = std::isnan(photons) && !rules.spread_nan;
            const std::int32_t radius = tails.of(left_alone ? 1.0 : std::fabs(photons));
            if (!left_alone) lost[static_cast<std::size_t>(y)].push_back(tails.lost(photons, radius));
            if (radius < 0) continue;
            row.sources.push_back({x, std::min(radius, s.radius), photons});
            row.reach = std::max(row.reach, row.sources.back().radius);
        }
    }
    s.halves.resize(static_cast<std::size_t>(s.radius) + 1);
    for (const SourceRow& row : s.rows) {
        for (const Spreader& source : row.sources) {
            s.not_finite = s.not_finite || !std::isfinite(source.photons);
            auto& halves = s.halves[static_cast<std::size_t>(source.radius)];
            if (!halves.empty()) continue;
            for (std::int32_t dy = 0; dy <= source.radius; ++dy) halves.push_back(half_width(source.radius, dy));
        }
    }
    double total = 0;
    for (const auto& row : lost) {
        for (const double light : row) total += light;
    }
    return total;
}

// Squares for the radii that occur.
void make_squares(Spread& s) {
    s.squares.resize(s.halves.size());
    for (std::int32_t radius = 0; radius <= std::min(s.radius, largest_square); ++radius) {
        const auto& halves = s.halves[static_cast<std::size_t>(radius)];
        if (halves.empty()) continue;
        Square& square = s.squares[static_cast<std::size_t>(radius)];
        square.radius = radius;
        square.stride = 2 * (static_cast<std::size_t>(radius) + margin) + 1;
        square.values.assign(square.stride * static_cast<std::size_t>(2 * radius + 1), 0.0);
        for (std::int32_t dy = -radius; dy <= radius; ++dy) {
            const std::int32_t half = halves[static_cast<std::size_t>(std::abs(dy))];
            const double* from = s.kernel_row(dy) - half;
            std::copy_n(from, 2 * half + 1, const_cast<double*>(square.row(dy)) - half);
        }
    }
}

// Sums of the kernel within every radius.
std::vector<double> sums_within(const Spread& s) {
    std::vector<double> sums(static_cast<std::size_t>(s.radius) + 1);
    for (std::int32_t dy = -s.radius; dy <= s.radius; ++dy) {
        const std::int32_t half = half_width(s.radius, dy);
        for (std::int32_t dx = -half; dx <= half; ++dx) {
            const double distance = std::sqrt(static_cast<double>(dx) * dx + static_cast<double>(dy) * dy);
            sums[static_cast<std::size_t>(std::ceil(distance))] += s.kernel_row(dy)[dx];
        }
    }
    for (std::size_t radius = 1; radius < sums.size(); ++radius) sums[radius] += sums[radius - 1];
    return sums;
}

}  // namespace

std::vector<double> psf_kernel(PsfShape shape, double width, std::int32_t radius, bool round, int threads) {
    if (!(width > 0.0) || radius < 0) throw InputError("psf: expected a positive width and radius");
    auto kernel =
        shape == PsfShape::fiber ? fiber_kernel(width * fiber_parameter, radius, threads) : gauss_kernel(width, radius);
    const std::size_t size = 2 * static_cast<std::size_t>(radius) + 1;
    for (std::int32_t dy = -radius; round && dy <= radius; ++dy) {
        double* row = kernel.data() + static_cast<std::size_t>(dy + radius) * size;
        const std::int32_t half = half_width(radius, dy);
        std::fill(row, row + (radius - half), 0.0);
        std::fill(row + radius + half + 1, row + size, 0.0);
    }
    return kernel;
}

PsfReport spread(const float* image, std::size_t slow, std::size_t fast, PsfShape shape, double width,
                 std::int32_t radius, const PsfRules& rules, int threads, float* out) {
    PsfReport report;
    const std::size_t pixels = slow * fast;
    const Tails tails{
        shape,           width, width * fiber_parameter, radius, static_cast<std::int32_t>(std::max(slow, fast)),
        rules.drop_faint};
    report.radius = radius;
    if (radius <= 0) {
        report.automatic = true;
        for (std::size_t i = 0; i < pixels; ++i) {
            const double value = static_cast<double>(image[i]);
            report.largest = std::max(report.largest, rules.drop_negative ? value : std::fabs(value));
        }
        if (report.largest <= 0.0) {
            report.empty = true;
            std::fill_n(out, pixels, 0.0F);
            return report;
        }
        report.radius = tails.automatic(report.largest, true);
    }
    Spread s;
    s.slow = static_cast<std::int32_t>(slow);
    s.fast = static_cast<std::int32_t>(fast);
    s.radius = std::max(std::min(report.radius == 0 ? 1 : report.radius, tails.most), 0);
    s.masked = radius == 0;
    s.wrap = rules.wrap;
    s.rows.resize(slow);
    constexpr std::size_t small = 1 << 12;  // pixels
    const int team = pixels < small ? 1 : thread_count(threads);
    report.lost = find_sources(image, tails, rules, team, s);
    const bool any = std::any_of(s.rows.begin(), s.rows.end(), [](const SourceRow& row) { return row.reach >= 0; });
    if (any) {
        const auto kernel = psf_kernel(shape, width, s.radius, true, threads);
        const std::size_t size = 2 * static_cast<std::size_t>(s.radius) + 1;
        s.stride = size + 2 * static_cast<std::size_t>(margin);
        s.origin = static_cast<std::size_t>(s.radius) + margin;
        s.kernel.assign(s.stride * size, 0.0);
        for (std::size_t row = 0; row < size; ++row) {
            std::copy_n(kernel.data() + row * size, size,
                        s.kernel.data() + row * s.stride + static_cast<std::size_t>(margin));
        }
        make_squares(s);
        if (rules.conserve) {
            const auto sums = sums_within(s);
            for (SourceRow& row : s.rows) {
                for (Spreader& source : row.sources) source.photons /= sums[static_cast<std::size_t>(source.radius)];
            }
        }
    }
    constexpr std::int32_t height = 64;
    const std::int32_t bands = (s.slow + height - 1) / height;
    const std::size_t stride = (fast + widest - 1) / widest * widest;
    const Band band = choose_band();
    const double share = rules.tail ? report.lost / static_cast<double>(pixels) : 0.0;
#pragma omp parallel num_threads(team)
    {
        std::vector<double> targets(static_cast<std::size_t>(height) * stride);
#pragma omp for schedule(dynamic)
        for (std::int32_t number = 0; number < bands; ++number) {
            const std::int32_t begin = number * height, end = std::min(begin + height, s.slow);
            std::fill(targets.begin(), targets.end(), 0.0);
            if (any) band(s, begin, end, stride, targets.data());
            for (std::int32_t y = begin; y < end; ++y) {
                const double* from = targets.data() + static_cast<std::size_t>(y - begin) * stride;
                float* to = out + static_cast<std::size_t>(y) * fast;
                for (std::size_t x = 0; x < fast; ++x) {
                    to[x] = static_cast<float>(from[x] + share);
                }
            }
        }
    }
    return report;
}

}  // namespace nanobragg
