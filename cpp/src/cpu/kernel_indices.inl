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
    Columns& columns;
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
        line.columns.fill(line.rays.row.first, n);
        const double *inverse = line.rays.inverse, *number = line.columns.of;
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
// must vectorise: indices of a row that is not straight
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
    double number;                     // the chunk's first column
    double scale, shift;

    NANOBRAGG_FN_MEMBER double of(const Axis& axis, const double* values, const double* columns, int p) const {
        return stored ? values[p] * scale + shift : (axis.alpha + axis.beta * columns[p]) * inverse[p] + axis.gamma;
    }
};

template <bool stored>
Index<stored> index_for(const Beamline& line, const Indices* at, const double* o, double scale, double shift) {
    Index<stored> index{};
    index.inverse = line.rays.inverse;
    index.number = line.rays.row.first;
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
// are saved. It begins anew at multiples of kRun of the raster's pixels, so that a pixel's rounding errors are few, and
// the same in whatever chunk it is.

constexpr int kRun = 256;

// Where the run of a chunk's first pixel begins, how many turns of `step` pixels before it, and the chunk's pixel with
// which the next one does.
struct Run {
    double first;
    int turns, next;

    NANOBRAGG_FN_MEMBER Run(double number, int step) {
        const int into = (int)((int64_t)number % kRun);
        first = number - into;
        turns = into / step;
        next = kRun - into;
    }
};

// Pixels `offset`, `offset` + `stride` and so on of a run, `step` later at each turn.
struct Ramp {
    Doubles base, at;  // of a run that begins with the raster's first pixel; now
    double beta, step, gamma;

    NANOBRAGG_FN_MEMBER Ramp(const Axis& axis, double offset, double stride, double pixels, const Run& run)
        : base(axis.alpha + axis.beta * (offset + stride * kCount)),
          at(base + axis.beta * run.first),
          beta(axis.beta),
          step(axis.beta * pixels),
          gamma(axis.gamma) {
        for (int i = 0; i < run.turns; ++i) at += step;
    }
    NANOBRAGG_FN_MEMBER void begin(double number) { at = base + beta * number; }
    NANOBRAGG_FN_MEMBER Doubles next(Doubles inverse) {
        const Doubles index = at * inverse + gamma;
        at += step;
        return index;
    }
};

// The indices of kHalf pixels.
struct ThreeIndices {
    Doubles h, k, l;
};

// Along a row, kHalf pixels at a time.
struct HalfWalk {
    const double* inverse;
    const double number;  // of the chunk's first pixel
    Run run;
    Ramp h, k, l;

    NANOBRAGG_FN_MEMBER explicit HalfWalk(const Index<false>& index)
        : inverse(index.inverse),
          number(index.number),
          run(number, kHalf),
          h(index.h, 0, 1, kHalf, run),
          k(index.k, 0, 1, kHalf, run),
          l(index.l, 0, 1, kHalf, run) {}

    // To be asked for p = 0, kHalf and so on.
    NANOBRAGG_FN_MEMBER ThreeIndices next(int p) {
        if (__builtin_expect(p == run.next, 0)) begin(p);
        const Doubles near = doubles_at(inverse + p);
        return {h.next(near), k.next(near), l.next(near)};
    }

  private:
    NANOBRAGG_FN_MEMBER void begin(int p) {
        run.next += kRun;
        h.begin(number + p);
        k.begin(number + p);
        l.begin(number + p);
    }
};

// The indices of kWidth pixels.
struct SixIndices {
    Doubles h_even, h_odd, k_even, k_odd, l_even, l_odd;
};

// Along a row, kWidth pixels at a time.
struct RowWalk {
    const Rays& rays;
    const double number;  // of the chunk's first pixel
    Run run;
    Ramp h_even, h_odd, k_even, k_odd, l_even, l_odd;

    NANOBRAGG_FN_MEMBER RowWalk(const Index<false>& index, const Rays& to)
        : rays(to),
          number(index.number),
          run(number, kWidth),
          h_even(index.h, 0, 2, kWidth, run),
          h_odd(index.h, 1, 2, kWidth, run),
          k_even(index.k, 0, 2, kWidth, run),
          k_odd(index.k, 1, 2, kWidth, run),
          l_even(index.l, 0, 2, kWidth, run),
          l_odd(index.l, 1, 2, kWidth, run) {}

    // To be asked for p = 0, kWidth and so on.
    NANOBRAGG_FN_MEMBER SixIndices next(int p) {
        if (__builtin_expect(p == run.next, 0)) begin(p);
        const Doubles even = doubles_at(rays.pairs + p), odd = doubles_at(rays.pairs + p + kHalf);
        return {h_even.next(even), h_odd.next(odd),   k_even.next(even),
                k_odd.next(odd),   l_even.next(even), l_odd.next(odd)};
    }

  private:
    NANOBRAGG_FN_MEMBER void begin(int p) {
        run.next += kRun;
        const double first = number + p;
        h_even.begin(first);
        h_odd.begin(first);
        k_even.begin(first);
        k_odd.begin(first);
        l_even.begin(first);
        l_odd.begin(first);
    }
};
