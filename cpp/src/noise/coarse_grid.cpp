// Compiled without contraction: the same bits on every processor.
#include "nanobragg/coarse_grid.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "nanobragg/threads.hpp"

namespace nanobragg {
namespace {

constexpr std::size_t step = coarse_step, order = coarse_order;

// Lagrange's polynomials through the nodes of a block of pixels, which lies between the two in the middle.
struct Weights {
    float of[order][step];  // node, pixel of the block

    Weights() : of{} {
        for (std::size_t pixel = 0; pixel < step; ++pixel) {
            const double at = order / 2.0 - 1.0 + (static_cast<double>(pixel) + 0.5) / step;
            for (std::size_t node = 0; node < order; ++node) {
                double weight = 1.0;
                for (std::size_t other = 0; other < order; ++other) {
                    if (other == node) continue;
                    weight *=
                        (at - static_cast<double>(other)) / (static_cast<double>(node) - static_cast<double>(other));
                }
                of[node][pixel] = static_cast<float>(weight);
            }
        }
    }
};

const Weights& weights() {
    static const Weights all;
    return all;
}

std::size_t blocks_of(std::size_t pixels) { return (pixels + step - 1) / step; }

// Images of few nodes are done sooner than threads start.
int team_of(std::size_t nodes, int threads) { return nodes < 4096 ? 1 : thread_count(threads); }

// sum += the rows of a block, each by its weight for one node.
void add_rows(const float* row, std::size_t rows, std::size_t fast, std::size_t node, float* sum) {
    const Weights& w = weights();
    if (rows < step) {
        for (std::size_t i = 0; i < rows; ++i) {
            for (std::size_t x = 0; x < fast; ++x) sum[x] += w.of[node][i] * row[i * fast + x];
        }
        return;
    }
    float by[step];
    for (std::size_t i = 0; i < step; ++i) by[i] = w.of[node][i];
    for (std::size_t x = 0; x < fast; ++x) {
        float here = 0.0F;
        for (std::size_t i = 0; i < step; ++i) here += by[i] * row[i * fast + x];
        sum[x] += here;
    }
}

}  // namespace

std::size_t coarse_nodes(std::size_t pixels) { return blocks_of(pixels) + order - 1; }

void coarsen(const float* image, std::size_t slow, std::size_t fast, int threads, float* coarse) {
    const Weights& w = weights();
    const std::size_t rows = coarse_nodes(slow), columns = coarse_nodes(fast), blocks = blocks_of(fast);
    const auto last = static_cast<std::int64_t>(rows);
    const int team = team_of(rows * columns, threads);
#pragma omp parallel num_threads(team)
    {
        std::vector<float> sum(blocks * step);
#pragma omp for schedule(static)
        for (std::int64_t number = 0; number < last; ++number) {
            const auto row = static_cast<std::size_t>(number);
            std::fill(sum.begin(), sum.end(), 0.0F);
            for (std::size_t block = row < order ? 0 : row - order + 1; block <= row; ++block) {
                const std::size_t first = block * step;
                if (first >= slow) break;
                add_rows(image + first * fast, std::min(step, slow - first), fast, row - block, sum.data());
            }
            float* out = coarse + row * columns;
            std::fill(out, out + columns, 0.0F);
            for (std::size_t block = 0; block < blocks; ++block) {
                for (std::size_t node = 0; node < order; ++node) {
                    float here = 0.0F;
                    for (std::size_t i = 0; i < step; ++i) here += w.of[node][i] * sum[block * step + i];
                    out[block + node] += here;
                }
            }
        }
    }
}

void refine(const float* coarse, std::size_t slow, std::size_t fast, int threads, float* image) {
    const Weights& w = weights();
    const std::size_t rows = coarse_nodes(slow), columns = coarse_nodes(fast), blocks = blocks_of(fast);
    const auto last = static_cast<std::int64_t>(slow);
    const int team = team_of(rows * columns, threads);
#pragma omp parallel num_threads(team)
    {
        std::vector<float> along(columns), line(blocks * step);
#pragma omp for schedule(static)
        for (std::int64_t number = 0; number < last; ++number) {
            const auto row = static_cast<std::size_t>(number);
            const float* from = coarse + row / step * columns;
            std::fill(along.begin(), along.end(), 0.0F);
            for (std::size_t node = 0; node < order; ++node) {
                const float by = w.of[node][row % step];
                for (std::size_t x = 0; x < columns; ++x) along[x] += by * from[node * columns + x];
            }
            std::fill(line.begin(), line.end(), 0.0F);
            for (std::size_t block = 0; block < blocks; ++block) {
                for (std::size_t node = 0; node < order; ++node) {
                    const float value = along[block + node];
                    for (std::size_t i = 0; i < step; ++i) line[block * step + i] += w.of[node][i] * value;
                }
            }
            float* out = image + row * fast;
            for (std::size_t x = 0; x < fast; ++x) out[x] += line[x];
        }
    }
}

}  // namespace nanobragg
