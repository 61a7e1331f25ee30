// The orientations of the crystal swept over the pixels, with the derivatives of their terms. A part of slopes.inl.

// Structure factors of a register's pixels with their slopes by h, k and l, and the grid points they are made of.
struct GridFactors {
    Doubles value, slope[3];
    int64_t place[kHalf];  // in the grid; -1: default_F
    bool cubic[kHalf];     // the first of 64 points, with these weights along each axis
    double weights[kHalf][3][4];
};

// visit(place, weight) for the grid points of one pixel.
template <class Visit>
NANOBRAGG_FN void visit_points(const KernelScene& s, const GridFactors& f, int lane, const Visit& visit) {
    if (!f.cubic[lane]) {
        visit(f.place[lane], 1.0);
        return;
    }
    const auto& w = f.weights[lane];
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            const int64_t row = f.place[lane] + (i * s.f_shape[1] + j) * s.f_shape[2];
            for (int m = 0; m < 4; ++m) visit(row + m, w[0][i] * w[1][j] * w[2][m]);
        }
    }
}

void interpolate(const KernelScene& s, const double h[3], int lane, GridFactors& out) {
    double slopes[3][4], start[3];
    auto& w = out.weights[lane];
    for (int axis = 0; axis < 3; ++axis) {
        const double below = floor_whole(h[axis]), t = h[axis] - below;
        lagrange_weights(t, w[axis][0], w[axis][1], w[axis][2], w[axis][3]);
        lagrange_slopes(t, slopes[axis][0], slopes[axis][1], slopes[axis][2], slopes[axis][3]);
        start[axis] = below - 1 - (double)s.f_min[axis];
    }
    const double first = (start[0] * (double)s.f_shape[1] + start[1]) * (double)s.f_shape[2] + start[2];
    out.place[lane] = (int64_t)first;
    double value = 0, by[3] = {0, 0, 0};
    for (int i = 0; i < 4; ++i) {
        double plane = 0, plane_k = 0, plane_l = 0;
        for (int j = 0; j < 4; ++j) {
            const double* points = s.f_grid + out.place[lane] + (i * s.f_shape[1] + j) * s.f_shape[2];
            double row = 0, row_l = 0;
            for (int m = 0; m < 4; ++m) {
                row += w[2][m] * points[m];
                row_l += slopes[2][m] * points[m];
            }
            plane += w[1][j] * row;
            plane_k += slopes[1][j] * row;
            plane_l += w[1][j] * row_l;
        }
        value += w[0][i] * plane;
        by[0] += slopes[0][i] * plane;
        by[1] += w[0][i] * plane_k;
        by[2] += w[0][i] * plane_l;
    }
    out.value[lane] = value;
    for (int axis = 0; axis < 3; ++axis) out.slope[axis][lane] = by[axis];
}

template <Lookup lookup>
NANOBRAGG_FN void look_up(const Row& row, const Doubles h[3], const Doubles whole[3], const Doubles& squared,
                          GridFactors& out) {
    const KernelScene& s = row.s;
    const Doubles places = grid_number(s, whole[0], whole[1], whole[2]);
    for (Doubles& slope : out.slope) slope = Doubles{};
    for (int i = 0; i < kHalf; ++i) {
        out.cubic[i] = false;
        if constexpr (lookup == Lookup::tricubic) {
            bool* interpolating = row.task.interpolating;
            const bool still = interpolating == nullptr || *interpolating;
            out.cubic[i] = still && tricubic_inside(s, h[0][i], h[1][i], h[2][i]);
            // The first one out of range that counts ends it.
            const bool counts = squared[i] != 0 || s.background_sum != 0;
            if (interpolating != nullptr && !out.cubic[i] && counts) *interpolating = false;
            if (out.cubic[i]) {
                const double at[3] = {h[0][i], h[1][i], h[2][i]};
                interpolate(s, at, i, out);
                continue;
            }
        }
        out.place[i] = (int64_t)places[i];
        out.value[i] = out.place[i] < 0 ? s.default_F : s.f_grid[out.place[i]];
    }
}

// Some registers of pixels, whose terms of one orientation are made together: in several short loops one after the
// other, each of which keeps its numbers in registers.
constexpr int kBlock = 8;

// Derivatives of F^2 F_latt^2 by h, k and l; and these, where a direction wants them.
struct Block {
    int begin, count;  // which registers of the row
    Doubles by_index[3][kBlock], h[3][kBlock];
};

// The indices of a register's pixels.
NANOBRAGG_FN void indices_of(const RowWork& w, const double* o, int r, Doubles h[3]) {
    for (int i = 0; i < 3; ++i) {
        h[i] = o[3 * i] * doubles_at(w.q[0], r) +
               (o[3 * i + 1] * doubles_at(w.q[1], r) + o[3 * i + 2] * doubles_at(w.q[2], r));
    }
}

// The terms of a block by any shape: adds to the sums, and leaves the derivatives by the indices.
template <class Slopes, Lookup lookup>
struct Terms {
    static constexpr int kParameters = parameters_of(Slopes::depends);

    const KernelScene& s;
    const double* shape;
    GridFactors f{};

    explicit NANOBRAGG_FN_MEMBER Terms(const KernelScene& scene, const double* given) : s(scene), shape(given) {}

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t m, Block& block) {
        RowWork& w = row.work;
        for (int b = 0; b < block.count; ++b) {
            const int r = block.begin + b;
            Doubles h[3], whole[3], miss[3];
            indices_of(w, o, r, h);
            for (int i = 0; i < 3; ++i) {
                if (direction.wants_indices()) block.h[i][b] = h[i];
                if constexpr (lookup == Lookup::constant) {
                    miss[i] = fraction_of(h[i]);
                } else {
                    whole[i] = nearest_whole(h[i]);
                    miss[i] = h[i] - whole[i];
                }
            }
            auto value = Slopes::of(s, shape, miss);
            if constexpr (lookup != Lookup::constant) {
                look_up<lookup>(row, h, whole, value.squared, f);
                const Doubles square = f.value * f.value, by_factor = 2.0 * f.value * value.squared;
                direction.take_factors(row, r, m, by_factor, f);
                for (int i = 0; i < 3; ++i) value.by_index[i] = square * value.by_index[i] + by_factor * f.slope[i];
                for (int i = 0; i < kParameters; ++i) value.by_shape[i] *= square;
                value.squared *= square;
            }
            doubles_at(w.sum, r) += value.squared;
            for (int i = 0; i < kParameters; ++i) doubles_at(w.by_shape[i], r) += value.by_shape[i];
            for (int i = 0; i < 3; ++i) block.by_index[i][b] = value.by_index[i];
        }
    }
};

// Of an axis, what slopes_along() makes of a block.
struct BlockAxis {
    AxisSlopes<Doubles> slopes[kBlock];
    Doubles miss[kBlock];
};

// The same of few cells, axis by axis. by_shape is N times what it should be.
template <class Slopes>
struct FewTerms {
    AxisPolynomial<Slopes::degree> polynomials[3];

    explicit FewTerms(const KernelScene& s, const double*) {
        for (int i = 0; i < 3; ++i) polynomials[i] = axis_polynomial<Slopes::degree>(s.few, i);
    }

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t, Block& block) {
        constexpr int kBeside = 4;  // registers
        static_assert(kBlock % kBeside == 0, "whole groups");
        RowWork& w = row.work;
        BlockAxis axes[3];
        for (int b = 0; b < block.count; ++b) {
            Doubles h[3];
            indices_of(w, o, block.begin + b, h);
            for (int i = 0; i < 3; ++i) {
                if (direction.wants_indices()) block.h[i][b] = h[i];
                axes[i].miss[b] = fraction_of(h[i]);
            }
        }
        for (int b = block.count; b % kBeside != 0; ++b) {
            for (BlockAxis& axis : axes) axis.miss[b] = Doubles{};
        }
        for (int i = 0; i < 3; ++i) {
            for (int b = 0; b < block.count; b += kBeside) {
                slopes_along<Slopes::degree, Slopes::even, kBeside>(polynomials[i], axes[i].miss + b,
                                                                    axes[i].slopes + b);
            }
        }
        for (int b = 0; b < block.count; ++b) {
            const int r = block.begin + b;
            const AxisSlopes<Doubles> along[3] = {axes[0].slopes[b], axes[1].slopes[b], axes[2].slopes[b]};
            const Doubles miss[3] = {axes[0].miss[b], axes[1].miss[b], axes[2].miss[b]};
            const auto value = Slopes::of(miss, along);
            doubles_at(w.sum, r) += value.squared;
            for (int i = 0; i < 3; ++i) {
                doubles_at(w.by_shape[i], r) += value.by_shape[i];
                block.by_index[i][b] = value.by_index[i];
            }
        }
    }
};

// The derivatives by q of one orientation's terms.
void add_by_q(RowWork& w, const double* o, const Block& block) {
    for (int b = 0; b < block.count; ++b) {
        const Doubles by[3] = {block.by_index[0][b], block.by_index[1][b], block.by_index[2][b]};
        for (int j = 0; j < 3; ++j) {
            Doubles& sum = doubles_at(w.by_q[j], block.begin + b);
            sum = o[6 + j] * by[2] + (o[3 + j] * by[1] + (o[j] * by[0] + sum));
        }
    }
}

template <class Terms, class Direction>
void sweep_with(Row& row, const double* orientations, const Direction& direction) {
    const KernelScene s = row.s;  // a copy, of which compilers know that it stays as it is; and of the parameters
    double shape[kShapeParameters];
    for (int i = 0; i < kShapeParameters; ++i) shape[i] = row.task.shape[i];
    Terms terms(s, shape);
    Block block;
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = orientations + 9 * m;
        typename Direction::Local local{};
        for (block.begin = 0; block.begin < row.registers; block.begin += kBlock) {
            block.count = row.registers - block.begin < kBlock ? row.registers - block.begin : kBlock;
            terms.add(row, o, direction, m, block);
            if (direction.geometry) add_by_q(row.work, o, block);
            direction.take(row, m, block, local);
        }
        direction.end(local, m);
    }
}

template <class Slopes, class Direction>
void sweep_shape(Row& row, const double* orientations, const Direction& direction) {
    if (!has_grid(row.s)) return sweep_with<Terms<Slopes, Lookup::constant>>(row, orientations, direction);
    if (row.task.tricubic) return sweep_with<Terms<Slopes, Lookup::tricubic>>(row, orientations, direction);
    return sweep_with<Terms<Slopes, Lookup::nearest>>(row, orientations, direction);
}

// Few cells, a whole number along each axis, and a constant structure factor.
template <class Polynomial, class Direction>
void sweep_few(Row& row, const double* orientations, const Direction& direction) {
    sweep_with<FewTerms<Polynomial>>(row, orientations, direction);
    for (int axis = 0; axis < 3; ++axis) {
        for (int r = 0; r < row.registers; ++r) doubles_at(row.work.by_shape[axis], r) *= 1.0 / row.s.cells[axis];
    }
}

template <class Direction>
void sweep(Row& row, const double* orientations, const Direction& direction) {
    const KernelScene& s = row.s;
    if (s.shape == Shape::square && s.few.degree >= 0 && !has_grid(s)) {
        if (s.few.degree > 2) return sweep_few<PolynomialSlopes<3, true>>(row, orientations, direction);
        if (s.few.any_even) return sweep_few<PolynomialSlopes<2, true>>(row, orientations, direction);
        return sweep_few<PolynomialSlopes<2, false>>(row, orientations, direction);
    }
    with_slopes(ShapesWithSlopes(), s.shape,
                [&](auto shape) { sweep_shape<decltype(shape)>(row, orientations, direction); });
}

// The sums of the columns take their changes of orientations and structure factors.
template <class Work>
struct ForwardSweep {
    const ForwardColumn* columns;
    int64_t count;
    Work* works;
    bool first, strained, turned;  // whether any column has a strain, or changes of orientations
    bool geometry;                 // whether any moves scattering vectors

    struct Local {};

    NANOBRAGG_FN_MEMBER bool wants_indices() const { return strained; }

    // Of a register, how much terms change with F.
    void take_factors(const Row& row, int r, int64_t, Doubles by_factor, const GridFactors& f) const {
        for (int64_t k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            if (column.f_grid == nullptr && column.default_F == 0) continue;
            Doubles change{};
            for (int i = 0; i < kHalf; ++i) {
                visit_points(row.s, f, i, [&](int64_t place, double weight) {
                    const double inside = column.f_grid == nullptr || place < 0 ? 0.0 : column.f_grid[place];
                    change[i] += weight * (place < 0 ? column.default_F : inside);
                });
            }
            doubles_at(works[k].sum, r) += by_factor * change;
        }
    }

    void take(const Row& row, int64_t m, const Block& block, Local&) const {
        for (int b = 0; b < block.count && strained; ++b) {
            for (int i = 0; i < 9; ++i) {
                doubles_at(row.work.by_strain[i], block.begin + b) += block.by_index[i / 3][b] * block.h[i % 3][b];
            }
        }
        for (int b = 0; b < block.count && turned; ++b) take_turns(row, m, block, b);
    }
    void take_turns(const Row& row, int64_t m, const Block& block, int b) const {
        const int r = block.begin + b;
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = block.by_index[i / 3][b] * doubles_at(row.work.q[i % 3], r);
        for (int64_t k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            const double* changes = first ? column.first_orientations : column.orientations;
            if (changes == nullptr) continue;
            Doubles change{};
            for (int i = 0; i < 9; ++i) change += by[i] * changes[9 * m + i];
            doubles_at(works[k].sum, r) += change;
        }
    }
    NANOBRAGG_FN_MEMBER void end(const Local&, int64_t) const {}
};

// Orientations and structure factors get what the weighted sum of pixels depends on them.
struct BackwardSweep {
    static constexpr bool geometry = true;
    const PixelNumbers& term;  // how much it depends on each pixel's sum of this source
    double* orientations;
    BackwardSums& sums;

    struct Local {
        Doubles by[9];
    };

    static NANOBRAGG_FN_MEMBER bool wants_indices() { return false; }

    void take_factors(const Row& row, int r, int64_t, Doubles by_factor, const GridFactors& f) const {
        by_factor *= doubles_at(term, r);
        for (int i = 0; i < kHalf; ++i) {
            if (by_factor[i] == 0) continue;
            visit_points(row.s, f, i, [&](int64_t place, double weight) {
                if (place < 0) {
                    sums.default_F += weight * by_factor[i];
                } else if (sums.f_grid != nullptr) {
                    sums.f_grid[place] += weight * by_factor[i];
                }
            });
        }
    }

    void take(const Row& row, int64_t, const Block& block, Local& local) const {
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = local.by[i];
        for (int b = 0; b < block.count; ++b) {
            for (int i = 0; i < 9; ++i) {
                by[i] += block.by_index[i / 3][b] * doubles_at(row.work.term_by_q[i % 3], block.begin + b);
            }
        }
        for (int i = 0; i < 9; ++i) local.by[i] = by[i];
    }
    NANOBRAGG_FN_MEMBER void end(const Local& local, int64_t m) const { add_sums<9>(local.by, orientations + 9 * m); }
};
