// The sweeps over orientations and the wavelengths of a beam: where the time goes. A part of kernel.inl.

// A fractional index times the wavelength is linear in the pixel but for the distance: (alpha + beta p)/R + gamma.
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
    const double* incident;  // direction that the indices are taken from
    const KernelSource* sources;
    int64_t count;
};

// An orientation's axis vector seen from the row; times `scale`, plus `shift`.
NANOBRAGG_FN Axis axis_of(const Beamline& line, const double* axis, double scale, double shift) {
    const Row& row = line.rays.row;
    return {scale * dot3(axis, row.start), scale * dot3(axis, row.step), shift - scale * dot3(axis, line.incident)};
}

void store_indices(const Beamline& line, const double* o, int n, Indices& out) {
    if (line.rays.straight) {
        const Axis h = axis_of(line, o, 1.0, 0.0), k = axis_of(line, o + 3, 1.0, 0.0),
                   l = axis_of(line, o + 6, 1.0, 0.0);
        const double *inverse = line.rays.inverse, *number = kNumbers.of;
// must vectorise: indices of a straight row
#pragma omp simd
        for (int p = 0; p < n; ++p) {
            out.h[p] = (h.alpha + h.beta * number[p]) * inverse[p] + h.gamma;
            out.k[p] = (k.alpha + k.beta * number[p]) * inverse[p] + k.gamma;
            out.l[p] = (l.alpha + l.beta * number[p]) * inverse[p] + l.gamma;
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
    const double* inverse;             // 1/R
    double scale, shift;

    NANOBRAGG_FN_MEMBER double of(const Axis& axis, const double* values, int p) const {
        return stored ? values[p] * scale + shift : (axis.alpha + axis.beta * kNumbers.of[p]) * inverse[p] + axis.gamma;
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

// The indices of kWidth pixels.
struct Step {
    Doubles h_even, h_odd, k_even, k_odd, l_even, l_odd;
};

// Along a row, kWidth pixels at a time.
struct Walk {
    const Rays& rays;
    Ramp h_even, h_odd, k_even, k_odd, l_even, l_odd;

    NANOBRAGG_FN_MEMBER Walk(const Index<false>& index, const Rays& to)
        : rays(to),
          h_even(ramp_of(index.h, 0, 2, kWidth)),
          h_odd(ramp_of(index.h, 1, 2, kWidth)),
          k_even(ramp_of(index.k, 0, 2, kWidth)),
          k_odd(ramp_of(index.k, 1, 2, kWidth)),
          l_even(ramp_of(index.l, 0, 2, kWidth)),
          l_odd(ramp_of(index.l, 1, 2, kWidth)) {}

    // To be asked for p = 0, kWidth and so on.
    NANOBRAGG_FN_MEMBER Step next(int p) {
        const Doubles even = *(const Doubles*)(rays.pairs + p), odd = *(const Doubles*)(rays.pairs + p + kHalf);
        return {h_even.next(even), h_odd.next(odd),   k_even.next(even),
                k_odd.next(odd),   l_even.next(even), l_odd.next(odd)};
    }
};

template <int shape>
void add_mixed_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, float weight,
                        float* part) {
    const float factor = weight * (float)(s.default_F * s.default_F);
    Walk walk(index, rays);
    // must vectorise: evaluations of a straight row, mixed
    for (int p = 0; p < n; p += kWidth) {
        const Step at = walk.next(p);
        const Singles lattice = square_mixed<shape>(s, phases_of(at.h_even, at.h_odd), phases_of(at.k_even, at.k_odd),
                                                    phases_of(at.l_even, at.l_odd));
        *(Singles*)(part + p) += factor * lattice;
    }
}

// Phases of kWidth pixels' indices.
struct Turned {
    Phases h, k, l;
};

// The nearest grid points of kWidth pixels, all too large by kPhaseShiftBits, and their squared structure factors. The
// crystal turns little from one step of an oscillation to the next, so that most are wanted again.
struct Nearest {
    Unsigned h, k, l;
    Singles f_squared;
};

// `known`: of the orientation before, n / kWidth of them. The next pixels' phases are made before the lattice factors
// of these, which keeps all units of a processor busy.
template <int shape>
void add_nearest_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, float weight,
                          Nearest* known, float* part) {
    Walk walk(index, rays);
    const auto turn = [&](int p) {
        const Step at = walk.next(p);
        const Unsigned h = wholes_of(at.h_even, at.h_odd), k = wholes_of(at.k_even, at.k_odd),
                       l = wholes_of(at.l_even, at.l_odd);
        Nearest& nearest = known[p / kWidth];
        if (any_of((h ^ nearest.h) | (k ^ nearest.k) | (l ^ nearest.l))) {
            nearest = {h, k, l, gathered(s.f_sqr_grid, grid_place_of(s, h, k, l, (uint32_t)kPhaseShiftBits))};
        }
        return Turned{phases_beside(at.h_even, at.h_odd), phases_beside(at.k_even, at.k_odd),
                      phases_beside(at.l_even, at.l_odd)};
    };
    const auto value = [&](int p, const Turned& at) {
        return known[p / kWidth].f_squared * (square_mixed<shape>(s, at.h, at.k, at.l) * weight);
    };
    Turned now = turn(0);
    // must vectorise: nearest structure factors of a straight row, mixed
    for (int p = kWidth; p < n; p += kWidth) {
        const Turned next = turn(p);
        *(Singles*)(part + p - kWidth) += value(p - kWidth, now);
        now = next;
    }
    *(Singles*)(part + n - kWidth) += value(n - kWidth, now);
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
    Walk walk(index, rays);
    // must vectorise: radii of a straight row
    for (int p = 0; p < n; p += kWidth) {
        const Step at = walk.next(p);
        const Doubles e = radial<shape>(s, at.h_even, at.k_even, at.l_even),
                      o = radial<shape>(s, at.h_odd, at.k_odd, at.l_odd);
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

// Sums of so many terms in single precision join the double sum.
constexpr int kMostTerms = 32;

template <class Real>
void join(int n, double unit, Real* part, double* acc) {
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        acc[p] += (double)part[p] * unit;
        part[p] = 0;
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
    const double unit = lattice_unit<shape>(s) * (shape == kGauss ? (double)power_of_two((int32_t)-kGaussScale) : 1.0);
    Pending<float> pending;
    Indices indices;
    alignas(64) float part[kChunk];
    int terms = 0;
    for (int p = 0; p < n; ++p) part[p] = 0;
    Radial radii;
    Nearest known[kChunk / kWidth];
    constexpr bool by_radius = !stored && (shape == kRound || shape == kGauss) && lookup == kConstant;
    constexpr bool by_hand = !stored && is_square(shape);
    constexpr double shift = by_radius ? 0.0 : by_hand && lookup == kNearest ? kNearestShift : kPhaseShift;
    // no index is that small
    for (int p = 0; p < n && by_hand && lookup == kNearest; p += kWidth) known[p / kWidth].h = Unsigned{};
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
            join(n, unit, part, acc);
        }
        terms = 0;
    };
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        if (stored) store_indices(line, o, n, indices);
        for (int64_t w = 0; w < line.count; ++w) {
            const KernelSource& source = line.sources[w];
            const auto index =
                index_for<stored>(line, stored ? &indices : nullptr, o, source.inverse_wavelength, shift);
            if constexpr (by_radius) {
                radial_straight<shape>(s, index, line.rays, n, radii);
                add_radial<shape>(s, radii, n, (float)source.weight, part);
            } else if constexpr (by_hand) {
                if (lookup == kNearest) {
                    add_nearest_straight<shape>(s, index, line.rays, n, (float)source.weight, known, part);
                } else {
                    add_mixed_straight<shape>(s, index, line.rays, n, (float)source.weight, part);
                }
            } else {
                add_mixed<shape, lookup, stored>(s, index, n, (float)source.weight, pending, part);
            }
            if (++terms == kMostTerms) flush();
        }
    }
    flush();
}
