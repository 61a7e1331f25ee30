// The hot loop, written once in plain C++ that the compiler vectorises, and compiled for each instruction set by the
// kernel_*.cpp files. The pixels of a piece of a row are the vector; sources and orientations are swept over them.
#include <math.h>

// clang-format off: in this order
#include "vectors.hpp"
#include "evaluation.hpp"
// clang-format on
#include "kernel.hpp"

namespace nanobragg {
namespace NANOBRAGG_KERNEL_NAMESPACE {
namespace {

constexpr int kLanes = 16;  // chunks are padded to a multiple, so that no loop has a remainder

// Directions from the sample to the pixels of the chunk, 1/distance (0 at the sample itself), and p times it for the
// chunk's pixel p. Pairs: 1/distance of the even ones of kWidth pixels, then of the odd ones, and so on.
struct Rays {
    alignas(64) double x[kChunk], y[kChunk], z[kChunk], inverse[kChunk], along[kChunk], pairs[kChunk];
};

struct Chunk {
    const KernelScene& scene;
    int n;  // padded
    double slow, fast;
    bool pairs;  // are wanted
};

// ---- geometry ---------------------------------------------------------------------------------------------

void curve(const KernelScene& s, int n, Rays& rays) {
    for (int p = 0; p < n; ++p) {
        double at[3] = {rays.x[p], rays.y[p], rays.z[p]};
        curve_point(s, at);
        rays.x[p] = at[0];
        rays.y[p] = at[1];
        rays.z[p] = at[2];
    }
}

// A row of points, `step` = pixel_size x fast apart, at some offset inside the pixels and some depth.
struct Subpixel {
    double start[3];  // m
};

Subpixel subpixel_at(const Chunk& c, double offset_fast, double offset_slow, double depth) {
    const KernelScene& s = c.scene;
    const double slow = s.pixel_size * (c.slow + offset_slow), fast = s.pixel_size * (c.fast + offset_fast);
    Subpixel out;
    for (int i = 0; i < 3; ++i) out.start[i] = fast * s.fast[i] + slow * s.slow[i] + depth * s.normal[i] + s.origin[i];
    return out;
}

void aim(const Chunk& c, const Subpixel& at, Rays& rays) {
    const KernelScene& s = c.scene;
    const double bx = at.start[0], by = at.start[1], bz = at.start[2];
    const double fx = s.pixel_size * s.fast[0], fy = s.pixel_size * s.fast[1], fz = s.pixel_size * s.fast[2];
    const bool curved = s.curved_distance != 0;
    if (curved) {
        for (int p = 0; p < c.n; ++p) {
            rays.x[p] = bx + p * fx;
            rays.y[p] = by + p * fy;
            rays.z[p] = bz + p * fz;
        }
        curve(s, c.n, rays);
    }
    // must vectorise: rays
    for (int p = 0; p < c.n; p += kHalf) {
        Doubles *const to_x = (Doubles*)(rays.x + p), *const to_y = (Doubles*)(rays.y + p),
                       *const to_z = (Doubles*)(rays.z + p);
        const Doubles number = (double)p + kCount;
        const Doubles x = curved ? *to_x : bx + number * fx, y = curved ? *to_y : by + number * fy,
                      z = curved ? *to_z : bz + number * fz;
        const Doubles inverse = inverse_root(x * x + y * y + z * z);
        *to_x = x * inverse;
        *to_y = y * inverse;
        *to_z = z * inverse;
        *(Doubles*)(rays.inverse + p) = inverse;
        *(Doubles*)(rays.along + p) = number * inverse;
    }
    for (int p = 0; p < c.n && c.pairs; p += kWidth) {
        for (int i = 0; i < kHalf; ++i) {
            rays.pairs[p + i] = rays.inverse[p + 2 * i];
            rays.pairs[p + kHalf + i] = rays.inverse[p + 2 * i + 1];
        }
    }
}

// ---- factors ----------------------------------------------------------------------------------------------

void solid_angles(const Chunk& c, const Rays& rays, double* omega) {
    const KernelScene& s = c.scene;
    const double area = s.pixel_size * s.pixel_size * s.close_distance;
    const bool point = s.point_pixel;
#pragma omp simd
    for (int p = 0; p < c.n; ++p) {
        omega[p] = solid_angle_of(rays.inverse[p], area, point);
    }
}

// Fraction absorbed between two depths, for rays that meet the sensor at an angle.
void captures(const Chunk& c, const Rays& rays, double front, double back, double* capture) {
    const KernelScene& s = c.scene;
    const double nx = s.normal[0], ny = s.normal[1], nz = s.normal[2];
    const double near = -front * s.attenuation, far = -back * s.attenuation;
    bool plain = near <= 0 && far <= 0;
    for (int p = 0; p < c.n && plain; ++p) plain = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz > 1e-300;
    if (plain) {
#pragma omp simd
        for (int p = 0; p < c.n; ++p) {
            const double parallax = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz;
            capture[p] = exp_negative(near / parallax) - exp_negative(far / parallax);
        }
    } else {  // from behind, or without attenuation: the exponents may have any sign
        for (int p = 0; p < c.n; ++p) {
            const double parallax = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz;
            capture[p] = exp(near / parallax) - exp(far / parallax);
        }
    }
}

void polarizations(const Chunk& c, const Rays& rays, const KernelSource& source, double* polar) {
    const double ix = source.direction[0], iy = source.direction[1], iz = source.direction[2];
    const double ex = source.electric[0], ey = source.electric[1], ez = source.electric[2];
    const double mx = source.magnetic[0], my = source.magnetic[1], mz = source.magnetic[2];
    const double kahn = c.scene.kahn_factor;
#pragma omp simd
    for (int p = 0; p < c.n; ++p) {
        const double x = rays.x[p], y = rays.y[p], z = rays.z[p];
        polar[p] =
            polarization_factor(kahn, x * ix + y * iy + z * iz, x * ex + y * ey + z * ez, x * mx + y * my + z * mz);
    }
}

// ---- the sweep over orientations --------------------------------------------------------------------------

// A fractional index times the wavelength is linear in the pixel but for the distance: alpha/R + beta p/R + gamma.
struct Axis {
    double alpha, beta, gamma;
};

// One of the three indices over the whole chunk, times the wavelength (m).
struct Indices {
    alignas(64) double h[kChunk], k[kChunk], l[kChunk];
};

// A row of subpixels, and the wavelengths that come from one direction.
struct Beamline {
    const Rays& rays;
    double start[3], step[3];  // position of pixel p is start + p step (flat panels), m
    bool straight;             // that is so
    const double* incident;    // direction that the indices are taken from
    const KernelSource* sources;
    int64_t count;
};

NANOBRAGG_FN double dot3(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// An orientation's axis vector seen from the row; times `scale`, plus `shift`.
NANOBRAGG_FN Axis axis_of(const Beamline& line, const double* axis, double scale, double shift) {
    return {scale * dot3(axis, line.start), scale * dot3(axis, line.step), shift - scale * dot3(axis, line.incident)};
}

void store_indices(const Beamline& line, const double* o, int n, Indices& out) {
    if (line.straight) {
        const Axis h = axis_of(line, o, 1.0, 0.0), k = axis_of(line, o + 3, 1.0, 0.0),
                   l = axis_of(line, o + 6, 1.0, 0.0);
        const double *inverse = line.rays.inverse, *along = line.rays.along;
// must vectorise: indices of a straight row
#pragma omp simd
        for (int p = 0; p < n; ++p) {
            out.h[p] = h.alpha * inverse[p] + (h.beta * along[p] + h.gamma);
            out.k[p] = k.alpha * inverse[p] + (k.beta * along[p] + k.gamma);
            out.l[p] = l.alpha * inverse[p] + (l.beta * along[p] + l.gamma);
        }
        return;
    }
    const double* i = line.incident;
    const double ix = i[0], iy = i[1], iz = i[2];
    const double ax = o[0], ay = o[1], az = o[2], bx = o[3], by = o[4], bz = o[5], cx = o[6], cy = o[7], cz = o[8];
// must vectorise: indices of a curved row
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double x = line.rays.x[p] - ix, y = line.rays.y[p] - iy, z = line.rays.z[p] - iz;
        out.h[p] = ax * x + ay * y + az * z;
        out.k[p] = bx * x + by * y + bz * z;
        out.l[p] = cx * x + cy * y + cz * z;
    }
}

// Where the indices of one orientation and wavelength come from: computed on the spot, or stored for several
// wavelengths.
template <bool stored>
struct Index {
    Axis h, k, l;
    const double *at_h, *at_k, *at_l;  // stored indices
    const double *inverse, *along;     // 1/R and p/R
    double scale, shift;

    NANOBRAGG_FN_MEMBER double of(const Axis& axis, const double* values, int p) const {
        return stored ? values[p] * scale + shift : axis.alpha * inverse[p] + (axis.beta * along[p] + axis.gamma);
    }
};

// The lattice factors of one orientation, and where to find their structure factors. Looking those up is a loop of
// its own: next to arithmetic, compilers make a branch of it and leave both scalar.
template <class Real>
struct Pending {
    alignas(64) Real lattice[kChunk];
    alignas(64) int32_t place[kChunk];
};

void add_nearest(const KernelScene& s, const Pending<double>& pending, int n, double unit, double* acc) {
    alignas(64) double f[kChunk];
    const double* grid = s.f_grid;
    for (int p = 0; p < n; ++p) f[p] = grid[pending.place[p] < 0 ? 0 : pending.place[p]];
    const double other = s.default_F;
// must vectorise: nearest structure factors, double
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double value = pending.place[p] < 0 ? other : f[p];
        acc[p] += value * value * (pending.lattice[p] * unit);
    }
}

// The single-precision grid holds F^2, and that of default_F behind its last point.
void add_nearest(const KernelScene& s, const Pending<float>& pending, int n, float weight, float* acc) {
    const float* grid = s.f_sqr_grid;
#pragma omp simd
    for (int p = 0; p < n; ++p) acc[p] += grid[pending.place[p]] * (pending.lattice[p] * weight);
}

// acc += weight x F^2 F_latt^2 of one orientation and wavelength, in double.
template <int shape, int lookup, bool stored>
void add_double(const KernelScene& s, const Index<stored>& index, int n, double weight, Pending<double>& pending,
                double* acc) {
    const double factor = weight * (lookup == kConstant ? s.default_F * s.default_F : 1.0);
// must vectorise: evaluations, double
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = index.of(index.h, index.at_h, p), k = index.of(index.k, index.at_k, p),
                     l = index.of(index.l, index.at_l, p);
        const double h0 = lookup == kNearest ? nearest_whole(h) : round_whole(h);
        const double k0 = lookup == kNearest ? nearest_whole(k) : round_whole(k);
        const double l0 = lookup == kNearest ? nearest_whole(l) : round_whole(l);
        const double lattice = lattice_double<shape>(s, h - h0, k - k0, l - l0);
        if (lookup == kNearest) {
            pending.lattice[p] = lattice;
            pending.place[p] = grid_place(s, h0, k0, l0);
        } else {
            acc[p] += factor * lattice;
        }
    }
    if (lookup == kNearest) add_nearest(s, pending, n, weight, acc);
}

// ---- the same with vectors by hand -------------------------------------------------------------------------

// In a straight row alpha + beta p grows by additions, which processors do beside products: half of an index' products
// are saved. And phases of even and odd pixels are joined by moves that are cheaper than those of the compiler.

constexpr bool is_square(int shape) { return shape == kSquare || shape >= kFewCells; }

struct Ramp {
    Doubles at;
    double step, gamma;

    NANOBRAGG_FN_MEMBER Doubles next(Doubles inverse) {
        const Doubles index = at * inverse + gamma;
        at += step;
        return index;
    }
};

// Pixels `first`, `first` + `stride` and so on; `step` later at each turn.
NANOBRAGG_FN Ramp ramp_of(const Axis& axis, double first, double stride, double step) {
    return {axis.alpha + axis.beta * (first + stride * kCount), axis.beta * step, axis.gamma};
}

// The even and odd pixels of an axis.
struct Ramps {
    Ramp even, odd;

    explicit NANOBRAGG_FN_MEMBER Ramps(const Axis& axis)
        : even(ramp_of(axis, 0, 2, kWidth)), odd(ramp_of(axis, 1, 2, kWidth)) {}
};

template <int shape, int lookup>
void add_mixed_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, float weight,
                        Pending<float>& pending, float* part) {
    const float factor = weight * (lookup == kConstant ? (float)(s.default_F * s.default_F) : 1.0f);
    Ramps h(index.h), k(index.k), l(index.l);
    // must vectorise: evaluations of a straight row, mixed
    for (int p = 0; p < n; p += kWidth) {
        const Doubles even = *(const Doubles*)(rays.pairs + p), odd = *(const Doubles*)(rays.pairs + p + kHalf);
        const Doubles he = h.even.next(even), ho = h.odd.next(odd), ke = k.even.next(even), ko = k.odd.next(odd),
                      le = l.even.next(even), lo = l.odd.next(odd);
        const Singles lattice = square_mixed<shape>(s, phases_of(he, ho), phases_of(ke, ko), phases_of(le, lo));
        if (lookup == kNearest) {
            *(Singles*)(pending.lattice + p) = lattice;
            *(Unsigned*)(pending.place + p) =
                grid_place_of(s, wholes_of(he, ho), wholes_of(ke, ko), wholes_of(le, lo), (uint32_t)kPhaseShiftBits);
        } else {
            *(Singles*)(part + p) += factor * lattice;
        }
    }
}

constexpr double kLeastPower = -181.0;  // smaller Gaussians are 0

NANOBRAGG_FN Doubles bounded_power(Doubles e) { return e < kLeastPower ? Doubles{} + kLeastPower : e; }

// ROUND and GAUSS, whose radius stays in double: pixels in pairs' order, `part` too. In two loops, since instructions
// that wait for each other in a long row keep a processor from looking ahead.

// Squares of the radius in single precision, and what they miss; or exponents of two, less their whole part, and that.
struct Radial {
    alignas(64) float value[kChunk], rest[kChunk];
    alignas(64) int32_t whole[kChunk];
};

// Radius squared, or what the Gaussian's exponent is proportional to.
template <int shape>
NANOBRAGG_FN Doubles radial(const KernelScene& s, Doubles h, Doubles k, Doubles l) {
    const Doubles a = fraction_of(h), b = fraction_of(k), c = fraction_of(l);
    return shape == kRound ? radius_squared(s, a, b, c, 1.0) : miss_squared(s, a, b, c);
}

template <int shape>
void radial_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, Radial& out) {
    const double steepness = s.fudge * kGaussPower;
    Ramps h(index.h), k(index.k), l(index.l);
    // must vectorise: radii of a straight row
    for (int p = 0; p < n; p += kWidth) {
        const Doubles even = *(const Doubles*)(rays.pairs + p), odd = *(const Doubles*)(rays.pairs + p + kHalf);
        const Doubles he = h.even.next(even), ho = h.odd.next(odd), ke = k.even.next(even), ko = k.odd.next(odd),
                      le = l.even.next(even), lo = l.odd.next(odd);
        const Doubles e = radial<shape>(s, he, ke, le), o = radial<shape>(s, ho, ko, lo);
        if (shape == kRound) {
            const Singles value = singles_of(e, o);
            *(Singles*)(out.value + p) = value;
            *(Singles*)(out.rest + p) = singles_of(e - first_half(value), o - second_half(value));
        } else {
            const Doubles pe = bounded_power(e * steepness), po = bounded_power(o * steepness);
            const Doubles se = pe + kRoundingSum, so = po + kRoundingSum;
            *(Singles*)(out.rest + p) = singles_of(pe - (se - kRoundingSum), po - (so - kRoundingSum));
            *(Phases*)(out.whole + p) = wholes_in(se, so);
        }
    }
}

template <int shape>
void add_radial(const KernelScene& s, const Radial& radial, int n, float weight, float* part) {
    const float unit = shape == kRound ? kSphereUnit * kSphereUnit : 1.0f;
    const float factor = weight * (float)(s.default_F * s.default_F) * unit;
    // must vectorise: evaluations of a straight row, radial
    for (int p = 0; p < n; p += kWidth) {
        const Singles rest = *(const Singles*)(radial.rest + p);
        Singles lattice;
        if (shape == kRound) {
            const Singles value = *(const Singles*)(radial.value + p), x = value < 1e-30f ? Singles{} + 1e-30f : value;
            const Singles inverse = inverse_root(x), root = x * inverse;
            const Singles f = sphere_transform_single(value, root, inverse, beyond_square(x, root) + rest);
            lattice = f * f;
        } else {
            const Phases whole = *(const Phases*)(radial.whole + p);
            const Singles value = exp2_fraction_single(rest) * power_of_two(whole + kGaussScale);
            lattice = whole <= (int32_t)kLeastPower ? Singles{} : value;
        }
        *(Singles*)(part + p) += factor * lattice;
    }
}

template <int shape>
void add_double_straight(const KernelScene& s, const Index<false>& index, int n, double weight, double* acc) {
    const double factor = weight * s.default_F * s.default_F;
    Ramp h = ramp_of(index.h, 0, 1, kHalf), k = ramp_of(index.k, 0, 1, kHalf), l = ramp_of(index.l, 0, 1, kHalf);
    // must vectorise: evaluations of a straight row, double
    for (int p = 0; p < n; p += kHalf) {
        const Doubles inverse = *(const Doubles*)(index.inverse + p);
        const Doubles ih = h.next(inverse), ik = k.next(inverse), il = l.next(inverse);
        *(Doubles*)(acc + p) += factor * square_double<shape>(s, fraction_of(ih), fraction_of(ik), fraction_of(il));
    }
}

// ---- the sweeps -------------------------------------------------------------------------------------------

template <bool stored>
Index<stored> index_for(const Beamline& line, const Indices* at, const double* o, double scale, double shift) {
    Index<stored> index{};
    index.inverse = line.rays.inverse;
    index.along = line.rays.along;
    index.scale = scale;
    index.shift = shift;
    if (stored) {
        index.at_h = at->h;
        index.at_k = at->k;
        index.at_l = at->l;
    } else {
        index.h = axis_of(line, o, scale, shift);
        index.k = axis_of(line, o + 3, scale, shift);
        index.l = axis_of(line, o + 6, scale, shift);
    }
    return index;
}

// acc += sum over orientations and wavelengths, in double.
template <int shape, int lookup, bool stored>
void sweep_double(const KernelScene& s, const Beamline& line, int n, double* acc) {
    const double unit = lattice_unit<shape>(s);
    Pending<double> pending;
    Indices indices;
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        if (stored) store_indices(line, o, n, indices);
        for (int64_t w = 0; w < line.count; ++w) {
            const KernelSource& source = line.sources[w];
            const auto index = index_for<stored>(line, stored ? &indices : nullptr, o, source.inverse_wavelength, 0.0);
            if constexpr (!stored && is_square(shape) && lookup == kConstant) {
                add_double_straight<shape>(s, index, n, unit * source.weight, acc);
            } else {
                add_double<shape, lookup, stored>(s, index, n, unit * source.weight, pending, acc);
            }
        }
    }
}

// The same with fractional indices in double and the rest in float. Indices are carried as shifted doubles: their
// fraction wraps by itself, in steps of 2^-32, and so does N times it.
template <int shape, int lookup, bool stored>
void add_mixed(const KernelScene& s, const Index<stored>& index, int n, float weight, Pending<float>& pending,
               float* part) {
    const float factor = weight * (lookup == kConstant ? (float)(s.default_F * s.default_F) : 1.0f);
// must vectorise: evaluations, mixed
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = index.of(index.h, index.at_h, p), k = index.of(index.k, index.at_k, p),
                     l = index.of(index.l, index.at_l, p);
        const float lattice = lattice_mixed<shape>(s, phase_of(h), phase_of(k), phase_of(l));
        if (lookup == kNearest) {
            pending.lattice[p] = lattice;
            pending.place[p] = grid_place(s, whole_of(h), whole_of(k), whole_of(l));
        } else {
            part[p] += factor * lattice;
        }
    }
    if (lookup == kNearest) add_nearest(s, pending, n, weight, part);
}

template <int shape, int lookup, bool stored>
void sweep_mixed(const KernelScene& s, const Beamline& line, int n, double* acc) {
    // float sums of a few terms join the double sum now and then
    const int most_terms = 32;
    const double unit = lattice_unit<shape>(s) * (shape == kGauss ? (double)power_of_two((int32_t)-kGaussScale) : 1.0);
    Pending<float> pending;
    Indices indices;
    alignas(64) float part[kChunk];
    int terms = 0;
    for (int p = 0; p < n; ++p) part[p] = 0;
    Radial radii;
    constexpr bool by_radius = !stored && (shape == kRound || shape == kGauss) && lookup == kConstant;
    const auto flush = [&] {
        if (by_radius) {
            for (int p = 0; p < n; p += kWidth) {
                for (int i = 0; i < kHalf; ++i) {
                    acc[p + 2 * i] += (double)part[p + i] * unit;
                    acc[p + 2 * i + 1] += (double)part[p + kHalf + i] * unit;
                    part[p + i] = part[p + kHalf + i] = 0;
                }
            }
        } else {
#pragma omp simd
            for (int p = 0; p < n; ++p) {
                acc[p] += (double)part[p] * unit;
                part[p] = 0;
            }
        }
        terms = 0;
    };
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        if (stored) store_indices(line, o, n, indices);
        for (int64_t w = 0; w < line.count; ++w) {
            const KernelSource& source = line.sources[w];
            const auto index = index_for<stored>(line, stored ? &indices : nullptr, o, source.inverse_wavelength,
                                                 by_radius ? 0.0 : kPhaseShift);
            if constexpr (by_radius) {
                radial_straight<shape>(s, index, line.rays, n, radii);
                add_radial<shape>(s, radii, n, (float)source.weight, part);
            } else if constexpr (!stored && is_square(shape)) {
                add_mixed_straight<shape, lookup>(s, index, line.rays, n, (float)source.weight, pending, part);
                if (lookup == kNearest) add_nearest(s, pending, n, (float)source.weight, part);
            } else {
                add_mixed<shape, lookup, stored>(s, index, n, (float)source.weight, pending, part);
            }
            if (++terms == most_terms) flush();
        }
    }
    flush();
}

// ---- tricubic interpolation -------------------------------------------------------------------------------

// Interpolation of one orientation over the chunk: the weights of the four points along each axis, and the place of
// the first point in the grid (-1: out of range).
// For a part of the chunk at a time, so that all of it stays in the L1 cache.
constexpr int kCubicChunk = 64;
struct Cubic {
    alignas(64) double h[4][kCubicChunk], k[4][kCubicChunk], l[4][kCubicChunk];
    alignas(64) double hh[kCubicChunk], kk[kCubicChunk], ll[kCubicChunk];  // the indices themselves
    alignas(64) double place[kCubicChunk];
};

void prepare_cubic(const KernelScene& s, const Indices& at, double scale, int start, int n, Cubic& c) {
    const double *stored_h = at.h + start, *stored_k = at.k + start, *stored_l = at.l + start;
    const double h_min = (double)s.f_min[0], k_min = (double)s.f_min[1], l_min = (double)s.f_min[2];
    const double nk = (double)s.f_shape[1], nl = (double)s.f_shape[2];
// must vectorise: tricubic weights
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = stored_h[p] * scale, k = stored_k[p] * scale, l = stored_l[p] * scale;
        const bool inside = tricubic_inside(s, h, k, l);
        const double fh = floor_whole(h), fk = floor_whole(k), fl = floor_whole(l);
        lagrange_weights(h - fh, c.h[0][p], c.h[1][p], c.h[2][p], c.h[3][p]);
        lagrange_weights(k - fk, c.k[0][p], c.k[1][p], c.k[2][p], c.k[3][p]);
        lagrange_weights(l - fl, c.l[0][p], c.l[1][p], c.l[2][p], c.l[3][p]);
        const double place = ((fh - 1 - h_min) * nk + (fk - 1 - k_min)) * nl + (fl - 1 - l_min);
        c.place[p] = inside ? place : -1.0;
        c.hh[p] = h;
        c.kk[p] = k;
        c.ll[p] = l;
    }
}

double cubic_value(const KernelScene& s, const Cubic& c, int p) {
    if (!(c.place[p] >= 0)) {
        const int32_t place = grid_place(s, nearest_whole(c.hh[p]), nearest_whole(c.kk[p]), nearest_whole(c.ll[p]));
        return place < 0 ? s.default_F : s.f_grid[place];
    }
    const double* f = s.f_grid + (int64_t)c.place[p];
    const int64_t row = s.f_shape[2], plane = s.f_shape[1] * s.f_shape[2];
    double along_l[4] = {0, 0, 0, 0};  // four running sums: one vector
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            const double weight = c.h[i][p] * c.k[j][p];
            const double* points = f + i * plane + j * row;
            for (int m = 0; m < 4; ++m) along_l[m] += weight * points[m];
        }
    }
    return along_l[0] * c.l[0][p] + along_l[1] * c.l[1][p] + along_l[2] * c.l[2][p] + along_l[3] * c.l[3][p];
}

// Structure factors of the pixels [begin, end), which lie between the same grid points: the 64 points are fetched once,
// and the pixels are the vector.
void cubic_run(const KernelScene& s, const Cubic& c, int begin, int end, double* f) {
    const double* first = s.f_grid + (int64_t)c.place[begin];
    const int64_t row = s.f_shape[2], plane = s.f_shape[1] * s.f_shape[2];
    double points[4][4][4];
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            for (int m = 0; m < 4; ++m) points[i][j][m] = first[i * plane + j * row + m];
        }
    }
// must vectorise: tricubic runs
#pragma omp simd
    for (int p = begin; p < end; ++p) {
        const double l0 = c.l[0][p], l1 = c.l[1][p], l2 = c.l[2][p], l3 = c.l[3][p];
        double total = 0;
        for (int i = 0; i < 4; ++i) {
            double rows = 0;
            for (int j = 0; j < 4; ++j) {
                rows += c.k[j][p] *
                        ((points[i][j][0] * l0 + points[i][j][1] * l1) + (points[i][j][2] * l2 + points[i][j][3] * l3));
            }
            total += c.h[i][p] * rows;
        }
        f[p] = total;
    }
}

void cubic_values(const KernelScene& s, const Cubic& c, int n, double* f) {
    constexpr int kShort = 6;  // pixels that are not worth a run
    for (int begin = 0; begin < n;) {
        int end = begin + 1;
        while (end < n && c.place[end] == c.place[begin]) ++end;
        if (end - begin < kShort || !(c.place[begin] >= 0)) {
            for (int p = begin; p < end; ++p) f[p] = cubic_value(s, c, p);
        } else {
            cubic_run(s, c, begin, end, f);
        }
        begin = end;
    }
}

template <int shape>
void sweep_tricubic(const KernelScene& s, const Beamline& line, int n, double* acc) {
    // The lattice factors of one orientation at a time, then the structure factors.
    alignas(64) double lattice[kChunk], f[kChunk];
    const double unit = lattice_unit<shape>(s);
    Pending<double> pending;
    Indices indices;
    Cubic cubic;
    KernelScene one = s;
    one.default_F = 1.0;
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        store_indices(line, o, n, indices);
        for (int64_t w = 0; w < line.count; ++w) {
            const KernelSource& source = line.sources[w];
            for (int p = 0; p < n; ++p) lattice[p] = 0;
            const auto index = index_for<true>(line, &indices, o, source.inverse_wavelength, 0.0);
            add_double<shape, kConstant, true>(one, index, n, unit * source.weight, pending, lattice);
            for (int start = 0; start < n; start += kCubicChunk) {
                const int count = n - start < kCubicChunk ? n - start : kCubicChunk;
                prepare_cubic(s, indices, source.inverse_wavelength, start, count, cubic);
                cubic_values(s, cubic, count, f + start);
            }
            for (int p = 0; p < n; ++p) acc[p] += f[p] * f[p] * lattice[p];
        }
    }
}

// ---- fans of beams ----------------------------------------------------------------------------------------

// Beams of one wavelength differ by a constant in each index, for one orientation: cos(2 pi (h - g)) is a sum of two
// products, once the cosines and sines of both are known. That is all a polynomial of cosines asks for.

constexpr int kFan = 64;  // beams that share a pixel's cosines at a time

// cos and sin of 2 pi h, k and l.
template <class Real, int size>
struct Phasors {
    alignas(64) Real cos_h[size], sin_h[size], cos_k[size], sin_k[size], cos_l[size], sin_l[size];
};

struct Fan {
    alignas(64) double x[kFan], y[kFan], z[kFan];  // directions
    double weight[kFan];
    int count, padded;
    double inverse_wavelength;
};

NANOBRAGG_FN void phasor(double index, double& c, double& s) {
    const double rest = index - round_whole(index);
    c = cos_two_pi(rest);
    s = sin_two_pi(rest);
}
NANOBRAGG_FN void phasor(double index, float& c, float& s) {
    const int32_t phase = phase_of(index + kPhaseShift);
    c = cos_two_pi(phase);
    s = sin_two_pi(phase);
}

template <class Real>
void turn_pixels(const Indices& at, double scale, int n, Phasors<Real, kChunk>& out) {
// must vectorise: phasors of pixels
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = at.h[p] * scale, k = at.k[p] * scale, l = at.l[p] * scale;
        phasor(h, out.cos_h[p], out.sin_h[p]);
        phasor(k, out.cos_k[p], out.sin_k[p]);
        phasor(l, out.cos_l[p], out.sin_l[p]);
    }
}

template <class Real>
void turn_beams(const Fan& fan, const double* o, Phasors<Real, kFan>& out) {
    const double scale = fan.inverse_wavelength;
    const double ax = o[0] * scale, ay = o[1] * scale, az = o[2] * scale;
    const double bx = o[3] * scale, by = o[4] * scale, bz = o[5] * scale;
    const double cx = o[6] * scale, cy = o[7] * scale, cz = o[8] * scale;
// must vectorise: phasors of beams
#pragma omp simd
    for (int i = 0; i < fan.padded; ++i) {
        const double x = fan.x[i], y = fan.y[i], z = fan.z[i];
        phasor(ax * x + ay * y + az * z, out.cos_h[i], out.sin_h[i]);
        phasor(bx * x + by * y + bz * z, out.cos_k[i], out.sin_k[i]);
        phasor(cx * x + cy * y + cz * z, out.cos_l[i], out.sin_l[i]);
    }
}

template <int kind, class Real>
void add_beam(const KernelScene& s, const Phasors<Real, kChunk>& pixels, const Phasors<Real, kFan>& beams, int beam,
              int n, Real weight, Real* sum) {
    const Real ch = beams.cos_h[beam], sh = beams.sin_h[beam], ck = beams.cos_k[beam], sk = beams.sin_k[beam],
               cl = beams.cos_l[beam], sl = beams.sin_l[beam];
// must vectorise: evaluations, fan
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const Real h = pixels.cos_h[p] * ch + pixels.sin_h[p] * sh, k = pixels.cos_k[p] * ck + pixels.sin_k[p] * sk,
                   l = pixels.cos_l[p] * cl + pixels.sin_l[p] * sl;
        sum[p] += weight * few_cells_squared<kind / 2, kind % 2 != 0>(s.few, h, k, l);
    }
}

// acc += sum over orientations and the beams of a fan.
template <int kind, class Real>
void sweep_fan(const KernelScene& s, const Beamline& line, const Fan& fan, int n, double* acc) {
    // float sums of a few terms join the double sum now and then
    const int most_terms = sizeof(Real) == sizeof(float) ? 32 : 1 << 30;
    const double F_squared = s.default_F * s.default_F;
    alignas(64) Real part[kChunk];
    Indices indices;
    Phasors<Real, kChunk> pixels;
    Phasors<Real, kFan> beams;
    int terms = 0;
    for (int p = 0; p < n; ++p) part[p] = 0;
    const auto flush = [&] {
#pragma omp simd
        for (int p = 0; p < n; ++p) {
            acc[p] += (double)part[p];
            part[p] = 0;
        }
        terms = 0;
    };
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        store_indices(line, o, n, indices);
        turn_pixels(indices, fan.inverse_wavelength, n, pixels);
        turn_beams(fan, o, beams);
        for (int i = 0; i < fan.count; ++i) {
            add_beam<kind>(s, pixels, beams, i, n, (Real)(F_squared * fan.weight[i]), part);
            if (++terms == most_terms) flush();
        }
    }
    flush();
}

using FanSweep = void (*)(const KernelScene&, const Beamline&, const Fan&, int, double*);

template <class Real>
FanSweep choose_fan(int kind) {
    switch (kind) {
        case 0:
            return sweep_fan<0, Real>;
        case 1:
            return sweep_fan<1, Real>;
        case 2:
            return sweep_fan<2, Real>;
        case 3:
            return sweep_fan<3, Real>;
        case 4:
            return sweep_fan<4, Real>;
        case 5:
            return sweep_fan<5, Real>;
        case 6:
            return sweep_fan<6, Real>;
        case 7:
            return sweep_fan<7, Real>;
        default:
            return nullptr;
    }
}

// All sources seen from one row of subpixels, those of one wavelength together.
bool sum_fans(const KernelScene& s, Beamline& line, int n, double* sum, FanSweep sweep, const Poll& poll) {
    static const double no_direction[3] = {0, 0, 0};
    line.incident = no_direction;
    Fan fan;
    for (int64_t begin = 0; begin < s.source_count; begin += fan.count) {
        const KernelSource* first = s.by_wavelength + begin;
        fan.inverse_wavelength = first->inverse_wavelength;
        fan.count = 0;
        while (fan.count < kFan && begin + fan.count < s.source_count &&
               first[fan.count].inverse_wavelength == fan.inverse_wavelength) {
            const KernelSource& source = first[fan.count];
            fan.x[fan.count] = source.direction[0];
            fan.y[fan.count] = source.direction[1];
            fan.z[fan.count] = source.direction[2];
            fan.weight[fan.count++] = source.weight;
        }
        fan.padded = (fan.count + kLanes - 1) / kLanes * kLanes;
        for (int i = fan.count; i < fan.padded; ++i) fan.x[i] = fan.y[i] = fan.z[i] = 0;
        sweep(s, line, fan, n, sum);
        if (poll.stop(poll.context)) return false;
    }
    return true;
}

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
    switch (polynomial_kind(s, mixed, short_cut)) {
        case 0:
            return choose_storage<kFewCells>(lookup, mixed, stored);
        case 1:
            return choose_storage<kFewCells + 1>(lookup, mixed, stored);
        case 2:
            return choose_storage<kFewCells + 2>(lookup, mixed, stored);
        case 3:
            return choose_storage<kFewCells + 3>(lookup, mixed, stored);
        case 4:
            return choose_storage<kFewCells + 4>(lookup, mixed, stored);
        case 5:
            return choose_storage<kFewCells + 5>(lookup, mixed, stored);
        case 6:
            return choose_storage<kFewCells + 6>(lookup, mixed, stored);
        case 7:
            return choose_storage<kFewCells + 7>(lookup, mixed, stored);
        default:
            return choose_storage<kSquare>(lookup, mixed, stored);
    }
}

// ---- one chunk --------------------------------------------------------------------------------------------

struct Work {
    Rays rays, centre, incidence;
    alignas(64) double total[kChunk], acc[kChunk], keep[kChunk], omega[kChunk], capture[kChunk], polar[kChunk];
    alignas(64) double polar_now[kChunk], omega_centre[kChunk], spare[kChunk], one[kChunk];
    bool unpolarized;  // no polarization factor was computed yet
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
void first_polarization(const Chunk& c, const Rays& rays, const KernelSource& source, bool culling, Work& w) {
    if (w.unpolarized && !culling) {
        w.unpolarized = false;
        polarizations(c, rays, source, w.polar);
        return;
    }
    if (!holds_zero(w.polar, c.n)) return;
    polarizations(c, rays, source, w.polar_now);
    for (int p = 0; p < c.n; ++p) {
        if (w.polar[p] == 0.0 && (!culling || w.keep[p] != 0.0)) w.polar[p] = w.polar_now[p];
    }
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
bool sum_sources(const Chunk& c, const Subpixel& at, const Rays& rays, Work& w, const Sweeps& sweeps,
                 const Poll& poll) {
    const KernelScene& s = c.scene;
    const bool culling = s.dmin > 0;
    // With nothing to multiply, all sources may go into one sum.
    const bool factors = s.polar == kCentre || s.polar == kEach || s.capture_inside || s.omega == kEach || culling;
    double* sum = factors ? w.acc : w.total;
    Beamline line{rays, {0, 0, 0}, {0, 0, 0}, s.curved_distance == 0, nullptr, nullptr, 0};
    for (int i = 0; i < 3; ++i) {
        line.start[i] = at.start[i];
        line.step[i] = s.pixel_size * s.fast[i];
    }
    // Only where no factor differs from beam to beam.
    if (sweeps.fan != nullptr && !culling && (s.polar == kOff || s.polar == kFirst)) {
        for (int64_t n = 0; n < s.source_count && s.polar == kFirst; ++n) {
            first_polarization(c, rays, s.sources[n], false, w);
            if (!holds_zero(w.polar, c.n)) break;
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
        if (s.polar == kFirst) first_polarization(c, rays, line.sources[0], culling, w);
        if (factors) {
            for (int p = 0; p < c.n; ++p) w.acc[p] = 0;
        }
        (line.count > 1 || !line.straight ? sweeps.stored : sweeps.direct)(s, line, c.n, sum);
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
        if (!here) aim(c, subpixel_at(c, offset_fast, offset_slow, layer[3]), w.incidence);
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
                const Subpixel at = subpixel_at(c, offset_fast, offset_slow, layer[0]);
                // The only subpixel of a thin sensor is the pixel's centre.
                const bool central = s.oversample == 1 && layer[0] == 0;
                const Rays& rays = central ? w.centre : w.rays;
                if (!central) aim(c, at, w.rays);
                if (s.omega == kEach || (s.omega == kFirst && first && t == 0)) {
                    if (!central) solid_angles(c, rays, w.omega);
                }
                // A capture fraction that all layers share is computed once.
                if (s.capture_inside || t == 0) capture_of_layer(c, rays, w, layer, offset_fast, offset_slow, first);
                if (!sum_sources(c, at, rays, w, sweeps, poll)) return false;
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
    const Chunk c{s, (task.count + kLanes - 1) / kLanes * kLanes, (double)task.slow, (double)task.fast,
                  mixed && s.shape != kTophat};
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
    aim(c, subpixel_at(c, 0.5, 0.5, 0.0), w.centre);
    solid_angles(c, w.centre, w.omega_centre);
    *task.solid_angle += seen_sum(task, w.omega_centre);
    w.unpolarized = true;
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
