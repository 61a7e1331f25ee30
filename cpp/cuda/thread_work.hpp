// What one thread of the GPU does: a few pixels of the detector, and a part of the sources and orientations. Plain C++
// over a Team of threads, so that the host runs the very same functions with a team of one (host_device.cpp).
#pragma once

#include <stdint.h>

#include "physics/lattice.hpp"
#include "physics/lookup.hpp"
#include "physics/pixel.hpp"

namespace nanobragg::gpu {

constexpr int kPixels = 4;         // pixels of one thread: they share every load of an orientation
constexpr int kTile = 128;         // orientations that a team keeps at hand
constexpr int kWavelengths = 128;  // wavelengths of one beam that a team keeps at hand
constexpr int kMostTerms = 32;     // single-precision terms that are added up before they join the double sum
constexpr int kMostThreads = 128;  // the most in one team, a power of two

// Sources that share a direction, and so everything but the wavelength.
struct Beam {
    int64_t first;
    int32_t count;  // at most kWavelengths
};

// The region of interest of a panel. Those of all panels are one stream of pixels, each fast axis fastest, so that a
// launch is full however small the panels are.
struct StreamPanel {
    KernelPanel raster;
    int64_t begin;       // number of its first pixel in the stream
    int64_t width;       // pixels
    int64_t fast, slow;  // of its first pixel in the raster
    int64_t place, row;  // its first pixel in the image, and from one row to the next
};

// A scene in the memory of the device.
struct StreamScene {
    KernelScene scene;
    const StreamPanel* panels;
    int32_t panel_count;
    int64_t pixels;  // of the stream
    const Beam* beams;
    int64_t beam_count;
    const uint8_t* mask;   // of the image, or null
    int64_t tricubic_end;  // pixels of the image before it are interpolated
    double* sums;          // (slices, pixels): sums of terms
    float* image;
    double* solid_angles;  // one for each team of the last step: sums over its pixels
    double* brightest;     // likewise: largest sum of terms
};

// A pixel of the stream: its panel, and where it is in the raster and in the image.
struct StreamPixel {
    const StreamPanel* panel;
    double fast, slow;
    int64_t place;
};

NANOBRAGG_FN StreamPixel stream_pixel(const StreamScene& g, int64_t pixel) {
    int32_t low = 0, high = g.panel_count;  // the panel is one of [low, high)
    while (high - low > 1) {
        const int32_t middle = (low + high) / 2;
        (g.panels[middle].begin <= pixel ? low : high) = middle;
    }
    const StreamPanel& panel = g.panels[low];
    const int64_t number = pixel - panel.begin, slow = number / panel.width, fast = number - slow * panel.width;
    return {&panel, (double)(panel.fast + fast), (double)(panel.slow + slow), panel.place + slow * panel.row + fast};
}

// A part of the work that is short enough for one launch.
struct Job {
    int64_t pixel_begin, pixel_count;  // in the stream
    int64_t ray_begin, ray_end;        // ray: (layer, subpixel, beam), the beam fastest
    int64_t orientation_begin, orientation_end;
    int64_t ray_slices, orientation_slices;  // parts that are summed apart, by teams of their own
    bool first;                              // whether these pixels have no sums yet to add to
};

// Memory that the threads of a team share.
struct alignas(16) Shared {
    struct alignas(16) Pair {
        double a, b;
    };
    Pair axes[kTile][5];  // a, b, c of an orientation, and one number that is not used
    double inverse_wavelength[kWavelengths], weight[kWavelengths];
    double first[kMostThreads], second[kMostThreads];
};

// ---- evaluations ------------------------------------------------------------------------------------------

// The difference of the unit vectors along and after a ray to a pixel, times `scale`, and what its terms are multiplied
// by.
struct Scattering {
    double q[3], factor;
};

NANOBRAGG_CALLED Scattering scattering_of(const KernelScene& s, const KernelPanel& raster, double fast, double slow,
                                          Subpixel sub, const KernelSource& source, double scale) {
    const Pixel<double> pixel{s, raster, fast, slow};
    const Ray<double> ray = pixel.ray(sub);
    const double* incident = source.direction;
    const double captured =
        s.capture_inside ? capture_of(s, pixel, sub.layer, sub.number, parallax_of(s, pixel, sub.layer, ray)) : 1.0;
    return {{(ray.x - incident[0]) * scale, (ray.y - incident[1]) * scale, (ray.z - incident[2]) * scale},
            inner_factor(s, pixel, ray, source, captured)};
}

// F of a cubic interpolation whose 64 points lie in the grid.
NANOBRAGG_FN double tricubic_value(const KernelScene& s, double h, double k, double l) {
    const double h0 = floor_whole(h), k0 = floor_whole(k), l0 = floor_whole(l);
    double wh[4], wk[4], wl[4];
    lagrange_weights(h - h0, wh[0], wh[1], wh[2], wh[3]);
    lagrange_weights(k - k0, wk[0], wk[1], wk[2], wk[3]);
    lagrange_weights(l - l0, wl[0], wl[1], wl[2], wl[3]);
    const int64_t row = s.f_shape[2], plane = s.f_shape[1] * s.f_shape[2];
    const double* first = s.f_grid + ((int64_t)h0 - 1 - s.f_min[0]) * plane + ((int64_t)k0 - 1 - s.f_min[1]) * row +
                          ((int64_t)l0 - 1 - s.f_min[2]);
    double total = 0;
    NANOBRAGG_UNROLL
    for (int i = 0; i < 4; ++i) {
        double sheet = 0;
        NANOBRAGG_UNROLL
        for (int j = 0; j < 4; ++j) {
            const double* f = first + i * plane + j * row;
            sheet += wk[j] * ((f[0] * wl[0] + f[1] * wl[1]) + (f[2] * wl[2] + f[3] * wl[3]));
        }
        total += wh[i] * sheet;
    }
    return total;
}

// F^2 F_latt^2 (the latter over the lattice's unit, the former over default_F^2 under Lookup::constant) at fractional
// indices; in mixed precision these are shifted (physics.hpp, kPhaseShift).
template <class Lattice, Lookup lookup>
NANOBRAGG_FN double evaluate(const KernelScene& s, double h, double k, double l, bool interpolate, double) {
    const double h0 = lookup == Lookup::constant ? round_whole(h) : nearest_whole(h);
    const double k0 = lookup == Lookup::constant ? round_whole(k) : nearest_whole(k);
    const double l0 = lookup == Lookup::constant ? round_whole(l) : nearest_whole(l);
    const double lattice = Lattice::squared(s, h - h0, k - k0, l - l0);
    if (lookup == Lookup::constant) return lattice;
    double f = s.default_F;
    if (lookup == Lookup::tricubic && interpolate && tricubic_inside(s, h, k, l)) {
        f = tricubic_value(s, h, k, l);
    } else {
        const int32_t place = grid_place(s, h0, k0, l0);
        if (place >= 0) f = s.f_grid[place];
    }
    return f * f * lattice;
}
template <class Lattice, Lookup lookup>
NANOBRAGG_FN float evaluate(const KernelScene& s, double h, double k, double l, bool, float) {
    const float lattice = Lattice::squared_mixed(s, phase_of(h), phase_of(k), phase_of(l));
    if (lookup == Lookup::constant) return lattice;
    return s.f_sqr_grid[grid_place(s, whole_of(h), whole_of(k), whole_of(l))] * lattice;
}

template <class Real>
struct Traits;
template <>
struct Traits<double> {
    static constexpr double shift = 0;
    static constexpr int terms = kTile;  // there is nothing to be lost
};
template <>
struct Traits<float> {
    static constexpr double shift = kPhaseShift;
    static constexpr int terms = kMostTerms;
};

// What the sums are multiplied by at the end.
template <class Real, class Lattice, Lookup lookup>
NANOBRAGG_FN double unit_of(const KernelScene& s) {
    const double unit = sizeof(Real) == sizeof(float) ? Lattice::mixed_unit(s) : Lattice::unit(s);
    return lookup == Lookup::constant ? unit * (s.default_F * s.default_F) : unit;
}

struct Axes {
    double v[9];
};

NANOBRAGG_FN Axes axes_of(const Shared& shared, int m) {
    const Shared::Pair p0 = shared.axes[m][0], p1 = shared.axes[m][1], p2 = shared.axes[m][2], p3 = shared.axes[m][3],
                       p4 = shared.axes[m][4];
    return {{p0.a, p0.b, p1.a, p1.b, p2.a, p2.b, p3.a, p3.b, p4.a}};
}

// q . a + shift
NANOBRAGG_FN double index_of(const double* axis, const double q[3], double shift) {
    return axis[0] * q[0] + (axis[1] * q[1] + (axis[2] * q[2] + shift));
}

// acc += the terms of `count` orientations of the tile, for one wavelength (q is divided by it) ...
template <class Real, class Lattice, Lookup lookup>
NANOBRAGG_FN void sweep_one(const KernelScene& s, const Shared& shared, int count, const double q[kPixels][3],
                            const bool interpolate[kPixels], double acc[kPixels]) {
    constexpr double shift = Traits<Real>::shift;
    for (int begin = 0; begin < count; begin += Traits<Real>::terms) {
        const int end = begin + Traits<Real>::terms < count ? begin + Traits<Real>::terms : count;
        Real part[kPixels] = {};
        for (int m = begin; m < end; ++m) {
            const Axes o = axes_of(shared, m);
            NANOBRAGG_UNROLL
            for (int p = 0; p < kPixels; ++p) {
                part[p] += evaluate<Lattice, lookup>(s, index_of(o.v, q[p], shift), index_of(o.v + 3, q[p], shift),
                                                     index_of(o.v + 6, q[p], shift), interpolate[p], Real());
            }
        }
        NANOBRAGG_UNROLL
        for (int p = 0; p < kPixels; ++p) acc[p] += (double)part[p];
    }
}

// ... and for the wavelengths of a beam (q is not divided).
template <class Real, class Lattice, Lookup lookup>
NANOBRAGG_FN void sweep_many(const KernelScene& s, const Shared& shared, int count, int wavelengths,
                             const double q[kPixels][3], const bool interpolate[kPixels], double acc[kPixels]) {
    constexpr double shift = Traits<Real>::shift;
    for (int m = 0; m < count; ++m) {
        const Axes o = axes_of(shared, m);
        double h[kPixels], k[kPixels], l[kPixels];
        NANOBRAGG_UNROLL
        for (int p = 0; p < kPixels; ++p) {
            h[p] = index_of(o.v, q[p], 0.0);
            k[p] = index_of(o.v + 3, q[p], 0.0);
            l[p] = index_of(o.v + 6, q[p], 0.0);
        }
        for (int begin = 0; begin < wavelengths; begin += Traits<Real>::terms) {
            const int end = begin + Traits<Real>::terms < wavelengths ? begin + Traits<Real>::terms : wavelengths;
            Real part[kPixels] = {};
            for (int w = begin; w < end; ++w) {
                const double inverse = shared.inverse_wavelength[w];
                const Real weight = (Real)shared.weight[w];
                NANOBRAGG_UNROLL
                for (int p = 0; p < kPixels; ++p) {
                    part[p] += weight * evaluate<Lattice, lookup>(s, h[p] * inverse + shift, k[p] * inverse + shift,
                                                                  l[p] * inverse + shift, interpolate[p], Real());
                }
            }
            NANOBRAGG_UNROLL
            for (int p = 0; p < kPixels; ++p) acc[p] += (double)part[p];
        }
    }
}

// ---- a team's work ----------------------------------------------------------------------------------------

struct Range {
    int64_t begin, end;
};

// Part `number` of `parts` equal ones.
NANOBRAGG_FN Range part_of(int64_t begin, int64_t end, int64_t number, int64_t parts) {
    const int64_t length = end - begin;
    return {begin + length * number / parts, begin + length * (number + 1) / parts};
}

template <class Team>
NANOBRAGG_FN void stage_orientations(const KernelScene& s, Shared& shared, int64_t begin, int count, const Team& team) {
    for (int i = team.index; i < count * 9; i += team.size) {
        const int m = i / 9, c = i % 9;
        const double value = s.orientations[9 * begin + i];
        (c % 2 == 0 ? shared.axes[m][c / 2].a : shared.axes[m][c / 2].b) = value;
    }
}

template <class Team>
NANOBRAGG_FN void stage_beam(const KernelScene& s, Shared& shared, const Beam& beam, const Team& team) {
    for (int w = team.index; w < beam.count; w += team.size) {
        shared.inverse_wavelength[w] = s.sources[beam.first + w].inverse_wavelength;
        shared.weight[w] = s.sources[beam.first + w].weight;
    }
}

// The pixels of one thread.
struct Pixels {
    int64_t number[kPixels];  // in the stream
    const StreamPanel* panel[kPixels];
    double fast[kPixels], slow[kPixels];
    bool wanted[kPixels], interpolate[kPixels];
    bool any;
};

template <class Team>
NANOBRAGG_FN Pixels pixels_of(const StreamScene& g, const Job& job, int64_t block, const Team& team) {
    Pixels out;
    out.any = false;
    NANOBRAGG_UNROLL
    for (int p = 0; p < kPixels; ++p) {
        const int64_t number = (block * kPixels + p) * team.size + team.index;
        const int64_t pixel = job.pixel_begin + (number < job.pixel_count ? number : 0);
        const StreamPixel at = stream_pixel(g, pixel);
        out.number[p] = pixel;
        out.panel[p] = at.panel;
        out.fast[p] = at.fast;
        out.slow[p] = at.slow;
        out.wanted[p] = number < job.pixel_count && (g.mask == nullptr || g.mask[at.place] != 0);
        out.interpolate[p] = at.place < g.tricubic_end;
        out.any |= out.wanted[p];
    }
    return out;
}

// Adds the terms of a slice of a job to the sums of the pixels of one block.
template <class Real, class Lattice, Lookup lookup, class Team>
NANOBRAGG_FN void accumulate(const StreamScene& g, const Job& job, int64_t block, int64_t slice, Shared& shared,
                             const Team& team) {
    const KernelScene& s = g.scene;
    const Pixels pixels = pixels_of(g, job, block, team);
    const Range rays = part_of(job.ray_begin, job.ray_end, slice % job.ray_slices, job.ray_slices);
    const Range orientations =
        part_of(job.orientation_begin, job.orientation_end, slice / job.ray_slices, job.orientation_slices);
    const bool staged_once = orientations.end - orientations.begin <= kTile;
    const double unit = unit_of<Real, Lattice, lookup>(s);
    double total[kPixels] = {};
    if (staged_once) {
        stage_orientations(s, shared, orientations.begin, (int)(orientations.end - orientations.begin), team);
    }
    for (int64_t ray = rays.begin; ray < rays.end; ++ray) {
        const Beam beam = g.beams[ray % g.beam_count];
        const KernelSource& source = s.sources[beam.first];
        const bool one = beam.count == 1;
        const int64_t point = ray / g.beam_count, square = s.oversample * s.oversample;
        const Subpixel sub = subpixel_of(s, point / square, point % square);
        double q[kPixels][3], factor[kPixels], acc[kPixels] = {};
        NANOBRAGG_UNROLL
        for (int p = 0; p < kPixels; ++p) {
            const Scattering at = scattering_of(s, pixels.panel[p]->raster, pixels.fast[p], pixels.slow[p], sub, source,
                                                one ? source.inverse_wavelength : 1.0);
            factor[p] = at.factor;
            for (int i = 0; i < 3; ++i) q[p][i] = at.q[i];
        }
        team.sync();  // the last beam is done with
        stage_beam(s, shared, beam, team);
        for (int64_t begin = orientations.begin; begin < orientations.end; begin += kTile) {
            const int count = (int)(orientations.end - begin < kTile ? orientations.end - begin : kTile);
            if (!staged_once) {
                team.sync();
                stage_orientations(s, shared, begin, count, team);
            }
            team.sync();
            if (!pixels.any) continue;
            if (one) {
                sweep_one<Real, Lattice, lookup>(s, shared, count, q, pixels.interpolate, acc);
            } else {
                sweep_many<Real, Lattice, lookup>(s, shared, count, beam.count, q, pixels.interpolate, acc);
            }
        }
        const double weight = one ? source.weight : 1.0;
        NANOBRAGG_UNROLL
        for (int p = 0; p < kPixels; ++p) {
            // A ray that is culled adds nothing, whatever its terms are.
            if (factor[p] != 0.0) total[p] += with_factor(factor[p], weight * unit * acc[p]);
        }
    }
    double* sums = g.sums + slice * g.pixels;
    NANOBRAGG_UNROLL
    for (int p = 0; p < kPixels; ++p) {
        if (pixels.wanted[p]) sums[pixels.number[p]] = job.first ? total[p] : sums[pixels.number[p]] + total[p];
    }
}

// ---- the end ----------------------------------------------------------------------------------------------

// The image from the sums: one pixel for each thread of the team. `slices` as the jobs had them.
template <class Team>
NANOBRAGG_FN void finish(const StreamScene& g, const Job& job, int64_t block, int64_t slices, Shared& shared,
                         const Team& team) {
    const int64_t number = block * team.size + team.index;
    shared.first[team.index] = 0;
    shared.second[team.index] = 0;
    if (number < job.pixel_count) {
        const int64_t pixel = job.pixel_begin + number;
        const StreamPixel found = stream_pixel(g, pixel);
        if (g.mask == nullptr || g.mask[found.place] != 0) {
            double sum = 0;
            for (int64_t i = 0; i < slices; ++i) sum += g.sums[i * g.pixels + pixel];
            const KernelPanel raster = found.panel->raster;
            const Pixel<double> at{g.scene, raster, found.fast, found.slow};
            shared.first[team.index] = solid_angle(g.scene, raster, at.centre());
            shared.second[team.index] = sum;
            g.image[found.place] = (float)photons(g.scene, at, sum);
        }
    }
    // In one fixed order, so that the result is the same every time.
    for (int width = team.size / 2; width > 0; width /= 2) {
        team.sync();
        if (team.index < width) {
            shared.first[team.index] += shared.first[team.index + width];
            const double a = shared.second[team.index], b = shared.second[team.index + width];
            shared.second[team.index] = b > a ? b : a;
        }
    }
    if (team.index == 0) {
        const int64_t part = job.pixel_begin / team.size + block;
        g.solid_angles[part] = shared.first[0];
        g.brightest[part] = shared.second[0];
    }
}

}  // namespace nanobragg::gpu
