// The sweep with structure factors that are interpolated. A part of kernel.inl.

// Interpolation of one orientation over the chunk: the weights of the four points along each axis, and the place of
// the first point in the grid (-1: out of range).
// For a part of the chunk at a time, so that all of it stays in the L1 cache.
struct Cubic {
    alignas(64) double h[4][kCubicChunk], k[4][kCubicChunk], l[4][kCubicChunk];
    alignas(64) double hh[kCubicChunk], kk[kCubicChunk], ll[kCubicChunk];  // the indices themselves
    alignas(64) double place[kCubicChunk];
};

// Of indices that are `scale` times what is stored.
void prepare_cubic(const KernelScene& s, const double* stored_h, const double* stored_k, const double* stored_l,
                   double scale, int n, Cubic& c) {
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

// Of a register of indices: those between the same points are the vector.
[[gnu::noinline]] Doubles cubic_factors(const KernelScene& s, Doubles h, Doubles k, Doubles l) {
    alignas(64) double stored[3][kHalf];
    doubles_at(stored[0]) = h;
    doubles_at(stored[1]) = k;
    doubles_at(stored[2]) = l;
    Cubic c;
    prepare_cubic(s, stored[0], stored[1], stored[2], 1.0, kHalf, c);
    const int64_t row = s.f_shape[2], plane = s.f_shape[1] * s.f_shape[2];
    const Doubles place = doubles_at(c.place), l0 = doubles_at(c.l[0]), l1 = doubles_at(c.l[1]),
                  l2 = doubles_at(c.l[2]), l3 = doubles_at(c.l[3]);
    Doubles out{};
    uint32_t left = (1u << kHalf) - 1;
    while (left != 0) {
        const int first = __builtin_ctz(left);
        left &= left - 1;
        if (!(c.place[first] >= 0)) {
            out[first] = cubic_value(s, c, first);
            continue;
        }
        const double* points = s.f_grid + (int64_t)c.place[first];
        Doubles total{};
        for (int i = 0; i < 4; ++i) {
            Doubles rows{};
            for (int j = 0; j < 4; ++j) {
                const double* f = points + i * plane + j * row;
                rows += doubles_at(c.k[j]) * ((f[0] * l0 + f[1] * l1) + (f[2] * l2 + f[3] * l3));
            }
            total += doubles_at(c.h[i]) * rows;
        }
        const auto same = place == c.place[first];
        out = same ? total : out;
        for (int j = first + 1; j < kHalf; ++j) left &= c.place[j] == c.place[first] ? ~(1u << j) : ~0u;
    }
    return out;
}

template <class Lattice>
void sweep_tricubic(const KernelScene& s, const Beamline& line, int n, double* acc) {
    // The lattice factors of one orientation at a time, then the structure factors.
    alignas(64) double lattice[kChunk], f[kChunk];
    const double unit = Lattice::unit(s);
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
            add_double<Lattice, Lookup::constant, true>(one, index, nullptr, n, unit * source.weight, pending, lattice);
            for (int start = 0; start < n; start += kCubicChunk) {
                const int count = n - start < kCubicChunk ? n - start : kCubicChunk;
                prepare_cubic(s, indices.h + start, indices.k + start, indices.l + start, source.inverse_wavelength,
                              count, cubic);
                cubic_values(s, cubic, count, f + start);
            }
            for (int p = 0; p < n; ++p) acc[p] += f[p] * f[p] * lattice[p];
        }
    }
}
