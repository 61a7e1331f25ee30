// The hot loop, written once in plain C++ that the compiler vectorises, and compiled for each instruction set by the
// kernel_*.cpp files. The pixels of a piece of a row are the vector; sources and orientations are swept over them.
#include <math.h>

// clang-format off: in this order
#include "cpu/vectors.hpp"
#include "physics/lattice.hpp"
#include "physics/lookup.hpp"
#include "physics/pixel.hpp"
// clang-format on
#include "cpu/kernel.hpp"

namespace nanobragg {
namespace NANOBRAGG_KERNEL_NAMESPACE {
namespace {

// clang-format off: in this order
#include "cpu/kernel_rays.inl"
#include "cpu/kernel_indices.inl"
#include "cpu/kernel_terms.inl"
#include "cpu/kernel_radial.inl"
#include "cpu/kernel_sweeps.inl"
#include "cpu/kernel_tricubic.inl"
#include "cpu/kernel_fans.inl"
#include "cpu/kernel_bounds.inl"
#include "cpu/kernel_allowance.inl"
#include "cpu/kernel_evaluator.inl"
#include "cpu/kernel_together.inl"
#include "cpu/kernel_powder.inl"
#include "cpu/kernel_within.inl"
#include "cpu/kernel_steps.inl"
#include "cpu/kernel_spots.inl"
// clang-format on

// ---- the choice of loops ----------------------------------------------------------------------------------

using Sweep = void (*)(const KernelScene&, const Beamline&, int, double*);

template <class Lattice, Lookup lookup, bool mixed, bool stored>
constexpr Sweep plain_sweep() {
    if constexpr (mixed) return sweep<MixedTerms<Lattice, lookup, stored>>;
    if constexpr (!mixed) return sweep<DoubleTerms<Lattice, lookup, stored>>;
}

// Straight rows, whose indices are computed on the spot, have loops of their own for some lattices. (Nothing is
// compiled that is never called.)
template <class Lattice, Lookup lookup, bool mixed>
constexpr Sweep direct_sweep() {
    constexpr bool constant = lookup == Lookup::constant;
    if constexpr (Lattice::takes_registers && mixed && constant) {
        return sweep<StraightMixedTerms<Lattice>>;
    } else if constexpr (Lattice::takes_registers && mixed) {
        return sweep<StraightNearestTerms<Lattice>>;
    } else if constexpr (Lattice::takes_registers && constant) {
        return sweep<StraightDoubleTerms<Lattice>>;
    } else if constexpr (!same<typename RadiiOf<Lattice>::Type, void> && mixed && constant) {
        return sweep<RadialTerms<Lattice>>;
    } else {
        return plain_sweep<Lattice, lookup, mixed, false>();
    }
}

// For indices computed on the spot, for stored ones, and for fans (or null); and what takes the place of all where
// terms may be left out (or null).
struct Sweeps {
    Sweep direct, stored;
    FanSweep fan;
    const WithinSteps* within;
};

template <class Lattice, Lookup lookup, bool mixed>
Sweeps sweeps_of() {
    Sweeps out{direct_sweep<Lattice, lookup, mixed>(), plain_sweep<Lattice, lookup, mixed, true>(), nullptr, nullptr};
    if constexpr (Lattice::formula.degree >= 0 && lookup == Lookup::constant) {
        out.fan = mixed ? sweep_fan<Lattice, float> : sweep_fan<Lattice, double>;
    }
    return out;
}

template <class Lattice>
Sweeps sweeps_for(Lookup lookup, bool mixed) {
    if (lookup == Lookup::tricubic) return {sweep_tricubic<Lattice>, sweep_tricubic<Lattice>, nullptr, nullptr};
    if (lookup == Lookup::nearest) {
        return mixed ? sweeps_of<Lattice, Lookup::nearest, true>() : sweeps_of<Lattice, Lookup::nearest, false>();
    }
    return mixed ? sweeps_of<Lattice, Lookup::constant, true>() : sweeps_of<Lattice, Lookup::constant, false>();
}

Sweeps choose_sweeps(const KernelScene& s, Lookup lookup, bool mixed, bool careful) {
    const Formula formula = formula_of(s, mixed, takes_short_cut(s) && !careful);
    Sweeps out =
        with_lattice(Lattices(), formula, [&](auto lattice) { return sweeps_for<decltype(lattice)>(lookup, mixed); });
    if (s.by_wavelength == nullptr) out.fan = nullptr;
    return out;
}

// ---- one chunk --------------------------------------------------------------------------------------------

// Loops add to `total` and `acc` what they make of the rays. Where both stand at the same place of a page (4 KiB),
// processors take a load for what was just stored, and wait: hence the gap, which doubled the speed of some loops.
struct Work {
    Rays rays, centre;
    alignas(64) double gap[128];
    alignas(64) double total[kChunk], acc[kChunk], capture[kChunk], omega[kChunk];
    Columns columns;
    Allowance allowance;
};

// Whether a factor is exactly 0 somewhere, which stands for one that is still to be computed. Counted in doubles, which
// compilers vectorise everywhere.
bool holds_zero(const double* factors, int n) {
    double zeros = 0;
#pragma omp simd reduction(+ : zeros)
    for (int p = 0; p < n; ++p) zeros += factors[p] == 0.0 ? 1.0 : 0.0;
    return zeros > 0;
}

// Sources from `begin` on that share a direction, and may so share everything but the wavelength.
int64_t same_direction(const KernelScene& s, int64_t begin) {
    if (s.dmin > 0) return 1;  // each has pixels of its own
    const double* first = s.sources[begin].direction;
    int64_t end = begin + 1;
    while (end < s.source_count && s.sources[end].direction[0] == first[0] && s.sources[end].direction[1] == first[1] &&
           s.sources[end].direction[2] == first[2]) {
        ++end;
    }
    return end - begin;
}

// The sum of some sources' terms, times what differs from source to source, subpixel to subpixel or layer to layer.
void add_to_total(const Chunk& c, const Rays& rays, const KernelSource& source, Work& w) {
    const KernelScene& s = c.scene;
    for (int p = 0; p < c.n; p += kHalf) {
        const ChunkPixels pixels{c, w.centre, p};
        const Doubles captured = s.capture_inside ? doubles_at(w.capture + p) : filled<Doubles>(1.0);
        const Doubles factor = inner_factor(s, pixels, ray_of(rays, p), source, captured);
        Doubles sum = with_factor(factor, doubles_at(w.acc + p));
        // A ray that is culled adds nothing, whatever its terms are.
        if (s.dmin > 0) sum = factor == 0.0 ? Doubles{} : sum;
        doubles_at(w.total + p) += sum;
    }
}

Lookup lookup_of(const ChunkTask& task) {
    return !has_grid(*task.scene) ? Lookup::constant : task.tricubic ? Lookup::tricubic : Lookup::nearest;
}

// All sources' spots.
bool sum_lists(const Chunk& c, const Rays& rays, Work& w, const WithinSteps& steps, const ChunkTask& task,
               bool factors) {
    const KernelScene& s = c.scene;
    const SpotList& list = *task.spots;
    double* sum = factors ? w.acc : w.total;
    for (int64_t begin = 0, end = 0; begin < list.count; begin = end) {
        const int32_t source = list.spots[begin].source;
        end = s.source_count == 1 ? list.count : end;
        while (end < list.count && list.spots[end].source == source) ++end;
        const Beamline line{rays, w.columns, s.sources[source].direction, s.sources + source, 1};
        for (int p = 0; p < c.n && factors; ++p) w.acc[p] = 0;
        sum_spots(s, lookup_of(task), task, line, c.n, begin, end, steps, w.allowance, sum);
        if (factors) add_to_total(c, rays, s.sources[source], w);
        if (task.poll.stop(task.poll.context)) return false;
    }
    return true;
}

// All sources seen from one row of subpixels.
bool sum_sources(const Chunk& c, const Rays& rays, Work& w, const Sweeps& sweeps, const ChunkTask& task) {
    const Poll& poll = task.poll;
    const KernelScene& s = c.scene;
    // With nothing to multiply, all sources may go into one sum.
    const bool factors = s.polar == Factor::centre || s.polar == Factor::each || s.capture_inside ||
                         s.omega == Factor::each || s.dmin > 0;
    double* sum = factors ? w.acc : w.total;
    Beamline line{rays, w.columns, nullptr, nullptr, 0};
    if (task.spots != nullptr) return sum_lists(c, rays, w, *sweeps.within, task, factors);
    // Only where no factor differs from beam to beam.
    if (sweeps.fan != nullptr && sweeps.within == nullptr && !(s.dmin > 0) &&
        (s.polar == Factor::off || s.polar == Factor::first)) {
        for (int p = 0; p < c.n && factors; ++p) w.acc[p] = 0;
        const bool done = sum_fans(s, line, c.n, sum, sweeps.fan, poll);
        if (factors) add_to_total(c, rays, s.sources[0], w);
        return done;
    }
    for (int64_t n = 0; n < s.source_count; n += line.count) {
        line.sources = s.sources + n;
        line.incident = line.sources[0].direction;
        line.count = same_direction(s, n);
        for (int p = 0; p < c.n && factors; ++p) w.acc[p] = 0;
        if (sweeps.within != nullptr) {
            sweep_within(s, lookup_of(task), *task.bounds, line, c.n, *sweeps.within, w.allowance, sum);
        } else {
            (line.count > 1 || !rays.straight ? sweeps.stored : sweeps.direct)(s, line, c.n, sum);
        }
        if (factors) add_to_total(c, rays, line.sources[0], w);
        if (poll.stop(poll.context)) return false;
    }
    return true;
}

// All pixels of a chunk and their values, for finish_pixels().
struct ChunkValues {
    const Chunk& c;
    const Rays& centre;
    double* values;

    template <class Look, class Change>
    NANOBRAGG_FN_MEMBER void change(const Look& look, const Change& changed) {
        alignas(64) double seen[kChunk];
        for (int p = 0; p < c.n; p += kHalf) doubles_at(seen + p) = look(ChunkPixels{c, centre, p});
        for (int p = 0; p < c.n; p += kHalf) {
            doubles_at(values + p) = changed(ChunkPixels{c, centre, p}, doubles_at(seen + p), doubles_at(values + p));
        }
    }
};

// Capture fractions that differ from subpixel to subpixel, or from layer to layer: then the first one's, but where it
// is 0 and hence computed again.
void capture_subpixel(const Chunk& c, const Rays& rays, const Subpixel& sub, Work& w) {
    const KernelScene& s = c.scene;
    const bool again = s.capture == Factor::first && sub.number > 0 && holds_zero(w.capture, c.n);
    if (s.capture != Factor::each && sub.number > 0 && !again) return;
    ChunkValues{c, w.centre, w.capture}.change(
        [&](const ChunkPixels& pixels) { return parallax_of(s, pixels, sub.layer, ray_of(rays, pixels.p)); },
        [&](const ChunkPixels& pixels, Doubles parallax, Doubles) {
            return capture_of(s, pixels, sub.layer, sub.number, parallax);
        });
}

bool sum_subpixels(const Chunk& c, Work& w, const Sweeps& sweeps, const ChunkTask& task) {
    const KernelScene& s = c.scene;
    const int64_t square = s.oversample * s.oversample;
    for (int64_t i = 0; i < s.layer_count * square; ++i) {
        const Subpixel sub = subpixel_of(s, i / square, i % square);
        const bool central = is_central(s, layer_of(s, c.panel, sub.layer));
        if (!central) aim_at(c, sub, w.rays);
        const Rays& rays = central ? w.centre : w.rays;
        if (s.capture_inside) capture_subpixel(c, rays, sub, w);
        if (!sum_sources(c, rays, w, sweeps, task)) return false;
    }
    return true;
}

// Over the pixels that are not masked.
double seen_sum(const ChunkTask& task, const double* values) {
    double sum = 0;
    const double* own = values + task.lead;
    if (task.mask == nullptr) {
#pragma omp simd reduction(+ : sum)
        for (int p = 0; p < task.count; ++p) sum += own[p];
    } else {
        for (int p = 0; p < task.count; ++p) sum += task.mask[p] != 0 ? own[p] : 0.0;
    }
    return sum;
}

// Likewise; 0 if all are below.
double seen_maximum(const ChunkTask& task, const double* values) {
    double most = 0;
    const double* own = values + task.lead;
    if (task.mask == nullptr) {
#pragma omp simd reduction(max : most)
        for (int p = 0; p < task.count; ++p) most = own[p] > most ? own[p] : most;
    } else {
        for (int p = 0; p < task.count; ++p) most = task.mask[p] != 0 && own[p] > most ? own[p] : most;
    }
    return most;
}

// A row of pixels, as a task of its own; and what a tall chunk has for it, in order.
ChunkTask row_of(const ChunkTask& task, int r) {
    ChunkTask row = task;
    row.lead = 0;
    row.mask = task.mask == nullptr ? nullptr : task.mask + r * task.stride;
    row.image = task.image + r * task.stride;
    return row;
}
void put_in_order(const ChunkTask& task, int r, const double* values, double* out) {
    for (int p = 0; p < task.count; ++p) out[p] = values[lane_of(task, p, r)];
}

// Photons from the sums of terms; and the solid angles of the pixels' centres. All calls are inlined: whoever got the
// copies' addresses might change them, and a pixel would take a third longer.
[[gnu::flatten]] void finish(const Chunk& chunk, Work& w) {
    // Copies, of which compilers know that they stay as they are.
    const KernelScene s = chunk.scene;
    const KernelPanel panel = chunk.panel;
    const Chunk c{s, panel, chunk.n, chunk.slow, chunk.fast, chunk.tall};
    for (int p = 0; p < c.n; p += kHalf) doubles_at(w.omega + p) = solid_angle(s, panel, ray_of(w.centre, p));
    ChunkValues sums{c, w.centre, w.total};
    finish_pixels(s, sums);
}

// Gives each pixel its allowance, and each sweep a share of it.
void share_out(const Chunk& c, const ChunkTask& task, double unit, Work& w) {
    const KernelScene& s = c.scene;
    allow(c, task, w.centre, unit, w.allowance);
    for (int64_t n = 0; n < s.source_count;) {
        const int64_t lines = same_direction(s, n);
        w.allowance.calls += shares_of(s, lines) * s.layer_count * s.oversample * s.oversample;
        n += lines;
    }
    w.allowance.shares = w.allowance.calls;
}

void count_up(const ChunkTask& task, int n, const Allowance& allowance) {
    task.tally->terms += allowance.terms;
    if (task.spots != nullptr) return;
    task.tally->work += allowance.work * kWidth;
    const double used = used_up(n, allowance);
    if (used > task.tally->used_up) task.tally->used_up = used;
}

bool near_spots(const ChunkTask& task) {
    uint8_t any = 0;
    for (int64_t i = 0; i < task.spots->count; ++i) any |= task.spots->rows[i];
    return (any & task.spots->row) != 0;
}

// Nothing can matter in any of its pixels.
void leave_dark(const Chunk& c, const ChunkTask& task, Work& w) {
    for (int p = 0; p < c.n; p += kHalf) {
        doubles_at(w.omega + p) = solid_angle(c.scene, c.panel, ray_of(w.centre, p));
    }
    *task.solid_angle += seen_sum(task, w.omega);
    for (int p = 0; p < task.count; ++p) task.image[p] = 0.0f;
}

void raise_brightest(const ChunkTask& task, const double* sums) {
    const double brightest = seen_maximum(task, sums);
    if (brightest > *task.brightest) *task.brightest = brightest;
}
void give_pixels(const ChunkTask& task, const double* omega, const double* photons) {
    *task.solid_angle += seen_sum(task, omega);
    for (int p = 0; p < task.count; ++p) task.image[p] = (float)photons[task.lead + p];
}

bool render_chunk(const ChunkTask& task, bool mixed) {
    const KernelScene& s = *task.scene;
    const Lookup lookup = lookup_of(task);
    const int multiple = lookup == Lookup::tricubic ? kCubicChunk : kLanes;
    const int columns = task.lead + task.count;
    const int n =
        task.tall != 0 ? (columns + kTall - 1) / kTall * kLanes : (columns + multiple - 1) / multiple * multiple;
    const Chunk c{s, *task.panel, n, (double)task.slow, (double)task.fast, task.tall != 0};
    Work w;
    Sweeps sweeps = choose_sweeps(s, lookup, mixed, task.careful != 0);
    aim(c, row_at(c, 0.5, 0.5, 0.0), w.centre);
    for (int p = 0; p < c.n; ++p) w.total[p] = 0;
    WithinSteps within;
    if (task.spots != nullptr && !near_spots(task)) {
        leave_dark(c, task, w);
        return true;
    }
    if (task.bounds != nullptr) {
        within = choose_steps(s, lookup, mixed);
        sweeps.within = &within;
        if (task.spots == nullptr) share_out(c, task, within.unit_of_bounds, w);
    }
    if (!sum_subpixels(c, w, sweeps, task)) return false;
    if (sweeps.within != nullptr) count_up(task, c.n, w.allowance);
    if (task.tall == 0) {
        raise_brightest(task, w.total);
        finish(c, w);
        give_pixels(task, w.omega, w.total);
        return true;
    }
    double *omega = w.capture, *total = w.acc;  // which are not needed any more
    for (int r = 0; r < task.rows; ++r) {
        put_in_order(task, r, w.total, total);
        raise_brightest(row_of(task, r), total);
    }
    finish(c, w);
    for (int r = 0; r < task.rows; ++r) {
        put_in_order(task, r, w.total, total);
        put_in_order(task, r, w.omega, omega);
        give_pixels(row_of(task, r), omega, total);
    }
    return true;
}

// ---- the processor's peak rate ----------------------------------------------------------------------------

template <class Real>
double peak(int64_t rounds, double* sink) {
    using Vector [[gnu::vector_size(kVectorBytes)]] = Real;
    constexpr int kChains = 12;  // more than latency times units, fewer than registers
    constexpr int kVectorLanes = kVectorBytes / (int)sizeof(Real);
    Vector chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = Vector{} + (Real)i;
    Vector factor = Vector{} + (Real)0.999, term = Vector{} + (Real)0.001;
    for (int64_t round = 0; round < rounds; ++round) {
        for (Vector& value : chain) value = value * factor + term;
    }
    Vector sum{};
    for (const Vector& value : chain) sum += value;
    *sink += (double)sum[0];
    return 2.0 * (double)rounds * kChains * kVectorLanes;
}

bool chunk_double(const ChunkTask& task) { return render_chunk(task, false); }
bool chunk_mixed(const ChunkTask& task) { return render_chunk(task, true); }

}  // namespace

#define NANOBRAGG_QUOTE(name) #name
#define NANOBRAGG_NAME(name) NANOBRAGG_QUOTE(name)
extern const KernelTable kTable;
const KernelTable kTable = {NANOBRAGG_NAME(NANOBRAGG_KERNEL_NAMESPACE), chunk_double, chunk_mixed, peak<double>,
                            peak<float>};

}  // namespace NANOBRAGG_KERNEL_NAMESPACE
}  // namespace nanobragg
