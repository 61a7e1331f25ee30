// The sweeps over orientations and the wavelengths of a beam: one struct for each kind of loop, which says where its
// indices come from (`stored` for several wavelengths, or computed on the spot, where it may walk along the row by
// additions), by how much they are shifted, what one orientation and wavelength add, and what is left to do at the end.
// A part of kernel.inl.

// ---- in double --------------------------------------------------------------------------------------------

template <class Lattice, Lookup lookup, bool stores>
struct DoubleTerms {
    static constexpr bool stored = stores, walks = false;
    static constexpr double shift = 0.0;
    const KernelScene& s;
    const double unit;
    const int n;
    double* acc;
    Pending<double> pending;

    DoubleTerms(const KernelScene& scene, int count, double* sums)
        : s(scene), unit(Lattice::unit(scene)), n(count), acc(sums) {}
    void add(const Index<stored>& index, const Beamline& line, double weight) {
        add_double<Lattice, lookup, stored>(s, index, line.columns.of, n, unit * weight, pending, acc);
    }
    void finish() {}
};

// A straight row with a constant structure factor.
template <class Lattice>
struct StraightDoubleTerms {
    static constexpr bool stored = false, walks = true;
    static constexpr double shift = 0.0;
    const KernelScene& s;
    const double unit;
    const int n;
    double* acc;

    StraightDoubleTerms(const KernelScene& scene, int count, double* sums)
        : s(scene), unit(Lattice::unit(scene)), n(count), acc(sums) {}
    void add(const Index<false>& index, const Beamline&, double weight) {
        add_double_straight<Lattice>(s, index, n, unit * weight, acc);
    }
    void finish() {}
};

// ---- in mixed precision -----------------------------------------------------------------------------------

// So many terms in single precision are added up before they join the double sum.
constexpr int kMostTerms = 32;

template <class Real>
void join(int n, double unit, Real* part, double* acc) {
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        acc[p] += (double)part[p] * unit;
        part[p] = 0;
    }
}

// Adds `part` to the sums where it is in pairs' order.
void join_pairs(int n, double unit, float* part, double* acc) {
    for (int p = 0; p < n; p += kWidth) {
        for (int i = 0; i < kHalf; ++i) {
            acc[p + 2 * i] += (double)part[p + i] * unit;
            acc[p + 2 * i + 1] += (double)part[p + kHalf + i] * unit;
            part[p + i] = part[p + kHalf + i] = 0;
        }
    }
}

// Sums in single precision, of a lattice's unit.
struct SingleSums {
    alignas(64) float part[kChunk];
    const KernelScene& s;
    const double unit;
    const int n;
    double* acc;
    int terms = 0;

    SingleSums(const KernelScene& scene, double of, int count, double* sums) : s(scene), unit(of), n(count), acc(sums) {
        for (int p = 0; p < n; ++p) part[p] = 0;
    }
    // To be called after each term.
    void count() {
        if (++terms == kMostTerms) finish();
    }
    void finish() {
        join(n, unit, part, acc);
        terms = 0;
    }
};

template <class Lattice, Lookup lookup, bool stores>
struct MixedTerms : SingleSums {
    static constexpr bool stored = stores, walks = false;
    static constexpr double shift = kPhaseShift;
    Pending<float> pending;

    MixedTerms(const KernelScene& scene, int number, double* sums)
        : SingleSums(scene, Lattice::mixed_unit(scene), number, sums) {}
    void add(const Index<stored>& index, const Beamline& line, double weight) {
        add_mixed<Lattice, lookup, stored>(s, index, line.columns.of, n, (float)weight, pending, part);
        count();
    }
};

// A straight row with a constant structure factor ...
template <class Lattice>
struct StraightMixedTerms : SingleSums {
    static constexpr bool stored = false, walks = true;
    static constexpr double shift = kPhaseShift;

    StraightMixedTerms(const KernelScene& scene, int number, double* sums)
        : SingleSums(scene, Lattice::mixed_unit(scene), number, sums) {}
    void add(const Index<false>& index, const Beamline& line, double weight) {
        add_mixed_straight<Lattice>(s, index, line.rays, n, (float)weight, part);
        count();
    }
};

// ... with that of the nearest grid point ...
template <class Lattice>
struct StraightNearestTerms : SingleSums {
    static constexpr bool stored = false, walks = true;
    static constexpr double shift = kNearestShift;
    Nearest known[kChunk / kWidth];

    StraightNearestTerms(const KernelScene& scene, int number, double* sums)
        : SingleSums(scene, Lattice::mixed_unit(scene), number, sums) {
        for (int p = 0; p < n; p += kWidth) known[p / kWidth].h = Unsigned{};  // no index is that small
    }
    void add(const Index<false>& index, const Beamline& line, double weight) {
        add_nearest_straight<Lattice>(s, index, line.rays, n, (float)weight, known, part);
        count();
    }
};

// ... and of a shape that depends on a radius, with a constant structure factor.
template <class Lattice>
struct RadialTerms : SingleSums {
    static constexpr bool stored = false, walks = true;
    static constexpr double shift = 0.0;
    using Radii = typename RadiiOf<Lattice>::Type;
    typename Radii::Kept radii[kChunk / kWidth];

    RadialTerms(const KernelScene& scene, int number, double* sums)
        : SingleSums(scene, Lattice::mixed_unit(scene), number, sums) {}
    void add(const Index<false>& index, const Beamline& line, double weight) {
        radial_straight<Radii>(s, index, line.rays, n, radii);
        add_radial<Radii>(s, radii, n, (float)weight, part);
        if (++terms == kMostTerms) finish();
    }
    // NOLINTNEXTLINE(bugprone-derived-method-shadowing-base-method): it is chosen by type.
    void finish() {
        join_pairs(n, unit, part, acc);
        terms = 0;
    }
};

// ---- the sweep --------------------------------------------------------------------------------------------

// acc += sum over orientations and wavelengths.
template <class Terms>
void sweep(const KernelScene& s, const Beamline& line, int n, double* acc) {
    Terms terms(s, n, acc);
    Indices indices;
    if (!Terms::stored && !Terms::walks) line.columns.fill(line.rays.row.first, n);
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        if (Terms::stored) store_indices(line, o, n, indices);
        for (int64_t w = 0; w < line.count; ++w) {
            const KernelSource& source = line.sources[w];
            const auto index = index_for<Terms::stored>(line, &indices, o, source.inverse_wavelength, Terms::shift);
            terms.add(index, line, source.weight);
        }
    }
    terms.finish();
}
