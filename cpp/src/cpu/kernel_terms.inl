// Terms of one orientation and wavelength along a row of pixels: the innermost loops, where the time goes. A part of
// kernel.inl.

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
template <class Lattice, Lookup lookup, bool stored>
void add_double(const KernelScene& s, const Index<stored>& index, const double* columns, int n, double weight,
                Pending<double>& pending, double* acc) {
    const double factor = weight * (lookup == Lookup::constant ? s.default_F * s.default_F : 1.0);
// must vectorise: evaluations, double
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = index.of(index.h, index.at_h, columns, p), k = index.of(index.k, index.at_k, columns, p),
                     l = index.of(index.l, index.at_l, columns, p);
        const double h0 = lookup == Lookup::nearest ? nearest_whole(h) : round_whole(h);
        const double k0 = lookup == Lookup::nearest ? nearest_whole(k) : round_whole(k);
        const double l0 = lookup == Lookup::nearest ? nearest_whole(l) : round_whole(l);
        const double lattice = Lattice::squared(s, h - h0, k - k0, l - l0);
        if (lookup == Lookup::nearest) {
            pending.lattice[p] = lattice;
            pending.place[p] = grid_place(s, h0, k0, l0);
        } else {
            acc[p] += factor * lattice;
        }
    }
    if (lookup == Lookup::nearest) add_nearest(s, pending, n, weight, acc);
}

// Terms with fractional indices in double and the rest in float. Indices are carried as shifted doubles: their
// fraction wraps by itself, in steps of 2^-32, and so does N times it.
template <class Lattice, Lookup lookup, bool stored>
void add_mixed(const KernelScene& s, const Index<stored>& index, const double* columns, int n, float weight,
               Pending<float>& pending, float* part) {
    const float factor = weight * (lookup == Lookup::constant ? (float)(s.default_F * s.default_F) : 1.0f);
// must vectorise: evaluations, mixed
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = index.of(index.h, index.at_h, columns, p), k = index.of(index.k, index.at_k, columns, p),
                     l = index.of(index.l, index.at_l, columns, p);
        const float lattice = Lattice::squared_mixed(s, phase_of(h), phase_of(k), phase_of(l));
        if (lookup == Lookup::nearest) {
            pending.lattice[p] = lattice;
            pending.place[p] = grid_place(s, whole_of(h), whole_of(k), whole_of(l));
        } else {
            part[p] += factor * lattice;
        }
    }
    if (lookup == Lookup::nearest) add_nearest(s, pending, n, weight, part);
}

// ---- the same with vectors by hand -------------------------------------------------------------------------

// Phases of even and odd pixels are joined by moves that are cheaper than those of the compiler. Only for types of
// lattices whose functions take registers.

template <class Lattice>
void add_double_straight(const KernelScene& s, const Index<false>& index, int n, double weight, double* acc) {
    const double factor = weight * s.default_F * s.default_F;
    HalfWalk walk(index);
    // must vectorise: evaluations of a straight row, double
    for (int p = 0; p < n; p += kHalf) {
        const ThreeIndices at = walk.next(p);
        doubles_at(acc + p) += factor * Lattice::squared(s, fraction_of(at.h), fraction_of(at.k), fraction_of(at.l));
    }
}

template <class Lattice>
void add_mixed_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, float weight,
                        float* part) {
    const float factor = weight * (float)(s.default_F * s.default_F);
    RowWalk walk(index, rays);
    // must vectorise: evaluations of a straight row, mixed
    for (int p = 0; p < n; p += kWidth) {
        const SixIndices at = walk.next(p);
        const Singles lattice = Lattice::squared_mixed(s, phases_of(at.h_even, at.h_odd),
                                                       phases_of(at.k_even, at.k_odd), phases_of(at.l_even, at.l_odd));
        singles_at(part + p) += factor * lattice;
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

// `known`: phases of the orientation before, n / kWidth of them. The next pixels' phases are made before these pixels'
// lattice factors, which keeps all units of a processor busy.
template <class Lattice>
void add_nearest_straight(const KernelScene& s, const Index<false>& index, const Rays& rays, int n, float weight,
                          Nearest* known, float* part) {
    RowWalk walk(index, rays);
    const auto turn = [&](int p) {
        const SixIndices at = walk.next(p);
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
        return known[p / kWidth].f_squared * (Lattice::squared_mixed(s, at.h, at.k, at.l) * weight);
    };
    Turned now = turn(0);
    // must vectorise: nearest structure factors of a straight row, mixed
    for (int p = kWidth; p < n; p += kWidth) {
        const Turned next = turn(p);
        singles_at(part + p - kWidth) += value(p - kWidth, now);
        now = next;
    }
    singles_at(part + n - kWidth) += value(n - kWidth, now);
}
