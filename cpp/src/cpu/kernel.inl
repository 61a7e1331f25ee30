// The hot loop, written once in plain C++ that the compiler vectorises, and compiled for each instruction set by the
// kernel_*.cpp files. The pixels of a piece of a row are the vector; sources and orientations are swept over them.
#include <math.h>

// clang-format off: in this order
#include "cpu/vectors.hpp"
#include "physics/evaluation.hpp"
// clang-format on
#include "cpu/kernel.hpp"

namespace nanobragg {
namespace NANOBRAGG_KERNEL_NAMESPACE {
namespace {

// clang-format off: in this order
#include "cpu/kernel_rays.inl"
#include "cpu/kernel_sweeps.inl"
#include "cpu/kernel_tricubic.inl"
#include "cpu/kernel_fans.inl"
// clang-format on

// ---- the choice of loops ----------------------------------------------------------------------------------

using Sweep = void (*)(const KernelScene&, const Beamline&, int, double*);

template <int shape, bool stored>
Sweep choose_lookup(int lookup, bool mixed) {
    if (lookup == kTricubic) return sweep_tricubic<shape>;
    if (lookup == kNearest) return mixed ? sweep_mixed<shape, kNearest, stored> : sweep_double<shape, kNearest, stored>;
    return mixed ? sweep_mixed<shape, kConstant, stored> : sweep_double<shape, kConstant, stored>;
}

template <int shape>
Sweep choose_storage(int lookup, bool mixed, bool stored) {
    return stored ? choose_lookup<shape, true>(lookup, mixed) : choose_lookup<shape, false>(lookup, mixed);
}

// For indices computed on the spot, for stored ones, and for fans (or null).
struct Sweeps {
    Sweep direct, stored;
    FanSweep fan;
};

// The polynomials' kind, or -1: none. One of degree 0 is exact; in double precision all of them are as good.
int polynomial_kind(const KernelScene& s, bool mixed, bool short_cut) {
    return mixed && s.few.kind > 0 && !short_cut ? -1 : s.few.kind;
}

template <int kind>
struct Kind {
    static constexpr int value = kind;
};

// What `visit` makes of a kind that is known when compiling.
template <class Visit>
auto with_kind(int kind, Visit visit) {
    switch (kind) {
        case 0:
            return visit(Kind<0>());
        case 1:
            return visit(Kind<1>());
        case 2:
            return visit(Kind<2>());
        case 3:
            return visit(Kind<3>());
        case 4:
            return visit(Kind<4>());
        case 5:
            return visit(Kind<5>());
        case 6:
            return visit(Kind<6>());
        case 7:
            return visit(Kind<7>());
        default:
            return visit(Kind<-1>());
    }
}

Sweep choose_sweep(const KernelScene& s, int lookup, bool mixed, bool short_cut, bool stored) {
    switch (s.shape) {
        case kRound:
            return choose_storage<kRound>(lookup, mixed, stored);
        case kGauss:
            return choose_storage<kGauss>(lookup, mixed, stored);
        case kTophat:
            return choose_storage<kTophat>(lookup, mixed, stored);
        default:
            break;
    }
    return with_kind(polynomial_kind(s, mixed, short_cut), [&](auto kind) {
        return choose_storage < kind.value<0 ? kSquare : kFewCells + kind.value>(lookup, mixed, stored);
    });
}

template <class Real>
FanSweep choose_fan(int polynomials) {
    return with_kind(polynomials, [](auto kind) -> FanSweep {
        if constexpr (kind.value < 0) {
            return nullptr;
        } else {
            return sweep_fan<kind.value, Real>;
        }
    });
}

// ---- one chunk --------------------------------------------------------------------------------------------

// Which pixels have their polarization factor, where it is the first source's.
enum Polarized { kNone, kUnchecked, kSome, kAll };

struct Work {
    Rays rays, centre, incidence;
    alignas(64) double total[kChunk], acc[kChunk], keep[kChunk], omega[kChunk], capture[kChunk], polar[kChunk];
    alignas(64) double polar_now[kChunk], omega_centre[kChunk], spare[kChunk], one[kChunk];
    Polarized polarized;
};

// Pixels whose scattering vector is beyond dmin get 0, others 1.
void cull(const Chunk& c, const Rays& rays, const KernelSource& source, double* keep) {
    const double dmin = c.scene.dmin, inverse = source.inverse_wavelength;
    const double ix = source.direction[0], iy = source.direction[1], iz = source.direction[2];
#pragma omp simd
    for (int p = 0; p < c.n; ++p) keep[p] = kept(rays.x[p] - ix, rays.y[p] - iy, rays.z[p] - iz, inverse, dmin);
}

void multiply(int n, double* values, const double* by) {
#pragma omp simd
    for (int p = 0; p < n; ++p) values[p] *= by[p];
}

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

// The first source that is not culled decides on the polarization; a factor of exactly 0 is computed again.
bool lacks_polarization(const Chunk& c, Work& w) {
    if (w.polarized == kUnchecked) w.polarized = holds_zero(w.polar, c.n) ? kSome : kAll;
    return w.polarized != kAll;
}

void take_polarization(const Chunk& c, const Rays& rays, const KernelSource& source, bool culling, Work& w) {
    if (w.polarized == kNone && !culling) {
        polarizations(c, rays, source, w.polar);
    } else {
        polarizations(c, rays, source, w.polar_now);
        for (int p = 0; p < c.n; ++p) {
            if (w.polar[p] == 0.0 && (!culling || w.keep[p] != 0.0)) w.polar[p] = w.polar_now[p];
        }
    }
    w.polarized = kUnchecked;
}

// The sum of some sources' terms, times what differs from subpixel to subpixel or from layer to layer.
void add_to_total(const Chunk& c, bool culling, Work& w) {
    if (c.scene.capture_inside) multiply(c.n, w.acc, w.capture);
    if (c.scene.omega == kEach) multiply(c.n, w.acc, w.omega);
    if (culling) {
        for (int p = 0; p < c.n; ++p) w.total[p] += w.keep[p] != 0.0 ? w.acc[p] : 0.0;
    } else {
        for (int p = 0; p < c.n; ++p) w.total[p] += w.acc[p];
    }
}

// All sources seen from one row of subpixels.
bool sum_sources(const Chunk& c, const Rays& rays, Work& w, const Sweeps& sweeps, const Poll& poll) {
    const KernelScene& s = c.scene;
    const bool culling = s.dmin > 0;
    // With nothing to multiply, all sources may go into one sum.
    const bool factors = s.polar == kCentre || s.polar == kEach || s.capture_inside || s.omega == kEach || culling;
    double* sum = factors ? w.acc : w.total;
    Beamline line{rays, nullptr, nullptr, 0};
    // Only where no factor differs from beam to beam.
    if (sweeps.fan != nullptr && !culling && (s.polar == kOff || s.polar == kFirst)) {
        for (int64_t n = 0; n < s.source_count && lacks_polarization(c, w); ++n) {
            take_polarization(c, rays, s.sources[n], false, w);
        }
        for (int p = 0; p < c.n && factors; ++p) w.acc[p] = 0;
        const bool done = sum_fans(s, line, c.n, sum, sweeps.fan, poll);
        if (factors) add_to_total(c, false, w);
        return done;
    }
    for (int64_t n = 0; n < s.source_count; n += line.count) {
        line.sources = s.sources + n;
        line.incident = line.sources[0].direction;
        line.count = same_direction(s, n);
        if (culling) cull(c, rays, line.sources[0], w.keep);
        if (lacks_polarization(c, w)) take_polarization(c, rays, line.sources[0], culling, w);
        if (factors) {
            for (int p = 0; p < c.n; ++p) w.acc[p] = 0;
        }
        (line.count > 1 || !rays.straight ? sweeps.stored : sweeps.direct)(s, line, c.n, sum);
        if (s.polar == kCentre || s.polar == kEach) {
            polarizations(c, s.polar == kCentre ? w.centre : rays, line.sources[0], w.polar_now);
            multiply(c.n, w.acc, w.polar_now);
        }
        if (factors) add_to_total(c, culling, w);
        if (poll.stop(poll.context)) return false;
    }
    return true;
}

// What is added once per pixel, with the factors of its centre.
void add_background(const Chunk& c, Work& w, double amount, bool with_omega, bool with_polar, bool with_capture,
                    double* out) {
    const KernelScene& s = c.scene;
    alignas(64) double value[kChunk];
    for (int p = 0; p < c.n; ++p) value[p] = amount;
    if (with_omega) multiply(c.n, value, w.omega_centre);
    if (with_polar && s.polar != kOff) {
        for (int p = 0; p < c.n; ++p) w.spare[p] = 0;
        for (int64_t n = 0; n < s.source_count; ++n) {
            polarizations(c, w.centre, s.sources[n], w.polar_now);
            const double share = s.sources[n].weight / s.weight_sum;
            for (int p = 0; p < c.n; ++p) w.spare[p] += share * w.polar_now[p];
        }
        multiply(c.n, value, w.spare);
    }
    if (with_capture && s.capture != kOff) {
        captures(c, w.centre, 0.0, s.sensor_depth, w.spare);
        multiply(c.n, value, w.spare);
    }
    for (int p = 0; p < c.n; ++p) out[p] += value[p];
}

void capture_of_layer(const Chunk& c, const Rays& rays, Work& w, const double* layer, double offset_fast,
                      double offset_slow, bool first) {
    const KernelScene& s = c.scene;
    if (s.capture == kEach) {
        captures(c, rays, layer[1], layer[2], w.capture);
    } else if (s.capture == kCentre && first) {
        captures(c, w.centre, layer[1], layer[2], w.capture);
    } else if (s.capture == kFirst && (first || holds_zero(w.capture, c.n))) {
        const bool here = layer[3] == layer[0];
        if (!here) aim(c, row_at(c, offset_fast, offset_slow, layer[3]), w.incidence);
        captures(c, here ? rays : w.incidence, layer[1], layer[2], w.spare);
        for (int p = 0; p < c.n; ++p) w.capture[p] = first || w.capture[p] == 0.0 ? w.spare[p] : w.capture[p];
    }
}

bool sum_layers(const Chunk& c, Work& w, const Sweeps& sweeps, const Poll& poll) {
    const KernelScene& s = c.scene;
    const double step = 1.0 / (double)s.oversample;
    for (int64_t t = 0; t < s.layer_count; ++t) {
        const double* layer = s.layers + 4 * t;
        for (int64_t i = 0; i < s.oversample; ++i) {
            for (int64_t j = 0; j < s.oversample; ++j) {
                const bool first = i == 0 && j == 0;
                const double offset_fast = ((double)j + 0.5) * step, offset_slow = ((double)i + 0.5) * step;
                const Row at = row_at(c, offset_fast, offset_slow, layer[0]);
                // The only subpixel of a thin sensor is the pixel's centre.
                const bool central = s.oversample == 1 && layer[0] == 0;
                const Rays& rays = central ? w.centre : w.rays;
                if (!central) aim(c, at, w.rays);
                if (s.omega == kEach || (s.omega == kFirst && first && t == 0)) {
                    if (!central) solid_angles(c, rays, w.omega);
                }
                // A capture fraction that all layers share is computed once.
                if (s.capture_inside || t == 0) capture_of_layer(c, rays, w, layer, offset_fast, offset_slow, first);
                if (!sum_sources(c, rays, w, sweeps, poll)) return false;
            }
        }
    }
    return true;
}

// Over the pixels that are not masked.
double seen_sum(const ChunkTask& task, const double* values) {
    double sum = 0;
    if (task.mask == nullptr) {
#pragma omp simd reduction(+ : sum)
        for (int p = 0; p < task.count; ++p) sum += values[p];
    } else {
        for (int p = 0; p < task.count; ++p) sum += task.mask[p] != 0 ? values[p] : 0.0;
    }
    return sum;
}

// Likewise; 0 if all are below.
double seen_maximum(const ChunkTask& task, const double* values) {
    double most = 0;
    if (task.mask == nullptr) {
#pragma omp simd reduction(max : most)
        for (int p = 0; p < task.count; ++p) most = values[p] > most ? values[p] : most;
    } else {
        for (int p = 0; p < task.count; ++p) most = task.mask[p] != 0 && values[p] > most ? values[p] : most;
    }
    return most;
}

bool render_chunk(const ChunkTask& task, bool mixed) {
    const KernelScene& s = *task.scene;
    const Chunk c{s, (task.count + kLanes - 1) / kLanes * kLanes, (double)task.slow, (double)task.fast};
    Work w;
    const bool grid = s.f_shape[0] * s.f_shape[1] * s.f_shape[2] > 0;
    const int lookup = !grid ? kConstant : task.tricubic ? kTricubic : kNearest;
    const bool short_cut = takes_short_cut(s) && !task.careful;
    const int fans = s.by_wavelength != nullptr && s.shape == kSquare && lookup == kConstant
                         ? polynomial_kind(s, mixed, short_cut)
                         : -1;
    const Sweeps sweeps{choose_sweep(s, lookup, mixed, short_cut, false),
                        choose_sweep(s, lookup, mixed, short_cut, true),
                        mixed ? choose_fan<float>(fans) : choose_fan<double>(fans)};
    aim(c, row_at(c, 0.5, 0.5, 0.0), w.centre);
    solid_angles(c, w.centre, w.omega_centre);
    *task.solid_angle += seen_sum(task, w.omega_centre);
    w.polarized = s.polar == kFirst ? kNone : kAll;
    for (int p = 0; p < c.n; ++p) {
        w.total[p] = 0;
        w.omega[p] = w.omega_centre[p];
        w.one[p] = 1;
    }
    for (int p = 0; p < c.n && s.polar == kFirst; ++p) w.polar[p] = 0;
    for (int p = 0; p < c.n && s.capture != kOff; ++p) w.capture[p] = 1;
    if (!sum_layers(c, w, sweeps, task.poll)) return false;
    const double brightest = seen_maximum(task, w.total);
    if (brightest > *task.brightest) *task.brightest = brightest;
    if (s.background_sum != 0) {
        add_background(c, w, s.background_sum, s.omega == kEach, s.polar == kEach || s.polar == kCentre,
                       s.capture_inside != 0, w.total);
    }
    const double scale = s.scale / s.steps;
    // Factors that left the sum, or 1.
    const double* capture = !s.capture_inside && s.capture != kOff ? w.capture : w.one;
    const double* polar = s.polar == kFirst ? w.polar : w.one;
    const double* omega = s.omega != kEach ? w.omega : w.one;
#pragma omp simd
    for (int p = 0; p < c.n; ++p) w.total[p] = (scale * w.total[p]) * (capture[p] * (polar[p] * omega[p]));
    if (s.background != 0) add_background(c, w, s.background, true, true, true, w.total);
    for (int p = 0; p < task.count; ++p) task.image[p] = (float)w.total[p];
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
