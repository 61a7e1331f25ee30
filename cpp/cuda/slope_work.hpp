// What threads of the GPU do for derivatives: each has one pixel, with the formulas of the CPU's registers
// (derivatives/slopes_*.inl), of which one holds one number here. Plain C++ over a Team of threads, as thread_work.hpp.
#pragma once

#include <math.h>
#include <stdint.h>

#include <type_traits>

#include "derivatives/task.hpp"
#include "physics/lattice_slopes.hpp"
#include "physics/lookup_slopes.hpp"
#include "physics/pixel.hpp"
#include "physics/ray_slopes.hpp"

namespace nanobragg::gpu {

constexpr int kColumns = 16;    // directions of one thread, which share its evaluations
constexpr int kTogether = 8;    // orientations whose terms a team makes before it adds them up
constexpr int kSlopeRow = 129;  // pixels of a piece, and one, so that rows begin in other banks of memory
static_assert(kSlopeRow == kSlopeChunk + 1, "a piece's pixels");

// All pointers here and in tasks and columns are to the memory of the device.
struct ForwardJob {
    const SlopeTask* tasks;  // without runs of their own: `count` pixels each
    int64_t task_count;
    const ForwardColumn* columns;
    int64_t column_count;
    double* changes;  // of all chosen pixels, one column after the other
    int64_t stride;   // from column to column
};

struct BackwardJob {
    const SlopeTask* tasks;
    int64_t task_count, teams, panel_count;
    const double* weights;  // of all chosen pixels
    // Rows of numbers, one for each thread of all teams: of sources, layers, CommonSlopes and default_F.
    double *sources, *layers, *common;
    int64_t threads;
    // Of panels and orientations, numbers of one team after the other's.
    double *panels, *orientations, *first_orientations;
    double* f_grid;  // null: not asked for
};

// Sums of many numbers' parts: of number n at places n * step, n * step + next, ...
struct SumJob {
    const double* parts;
    int64_t count, step;   // how many numbers
    int64_t length, next;  // how many parts each has
    double* sums;
};

struct alignas(16) SlopeShared {
    double by_index[kTogether][3][kSlopeRow];
    double term_by_q[3][kSlopeRow];
    double parts[kSlopeChunk][3];
    double tree[kSlopeChunk];
};

constexpr int kCommonNumbers = sizeof(CommonSlopes<double>) / sizeof(double) + 1;  // and default_F

namespace slopes {
namespace {

using Doubles = double;
using Singles = float;
constexpr int kHalf = 1, kWidth = 2;
constexpr double kCount = 0;
constexpr int kRowPixels = 1, kRowGap = 0, kRowAlignment = 8;
constexpr bool kInStep = true;

// clang-format off: in this order
#include "derivatives/slopes_rays.inl"
#include "derivatives/slopes_pixel.inl"
// clang-format on

// One pixel of a piece, as a piece of its own.
struct OnePixelTask {
    SlopeTask task;
    PixelRun run;
    bool interpolating = true;

    NANOBRAGG_FN_MEMBER OnePixelTask(const SlopeTask& piece, int pixel) : task(piece) {
        const PixelRun* from = piece.runs;
        for (; pixel >= from->count; ++from) pixel -= from->count;
        run = {from->slow, from->fast + pixel, from->place + pixel, 1};
        task.runs = &run;
        task.run_count = task.count = 1;
        if (piece.interpolating != nullptr) task.interpolating = &interpolating;
    }
    OnePixelTask(const OnePixelTask&) = delete;
    OnePixelTask& operator=(const OnePixelTask&) = delete;
};

// The axes a, b and c of an orientation.
struct CrystalAxes {
    double of[9];

    explicit NANOBRAGG_FN_MEMBER CrystalAxes(const double* orientation) {
        NANOBRAGG_UNROLL
        for (int i = 0; i < 9; ++i) of[i] = constant(orientation + i);
    }
};

// Sums of the terms of one ray and source over the orientations, and of their derivatives. (What loops read and write
// is local to them, and handed to functions that are called by value: else it would stay in memory.)
struct TermsOfRay {
    double q[3], shape[kShapeParameters];
    double sum = 0, by_q[3] = {0, 0, 0}, by_shape[kShapeParameters] = {};

    explicit NANOBRAGG_FN_MEMBER TermsOfRay(const Row& row) {
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) q[i] = doubles_at(row.work.q[i], 0);
        NANOBRAGG_UNROLL
        for (int i = 0; i < kShapeParameters; ++i) shape[i] = row.task.shape[i];
    }

    // Adds F^2 F_latt^2 of one orientation, and gives it with its derivatives and the indices `h`. `s`: a copy of the
    // row's scene. take(derivative by F, the points of the grid that it is made of).
    template <class Slopes, Lookup lookup, class Take>
    NANOBRAGG_FN_MEMBER LatticeValue<double> add(const Row& row, const KernelScene& s, const CrystalAxes& o,
                                                 double h[3], const Take& take) {
        double whole[3], miss[3];
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) {
            h[i] = o.of[3 * i] * q[0] + (o.of[3 * i + 1] * q[1] + o.of[3 * i + 2] * q[2]);
            whole[i] = lookup == Lookup::constant ? round_whole(h[i]) : nearest_whole(h[i]);
            miss[i] = h[i] - whole[i];
        }
        LatticeValue<double> value = Slopes::of(s, shape, miss);
        if constexpr (lookup != Lookup::constant) take_grid<Slopes, lookup>(row, s, h, whole, take, value);
        sum += value.squared;
        NANOBRAGG_UNROLL
        for (int i = 0; i < parameters_of(Slopes::depends); ++i) by_shape[i] += value.by_shape[i];
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) {
            by_q[i] +=
                o.of[i] * value.by_index[0] + (o.of[3 + i] * value.by_index[1] + o.of[6 + i] * value.by_index[2]);
        }
        return value;
    }

    NANOBRAGG_FN_MEMBER void put_down(Row& row) const {
        doubles_at(row.work.sum, 0) = sum;
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) doubles_at(row.work.by_q[i], 0) = by_q[i];
        NANOBRAGG_UNROLL
        for (int i = 0; i < kShapeParameters; ++i) doubles_at(row.work.by_shape[i], 0) = by_shape[i];
    }

  private:
    template <class Slopes, Lookup lookup, class Take>
    static NANOBRAGG_FN_MEMBER void take_grid(const Row& row, const KernelScene& s, const double h[3],
                                              const double whole[3], const Take& take, LatticeValue<double>& value) {
        const SlopeTask& task = row.task;
        GridPoints points{};
        double f = 0, slope[3] = {0, 0, 0};
        points.cubic =
            lookup == Lookup::tricubic && task.tricubic && interpolates(s, h, value.squared, task.interpolating);
        if (points.cubic) {
            const double at[3] = {h[0], h[1], h[2]};
            interpolate(row.s, at, points, f, slope);
        } else {
            points.place = (int64_t)grid_number(s, whole[0], whole[1], whole[2]);
            f = nearest_factor(s, points);
        }
        const double square = f * f, by_factor = 2.0 * f * value.squared;
        take(by_factor, points);
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) value.by_index[i] = square * value.by_index[i] + by_factor * slope[i];
        NANOBRAGG_UNROLL
        for (int i = 0; i < parameters_of(Slopes::depends); ++i) value.by_shape[i] *= square;
        value.squared *= square;
    }
};

// ---- forward ----------------------------------------------------------------------------------------------

// Some columns of one pixel.
struct PixelColumns {
    const ForwardColumn* columns;
    int count;
    bool strained = false, turned = false, factors = false, glowing = false;
    double sums[kColumns];    // one ray and source, by the orientations' and structure factors' changes
    double totals[kColumns];  // the sum of terms

    NANOBRAGG_LARGE PixelColumns(const ForwardJob& job, int64_t begin) : columns(job.columns + begin) {
        count = (int)(job.column_count - begin < kColumns ? job.column_count - begin : kColumns);
        for (int k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            totals[k] = 0;
            strained |= column.strain != nullptr;
            turned |= column.orientations != nullptr || column.first_orientations != nullptr;
            factors |= column.f_grid != nullptr || column.default_F != 0;
            glowing |= column.common.background != 0 || column.common.background_sum != 0;
        }
    }

    NANOBRAGG_LARGE void take_factor(double by_factor, int64_t place) {
        for (int k = 0; k < count; ++k) sums[k] += by_factor * factor_change(columns[k], place);
    }
    NANOBRAGG_LARGE void take_factors(const KernelScene& s, double by_factor, const GridPoints& points) {
        for (int k = 0; k < count; ++k) {
            double change = 0;
            visit_points(s, points,
                         [&](int64_t place, double weight) { change += weight * factor_change(columns[k], place); });
            sums[k] += by_factor * change;
        }
    }
    static NANOBRAGG_FN_MEMBER double factor_change(const ForwardColumn& column, int64_t place) {
        if (place < 0) return column.default_F;
        return column.f_grid == nullptr ? 0.0 : column.f_grid[place];
    }

    // By the derivatives by h, k and l, and q.
    NANOBRAGG_LARGE void take_turns(double by_h, double by_k, double by_l, double x, double y, double z, int64_t m,
                                    bool first) {
        const double by_index[3] = {by_h, by_k, by_l};
        for (int k = 0; k < count; ++k) {
            const double* changes = first ? columns[k].first_orientations : columns[k].orientations;
            if (changes == nullptr) continue;
            const double* of = changes + 9 * m;
            for (int i = 0; i < 3; ++i) {
                sums[k] += by_index[i] * (of[3 * i] * x + (of[3 * i + 1] * y + of[3 * i + 2] * z));
            }
        }
    }

    template <class Slopes, Lookup lookup>
    NANOBRAGG_FN_MEMBER void sweep(Row& row, const double* orientations, bool first) {
        const KernelScene s = row.s;
        const bool with_strain = strained, with_turns = turned, with_factors = factors;
        TermsOfRay terms(row);
        double by_strain[9] = {};
        for (int64_t m = 0; m < s.orientation_count; ++m) {
            const CrystalAxes o(orientations + 9 * m);
            double h[3];
            const auto take = [&](double by_factor, const GridPoints& points) {
                if (!with_factors) return;
                if constexpr (lookup == Lookup::tricubic) {
                    take_factors(row.s, by_factor, points);
                } else {
                    take_factor(by_factor, points.place);
                }
            };
            const auto value = terms.add<Slopes, lookup>(row, s, o, h, take);
            if (with_strain) {
                NANOBRAGG_UNROLL
                for (int i = 0; i < 9; ++i) by_strain[i] += value.by_index[i / 3] * h[i % 3];
            }
            if (with_turns) {
                take_turns(value.by_index[0], value.by_index[1], value.by_index[2], terms.q[0], terms.q[1], terms.q[2],
                           m, first);
            }
        }
        terms.put_down(row);
        NANOBRAGG_UNROLL
        for (int i = 0; i < 9; ++i) doubles_at(row.work.by_strain[i], 0) = by_strain[i];
    }

    // The terms of one source are there.
    NANOBRAGG_LARGE void add_source(const Row& row, int64_t source) {
        double by[9 + kShapeParameters];
        for (int i = 0; i < 9; ++i) by[i] = doubles_at(row.work.by_strain[i], 0);
        for (int i = 0; i < row.parameters; ++i) by[9 + i] = doubles_at(row.work.by_shape[i], 0);
        for (int k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            totals[k] += doubles_at(row.work.factor, 0) * (sums[k] + contracted(row, column, by));
            if (!column.moves_factors) continue;
            TermSlopes terms{};
            subpixel_edges(Forward(), row, 0, slopes_of(row, column), terms);
            term_edges(Forward(), row, 0, source, slopes_of(row, column), terms, totals[k]);
        }
    }

    NANOBRAGG_LARGE double change(const Row& row, const PixelFactors& factors_of, int k) {
        const ForwardColumn& column = columns[k];
        if (!column.moves_pixels) return row.outer_factor(0) * totals[k];
        const bool shares = row.single && column.moves_factors;
        TermSlopes terms{};
        if (shares) subpixel_edges(Forward(), row, 0, slopes_of(row, column), terms);
        double value = 0;
        pixel_edges(Forward(), row, 0, factors_of, slopes_of(row, column), shares ? &terms : nullptr,
                    column.moves_factors, totals[k], value);
        return value;
    }
};

// The columns from `begin` on of one pixel of a piece.
template <Lookup lookup>
NANOBRAGG_FN void forward_pixel(const ForwardJob& job, int64_t piece, int pixel, int64_t begin) {
    if (pixel >= job.tasks[piece].count) return;
    const OnePixelTask one(job.tasks[piece], pixel);
    RowWork work;
    Row row(one.task, work);
    row.begin();
    PixelColumns columns(job, begin);
    row.strained = columns.strained;
    row.visit([] {},
              [&](int64_t source, const double* orientations, bool first) {
                  for (int k = 0; k < columns.count; ++k) columns.sums[k] = 0;
                  with_slopes(ShapesWithSlopes(), row.s.shape, [&](auto shape) {
                      columns.template sweep<decltype(shape), lookup>(row, orientations, first);
                  });
                  columns.add_source(row, source);
              },
              [] {});
    const PixelFactors factors = pixel_factors(row, 0, columns.glowing);
    if (one.task.image != nullptr && begin == 0) one.task.image[one.run.place] = pixel_value(row, 0, factors);
    for (int k = 0; k < columns.count; ++k) {
        job.changes[(begin + k) * job.stride + one.run.place] = columns.change(row, factors, k);
    }
}

// ---- backward ---------------------------------------------------------------------------------------------

// Adds to what threads of other teams may add to at the same time; and where a thread need not wait for what was there.
NANOBRAGG_FN void add_at(double* sum, double value) {
#if defined(__CUDA_ARCH__)
    atomicAdd(sum, value);
#else
    *sum += value;
#endif
}

// A thread's sums of what belongs to one of many: those of the one that was asked for last, which join the others when
// another one is, and in the end by join().
template <template <class> class Slopes>
class Apart {
  public:
    NANOBRAGG_FN_MEMBER Apart(double* all, int64_t stride) : all_(all), stride_(stride) {}
    Apart(const Apart&) = delete;
    Apart& operator=(const Apart&) = delete;

    NANOBRAGG_FN_MEMBER void begin(int64_t first) { first_ = first; }
    NANOBRAGG_FN_MEMBER Slopes<double>& operator[](int64_t number) {
        if (first_ + number != number_) {
            join();
            number_ = first_ + number;
        }
        return values_;
    }
    NANOBRAGG_LARGE void join() {
        constexpr int count = (int)(sizeof values_ / sizeof(double));
        const double* own = (const double*)&values_;
        for (int i = 0; i < count && number_ >= 0; ++i) all_[(number_ * count + i) * stride_] += own[i];
        values_ = Slopes<double>{};
        number_ = -1;
    }

  private:
    double* all_;
    const int64_t stride_;
    int64_t first_ = 0, number_ = -1;
    Slopes<double> values_{};
};

struct ThreadSlopes {
    PanelSlopes<double>& panel;
    Apart<SourceSlopes>& sources;
    Apart<LayerSlopes>& layers;
    CommonSlopes<double>& common;
};

// The sum over a team, in one fixed order, for its first thread.
template <class Team>
NANOBRAGG_FN double team_sum(SlopeShared& shared, const Team& team, double value) {
    team.sync();
    shared.tree[team.index] = value;
    for (int width = Team::size / 2; width > 0; width /= 2) {
        team.sync();
        if (team.index < width) shared.tree[team.index] += shared.tree[team.index + width];
    }
    return shared.tree[0];
}

// One team's work: pieces one after the other, a pixel for each thread. (What is shared comes along as an argument: as
// a member it would be memory of any kind to a compiler.)
template <class Team>
class BackwardTeam {
  public:
    NANOBRAGG_FN_MEMBER BackwardTeam(const BackwardJob& job, int64_t number, const Team& team)
        : job_(job),
          number_(number),
          team_(team),
          sources_(job.sources + number * Team::size + team.index, job.threads),
          layers_(job.layers + number * Team::size + team.index, job.threads) {}

    template <Lookup lookup>
    NANOBRAGG_FN_MEMBER void run(SlopeShared& shared) {
        const int64_t begin = job_.task_count * number_ / job_.teams;
        const int64_t end = job_.task_count * (number_ + 1) / job_.teams;
        for (int64_t piece = begin; piece < end; ++piece) {
            const SlopeTask& task = job_.tasks[piece];
            if (piece > begin && task.panel_number != job_.tasks[piece - 1].panel_number) {
                put_down_panel(shared, job_.tasks[piece - 1].panel_number);
            }
            for (int first = 0; first < task.count; first += Team::size) {
                const int pixel = first + team_.index;
                const bool own = pixel < task.count;
                add_pixel<lookup>(shared, task, own ? pixel : task.count - 1, own);
            }
        }
        if (end > begin) put_down_panel(shared, job_.tasks[end - 1].panel_number);
        sources_.join();
        layers_.join();
        double* common = job_.common + number_ * Team::size + team_.index;
        for (int i = 0; i < kCommonNumbers - 1; ++i) common[i * job_.threads] = ((const double*)&common_)[i];
        common[(kCommonNumbers - 1) * job_.threads] = default_F_;
    }

  private:
    // `own`: whether the pixel is this thread's; threads without one of their own go through the same steps.
    template <Lookup lookup>
    NANOBRAGG_FN_MEMBER void add_pixel(SlopeShared& shared, const SlopeTask& piece, int pixel, bool own) {
        const OnePixelTask one(piece, pixel);
        RowWork work;
        Row row(one.task, work);
        row.begin();
        layers_.begin(row.g.first_layer);
        const ThreadSlopes in{panel_, sources_, layers_, common_};
        double weight = own ? job_.weights[one.run.place] : 0.0, seed = weight * row.outer_factor(0);
        TermSlopes terms{};
        row.visit([&] { terms = TermSlopes{}; },
                  [&](int64_t source, const double* orientations, bool first) {
                      sweep<lookup>(shared, row, orientations, first, seed * doubles_at(work.factor, 0));
                      add_shape(row, seed);
                      term_edges(Backward(), row, 0, source, in, terms, seed);
                  },
                  [&] {
                      if (!row.single) subpixel_edges(Backward(), row, 0, in, terms);
                  });
        const PixelFactors factors = pixel_factors(row, 0, true);
        double sum = 0;
        pixel_edges(Backward(), row, 0, factors, in, row.single ? &terms : nullptr, true, sum, weight);
        if (row.single) subpixel_edges(Backward(), row, 0, in, terms);
        if (own && one.task.image != nullptr) one.task.image[one.run.place] = pixel_value(row, 0, factors);
    }

    // What belongs to the shape's parameters.
    NANOBRAGG_FN_MEMBER void add_shape(const Row& row, double seed) {
        for (int i = 0; i < row.parameters; ++i) {
            common_.shape[i] += seed * doubles_at(row.work.factor, 0) * doubles_at(row.work.by_shape[i], 0);
        }
    }

    // `term`: how much the weighted sum depends on the terms.
    template <Lookup lookup>
    NANOBRAGG_FN_MEMBER void sweep(SlopeShared& shared, Row& row, const double* orientations, bool first, double term) {
        const KernelScene s = row.s;
        const int index = team_.index;
        TermsOfRay terms(row);
        double* sums = (first ? job_.first_orientations : job_.orientations) + number_ * 9 * s.orientation_count;
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) shared.term_by_q[i][index] = term * terms.q[i];
        for (int64_t begin = 0; begin < s.orientation_count; begin += kTogether) {
            const int count = (int)(s.orientation_count - begin < kTogether ? s.orientation_count - begin : kTogether);
            with_slopes(ShapesWithSlopes(), s.shape, [&](auto shape) {
                for (int n = 0; n < count; ++n) {
                    const CrystalAxes o(orientations + 9 * (begin + n));
                    double h[3];
                    const auto take = [&](double by_factor, const GridPoints& points) {
                        take_factors(s, by_factor * term, points);
                    };
                    const auto value = terms.add<decltype(shape), lookup>(row, s, o, h, take);
                    NANOBRAGG_UNROLL
                    for (int i = 0; i < 3; ++i) shared.by_index[n][i][index] = value.by_index[i];
                }
            });
            team_.sync();
            add_up(shared, count, sums + 9 * begin);
        }
        terms.put_down(row);
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) doubles_at(row.work.by_q[i], 0) *= term;
    }

    NANOBRAGG_FN_MEMBER void take_factors(const KernelScene& s, double by_factor, const GridPoints& points) {
        if (by_factor == 0) return;
        visit_points(s, points, [&](int64_t place, double weight) {
            if (place < 0) {
                default_F_ += weight * by_factor;
            } else if (job_.f_grid != nullptr) {
                add_at(job_.f_grid + place, weight * by_factor);
            }
        });
    }

    // Adds to some orientations what the team's pixels have: by_index times term_by_q, summed over the pixels. Several
    // threads share a row of by_index.
    NANOBRAGG_FN_MEMBER void add_up(SlopeShared& shared, int count, double* sums) {
        constexpr int rows = 3 * kTogether, parts = Team::size > rows ? Team::size / rows : 1;
        constexpr int step = Team::size / parts;
        const int index = team_.index, part = index % parts;
        const int begin = Team::size * part / parts, end = Team::size * (part + 1) / parts;
        for (int first = 0; first < rows; first += step) {
            const int row = first + index / parts;
            if (row < 3 * count && index / parts < step) {
                const double* by_index = shared.by_index[row / 3][row % 3];
                double by[3] = {0, 0, 0};
                for (int pixel = begin; pixel < end; ++pixel) {
                    NANOBRAGG_UNROLL
                    for (int j = 0; j < 3; ++j) by[j] += by_index[pixel] * shared.term_by_q[j][pixel];
                }
                NANOBRAGG_UNROLL
                for (int j = 0; j < 3; ++j) shared.parts[index][j] = by[j];
            }
            team_.sync();
            for (int i = index; i < 3 * step && 3 * first + i < 9 * count; i += Team::size) {
                double sum = 0;
                NANOBRAGG_UNROLL
                for (int n = 0; n < parts; ++n) sum += shared.parts[i / 3 * parts + n][i % 3];
                add_at(sums + 3 * first + i, sum);
            }
            team_.sync();
        }
    }

    NANOBRAGG_LARGE void put_down_panel(SlopeShared& shared, int64_t panel) {
        NANOBRAGG_ROLLED
        for (int i = 0; i < kPanelNumbers; ++i) {
            const double sum = team_sum(shared, team_, ((const double*)&panel_)[i]);
            if (team_.index == 0) job_.panels[(number_ * job_.panel_count + panel) * kPanelNumbers + i] += sum;
        }
        panel_ = PanelSlopes<double>{};
    }

    const BackwardJob& job_;
    const int64_t number_;
    const Team team_;
    PanelSlopes<double> panel_{};
    CommonSlopes<double> common_{};
    double default_F_ = 0;
    Apart<SourceSlopes> sources_;
    Apart<LayerSlopes> layers_;
};

// call(the lookup, as a std::integral_constant).
template <class Call>
void with_lookup(Lookup lookup, const Call& call) {
    if (lookup == Lookup::constant) return call(std::integral_constant<Lookup, Lookup::constant>());
    if (lookup == Lookup::nearest) return call(std::integral_constant<Lookup, Lookup::nearest>());
    call(std::integral_constant<Lookup, Lookup::tricubic>());
}

// One number's sum.
template <class Team>
NANOBRAGG_FN void add_parts(const SumJob& job, int64_t number, SlopeShared& shared, const Team& team) {
    double sum = 0;
    for (int64_t i = team.index; i < job.length; i += Team::size) {
        sum += job.parts[number * job.step + i * job.next];
    }
    sum = team_sum(shared, team, sum);
    if (team.index == 0) job.sums[number] = sum;
}

}  // namespace
}  // namespace slopes
}  // namespace nanobragg::gpu
