// Derivatives of the pixels of a piece of a panel, compiled for each instruction set by the slopes_*.cpp files:
// forward, along some directions in which a scene may change, or backward, to all of its numbers
// (specs/derivatives.md).
#include <math.h>

// clang-format off: in this order
#include "cpu/vectors.hpp"
#include "physics/lattice_slopes.hpp"
#include "physics/lookup.hpp"
#include "physics/pixel.hpp"
#include "physics/ray_slopes.hpp"
// clang-format on
#include "derivatives/task.hpp"

namespace nanobragg {
namespace NANOBRAGG_KERNEL_NAMESPACE {
namespace {

// clang-format off: in this order
#include "derivatives/slopes_rays.inl"
#include "derivatives/slopes_sweep.inl"
#include "derivatives/slopes_pixel.inl"
// clang-format on

// ---- forward ----------------------------------------------------------------------------------------------

// What a column keeps of a chunk.
struct ColumnWork {
    alignas(64) double sum[kSlopeChunk];    // one ray and source, by the orientations' changes
    alignas(64) double total[kSlopeChunk];  // the sum of terms
    TermSlopes terms[kSlopeChunk / kHalf];
};

void column_subpixel(const Row& row, const ForwardColumn& column, ColumnWork& work) {
    if (!column.moves_factors) return;
    const ConstSlopes in{column.panels[row.task.panel_number], column.sources, column.layers, column.common};
    for (int r = 0; r < row.registers; ++r) {
        work.terms[r] = TermSlopes{};
        subpixel_edges(Forward(), row, r, in, work.terms[r]);
    }
}

void column_source(const Row& row, int64_t source, const ForwardColumn& column, ColumnWork& work) {
    const ConstSlopes in{column.panels[row.task.panel_number], column.sources, column.layers, column.common};
    for (int r = 0; r < row.registers; ++r) {
        Doubles sum = doubles_at(work.sum, r);
        for (int i = 0; i < 9 && column.strain != nullptr; ++i) {
            sum += column.strain[i] * doubles_at(row.work.by_strain[i], r);
        }
        Doubles change = doubles_at(row.factor, r) * sum;
        if (column.moves_factors) {
            term_edges(Forward(), row, r, source, in, work.terms[r], change);
        } else {
            shape_edges(Forward(), row, r, in, change);
        }
        doubles_at(work.total, r) += change;
    }
}

void write_forward(const ForwardTask& task, const Row& row, ColumnWork* works) {
    alignas(64) double outer[kSlopeChunk], changes[kSlopeChunk];
    for (int r = 0; r < row.registers; ++r) doubles_at(outer, r) = row.outer_factor(r);
    for (int64_t k = 0; k < task.column_count; ++k) {
        const ForwardColumn& column = task.columns[k];
        const ConstSlopes in{column.panels[row.task.panel_number], column.sources, column.layers, column.common};
        for (int r = 0; r < row.registers; ++r) {
            Doubles change{};
            if (column.moves_pixels) {
                pixel_edges(Forward(), row, r, in, doubles_at(works[k].total, r), change);
            } else {
                change = doubles_at(outer, r) * doubles_at(works[k].total, r);
            }
            doubles_at(changes, r) = change;
        }
        row.write(changes, task.changes + k * task.stride);
    }
}

void forward(const ForwardTask& task) {
    auto* works = (ColumnWork*)task.scratch;
    RowWork work;
    Row row(task.task, work);
    bool strained = false, turned = false;
    for (int64_t k = 0; k < task.column_count; ++k) {
        for (double& value : works[k].total) value = 0;
        strained |= task.columns[k].strain != nullptr;
        turned |= task.columns[k].orientations != nullptr || task.columns[k].first_orientations != nullptr;
    }
    row.visit(
        [&] {
            for (int64_t k = 0; k < task.column_count; ++k) column_subpixel(row, task.columns[k], works[k]);
        },
        [&](int64_t source, const double* orientations, bool first) {
            for (int64_t k = 0; k < task.column_count; ++k) {
                for (double& value : works[k].sum) value = 0;
            }
            sweep(row, orientations, ForwardSweep{task.columns, task.column_count, works, first, strained, turned});
            for (int64_t k = 0; k < task.column_count; ++k) column_source(row, source, task.columns[k], works[k]);
        },
        [] {});
    write_forward(task, row, works);
    row.write_image();
}

int64_t forward_scratch(int64_t columns) { return columns * (int64_t)sizeof(ColumnWork); }

// ---- backward ---------------------------------------------------------------------------------------------

NANOBRAGG_FN void add_panel(const PanelSlopes<Doubles>& from, PanelSlopes<Sum>& to) {
    const auto* values = (const Doubles*)&from;
    auto* sums = (Sum*)&to;
    for (int i = 0; i < (int)(sizeof to / sizeof(Sum)); ++i) sums[i] += values[i];
}

NANOBRAGG_FN void add_common(const CommonSlopes<Doubles>& from, CommonSlopes<Sum>& to) {
    const auto* values = (const Doubles*)&from;
    auto* sums = (Sum*)&to;
    for (int i = 0; i < (int)(sizeof to / sizeof(Sum)); ++i) sums[i] += values[i];
}

void backward(const BackwardTask& task) {
    BackwardSums& sums = *task.sums;
    RowWork work;
    Row row(task.task, work);
    PanelSlopes<Doubles> panel{};
    CommonSlopes<Doubles> common{};
    const OwnSlopes in{panel, sums.sources, sums.layers, common};
    alignas(64) double weights[kSlopeChunk], seeds[kSlopeChunk], term[kSlopeChunk];
    TermSlopes terms[kSlopeChunk / kHalf];
    row.read(task.weights, weights);
    for (int r = 0; r < row.registers; ++r) {
        doubles_at(seeds, r) = doubles_at(weights, r) * row.outer_factor(r);
    }
    row.visit(
        [&] {
            for (int r = 0; r < row.registers; ++r) terms[r] = TermSlopes{};
        },
        [&](int64_t source, const double* orientations, bool first) {
            for (int r = 0; r < row.registers; ++r) {
                doubles_at(term, r) = doubles_at(seeds, r) * doubles_at(row.factor, r);
            }
            sweep(row, orientations, BackwardSweep{term, first ? sums.first_orientations : sums.orientations, sums});
            for (int r = 0; r < row.registers; ++r) {
                term_edges(Backward(), row, r, source, in, terms[r], doubles_at(seeds, r));
            }
        },
        [&] {
            for (int r = 0; r < row.registers; ++r) subpixel_edges(Backward(), row, r, in, terms[r]);
        });
    for (int r = 0; r < row.registers; ++r) {
        Doubles sum{};
        pixel_edges(Backward(), row, r, in, sum, doubles_at(weights, r));
    }
    add_panel(panel, sums.panels[task.task.panel_number]);
    add_common(common, sums.common);
    row.write_image();
}

}  // namespace

#define NANOBRAGG_QUOTE(name) #name
#define NANOBRAGG_NAME(name) NANOBRAGG_QUOTE(name)
extern const SlopeTable kSlopeTable;
const SlopeTable kSlopeTable = {NANOBRAGG_NAME(NANOBRAGG_KERNEL_NAMESPACE), forward, backward, forward_scratch};

}  // namespace NANOBRAGG_KERNEL_NAMESPACE
}  // namespace nanobragg
