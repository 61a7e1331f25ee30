#include "nanobragg/photons.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nanobragg/threads.hpp"
#include "physics/philox.hpp"

namespace nanobragg {
namespace {

// The rows of the regions of interest, over all panels.
struct Rows {
    struct Row {
        std::int64_t at, width;  // index of the first pixel in the region; pixels in it
    };
    std::vector<Row> rows;
    std::int64_t all = 0, pixels = 0;  // rows, and pixels in the region

    explicit Rows(const Frame& frame) {
        for (const FrameRow& row : frame.rows()) {
            if (row.end == row.begin) continue;
            rows.push_back(
                {static_cast<std::int64_t>(row.start + row.begin), static_cast<std::int64_t>(row.end - row.begin)});
            pixels += rows.back().width;
        }
        all = static_cast<std::int64_t>(rows.size());
    }
    const Row& operator[](std::int64_t row) const { return rows[static_cast<std::size_t>(row)]; }
};

// Threads for a pass over the image: starting them costs more than a small one.
int team_of(const Frame& frame, int threads) {
    constexpr std::size_t small = 1 << 16;
    return frame.pixels() < small ? 1 : thread_count(threads);
}

struct RowSums {
    double total = 0, squares = 0;
    std::int64_t used = 0;
    float maximum = 0;
};

// Four sums side by side, so that the additions need not wait for each other.
RowSums sum_row(const float* row, const std::uint8_t* mask, std::int64_t width) {
    RowSums out;
    double total[4] = {}, squares[4] = {};
    float largest = 0;
    for (std::int64_t i = 0; i < width; ++i) {
        const float p = mask != nullptr && mask[i] == 0 ? 0.0F : row[i];
        const float square = p * p;  // rounded to float32, as nanoBragg.c's is
        total[i % 4] += static_cast<double>(p);
        squares[i % 4] += static_cast<double>(square);
        largest = p > largest ? p : largest;
    }
    out.total = (total[0] + total[1]) + (total[2] + total[3]);
    out.squares = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    out.used = mask == nullptr ? width : width - std::count(mask, mask + width, std::uint8_t{0});
    out.maximum = largest;
    return out;
}

double deviations_of_row(const float* row, const std::uint8_t* mask, std::int64_t width, double mean) {
    double sums[4] = {};
    for (std::int64_t i = 0; i < width; ++i) {
        const double p = mask != nullptr && mask[i] == 0 ? 0.0 : static_cast<double>(row[i]);
        sums[i % 4] += (p - mean) * (p - mean);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Up to this many pixels the sums are taken in nanoBragg.c's order, one addition after the other (about a millisecond):
// where one pixel stands alone, the last bit of rmsd decides about its grey level (golden case fuzz_3_5366).
constexpr std::int64_t in_order = 1 << 20;

// Calls visit(value) for every pixel of the rows, masked ones as 0, in reading order.
template <class Visit>
void each_pixel(const float* image, const std::uint8_t* mask, const Rows& rows, Visit visit) {
    for (std::int64_t row = 0; row < rows.all; ++row) {
        const auto [at, width] = rows[row];
        for (std::int64_t i = at; i < at + width; ++i) visit(mask != nullptr && mask[i] == 0 ? 0.0F : image[i]);
    }
}

}  // namespace

ImageStatistics image_statistics(const float* image, const Frame& frame, const std::uint8_t* mask, int threads) {
    const Rows rows(frame);
    const auto count = static_cast<std::size_t>(rows.all);
    std::vector<RowSums> sums(count);
    const int team = team_of(frame, threads);
    const auto mask_of = [&](std::int64_t at) { return mask == nullptr ? nullptr : mask + at; };
#pragma omp parallel for schedule(static) num_threads(team)
    for (std::int64_t row = 0; row < rows.all; ++row) {
        const auto [at, width] = rows[row];
        sums[static_cast<std::size_t>(row)] = sum_row(image + at, mask_of(at), width);
    }
    ImageStatistics out;
    double total = 0, squares = 0;
    std::int64_t used = 0, largest_row = -1;
    for (std::int64_t row = 0; row < rows.all; ++row) {
        const RowSums& r = sums[static_cast<std::size_t>(row)];
        total += r.total;
        squares += r.squares;
        used += r.used;
        if (r.maximum > out.maximum) {
            out.maximum = r.maximum;
            largest_row = row;
        }
    }
    const std::int64_t all = rows.pixels;
    if (all <= in_order) {
        total = squares = 0;
        each_pixel(image, mask, rows, [&](float p) {
            const float square = p * p;
            total += static_cast<double>(p);
            squares += static_cast<double>(square);
        });
    }
    if (largest_row >= 0) {
        const auto [at, width] = rows[largest_row];
        const float* begin = image + at;
        for (std::int64_t i = 0; i < width && out.maximum_at < 0; ++i) {
            const bool seen = mask == nullptr || mask[at + i] != 0;
            if (seen && begin[i] == out.maximum) out.maximum_at = at + i;
        }
    }
    out.mean = total / static_cast<double>(std::max<std::int64_t>(used, 1));
    double deviation = 0;
    if (all <= in_order) {
        each_pixel(image, mask, rows, [&](float p) {
            const double d = static_cast<double>(p) - out.mean;
            deviation += d * d;
        });
    } else {
        std::vector<double> deviations(count);
#pragma omp parallel for schedule(static) num_threads(team)
        for (std::int64_t row = 0; row < rows.all; ++row) {
            const auto [at, width] = rows[row];
            deviations[static_cast<std::size_t>(row)] = deviations_of_row(image + at, mask_of(at), width, out.mean);
        }
        for (const double d : deviations) deviation += d;
    }
    out.rms = std::sqrt(squares / static_cast<double>(std::max<std::int64_t>(used, 2) - 1));
    out.rmsd = std::sqrt(deviation / static_cast<double>(std::max<std::int64_t>(all, 2) - 1));
    return out;
}

template <class Pixel>
void image_integers(const float* image, const Frame& frame, double scale, double offset, int threads, Pixel* out) {
    const std::vector<FrameRow> rows = frame.rows();
    const auto count = static_cast<std::int64_t>(rows.size());
#pragma omp parallel for schedule(static) num_threads(team_of(frame, threads))
    for (std::int64_t number = 0; number < count; ++number) {
        const FrameRow& row = rows[static_cast<std::size_t>(number)];
        Pixel* to = out + row.start;
        const float* from = image + row.start;
        std::fill_n(to, row.begin, Pixel{0});
        std::fill(to + row.end, to + row.pixels, Pixel{0});
        for (std::size_t i = row.begin; i < row.end; ++i) {
            const double value = static_cast<double>(from[i]) * scale + offset;
            const double low = value > 0.0 ? value : 0.0;  // NaN becomes 0
            const double clamped = low < largest_pixel(Pixel{}) ? low : largest_pixel(Pixel{});
            const double raised = clamped + 0.5;
            const double rounded = clamped <= 65535.0
                                       ? static_cast<double>(static_cast<float>(raised))  // as the original
                                       : raised;
            to[i] = static_cast<Pixel>(static_cast<std::int32_t>(rounded));
        }
    }
}

template void image_integers(const float*, const Frame&, double, double, int, std::uint16_t*);
template void image_integers(const float*, const Frame&, double, double, int, std::int32_t*);

}  // namespace nanobragg
