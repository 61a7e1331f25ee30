// Fractional indices along a row of pixels. A part of kernel.inl.

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

// ---- the same with vectors by hand -------------------------------------------------------------------------

// In a straight row alpha + beta p grows by additions, which processors do beside products: half of an index' products
// are saved.

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
struct SixIndices {
    Doubles h_even, h_odd, k_even, k_odd, l_even, l_odd;
};

// Along a row, kWidth pixels at a time.
struct RowWalk {
    const Rays& rays;
    Ramp h_even, h_odd, k_even, k_odd, l_even, l_odd;

    NANOBRAGG_FN_MEMBER RowWalk(const Index<false>& index, const Rays& to)
        : rays(to),
          h_even(ramp_of(index.h, 0, 2, kWidth)),
          h_odd(ramp_of(index.h, 1, 2, kWidth)),
          k_even(ramp_of(index.k, 0, 2, kWidth)),
          k_odd(ramp_of(index.k, 1, 2, kWidth)),
          l_even(ramp_of(index.l, 0, 2, kWidth)),
          l_odd(ramp_of(index.l, 1, 2, kWidth)) {}

    // To be asked for p = 0, kWidth and so on.
    NANOBRAGG_FN_MEMBER SixIndices next(int p) {
        const Doubles even = doubles_at(rays.pairs + p), odd = doubles_at(rays.pairs + p + kHalf);
        return {h_even.next(even), h_odd.next(odd),   k_even.next(even),
                k_odd.next(odd),   l_even.next(even), l_odd.next(odd)};
    }
};
