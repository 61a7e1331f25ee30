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

// One evaluation of a register's pixels, as a direction takes it.
struct Evaluated {
    int64_t orientation;
    int r;
    const Doubles *q, *h;     // (3)
    const Doubles* by_index;  // (3): of F^2 F_latt^2, by h, k and l
    Doubles by_factor;        // by F, where there is a grid
    const GridFactors* factors;
};

template <class Slopes, Lookup lookup, class Direction>
void sweep_with(Row& row, const double* orientations, const Direction& direction) {
    constexpr int kParameters = parameters_of(Slopes::depends);
    const KernelScene s = row.s;  // a copy, of which compilers know that it stays as it is; and of the parameters
    double shape[kShapeParameters];
    for (int i = 0; i < kShapeParameters; ++i) shape[i] = row.task.shape[i];
    const int registers = row.registers;
    RowWork& w = row.work;
    GridFactors f{};
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = orientations + 9 * m;
        typename Direction::Local local{};
        // Indices of the next register before the rest of this one, which waits for its own.
        Doubles next[3];
        const auto index = [&](int r) {
            for (int i = 0; i < 3; ++i) {
                next[i] = o[3 * i] * doubles_at(w.q[0], r) +
                          (o[3 * i + 1] * doubles_at(w.q[1], r) + o[3 * i + 2] * doubles_at(w.q[2], r));
            }
        };
        index(0);
        for (int r = 0; r < registers; ++r) {
            Doubles h[3], whole[3], miss[3];
            for (int i = 0; i < 3; ++i) {
                h[i] = next[i];
                if constexpr (lookup == Lookup::constant) {
                    miss[i] = fraction_of(h[i]);
                } else {
                    whole[i] = nearest_whole(h[i]);
                    miss[i] = h[i] - whole[i];
                }
            }
            index(r + 1 < registers ? r + 1 : r);
            const Doubles q[3] = {doubles_at(w.q[0], r), doubles_at(w.q[1], r), doubles_at(w.q[2], r)};
            auto value = Slopes::of(s, shape, miss);
            Evaluated found{m, r, q, h, value.by_index, {}, nullptr};
            if constexpr (lookup != Lookup::constant) {
                look_up<lookup>(row, h, whole, value.squared, f);
                const Doubles square = f.value * f.value;
                found.by_factor = 2.0 * f.value * value.squared;
                found.factors = &f;
                for (int i = 0; i < 3; ++i) {
                    value.by_index[i] = square * value.by_index[i] + found.by_factor * f.slope[i];
                }
                for (int i = 0; i < kParameters; ++i) value.by_shape[i] *= square;
                value.squared *= square;
            }
            doubles_at(w.sum, r) += value.squared;
            for (int i = 0; i < kParameters; ++i) doubles_at(w.by_shape[i], r) += value.by_shape[i];
            if (direction.geometry) {
                for (int j = 0; j < 3; ++j) {
                    doubles_at(w.by_q[j], r) +=
                        o[j] * value.by_index[0] + (o[3 + j] * value.by_index[1] + o[6 + j] * value.by_index[2]);
                }
            }
            direction.template take<lookup>(row, local, found);
        }
        direction.end(local, m);
    }
}

template <class Slopes, class Direction>
void sweep_shape(Row& row, const double* orientations, const Direction& direction) {
    if (!has_grid(row.s)) return sweep_with<Slopes, Lookup::constant>(row, orientations, direction);
    if (row.task.tricubic) return sweep_with<Slopes, Lookup::tricubic>(row, orientations, direction);
    return sweep_with<Slopes, Lookup::nearest>(row, orientations, direction);
}

// Few cells, a whole number along each axis, and a constant structure factor: by_shape is N times what it should be.
template <class Polynomial, class Direction>
void sweep_few(Row& row, const double* orientations, const Direction& direction) {
    sweep_with<Polynomial, Lookup::constant>(row, orientations, direction);
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

    template <Lookup lookup>
    NANOBRAGG_FN_MEMBER void take(const Row& row, Local&, const Evaluated& e) const {
        if (strained) {
            for (int i = 0; i < 9; ++i) doubles_at(row.work.by_strain[i], e.r) += e.by_index[i / 3] * e.h[i % 3];
        }
        if (lookup == Lookup::constant && !turned) return;
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = e.by_index[i / 3] * e.q[i % 3];
        for (int64_t k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            const double* changes = first ? column.first_orientations : column.orientations;
            if (changes != nullptr) {
                const double* o = changes + 9 * e.orientation;
                Doubles change{};
                for (int i = 0; i < 9; ++i) change += by[i] * o[i];
                doubles_at(works[k].sum, e.r) += change;
            }
            if constexpr (lookup != Lookup::constant) {
                if (column.f_grid == nullptr && column.default_F == 0) continue;
                Doubles change{};
                for (int i = 0; i < kHalf; ++i) {
                    visit_points(row.s, *e.factors, i, [&](int64_t place, double weight) {
                        const double inside = column.f_grid == nullptr || place < 0 ? 0.0 : column.f_grid[place];
                        change[i] += weight * (place < 0 ? column.default_F : inside);
                    });
                }
                doubles_at(works[k].sum, e.r) += e.by_factor * change;
            }
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

    template <Lookup lookup>
    NANOBRAGG_FN_MEMBER void take(const Row& row, Local& local, const Evaluated& e) const {
        for (int i = 0; i < 9; ++i) local.by[i] += e.by_index[i / 3] * doubles_at(row.work.term_by_q[i % 3], e.r);
        if constexpr (lookup != Lookup::constant) {
            const Doubles by_factor = doubles_at(term, e.r) * e.by_factor;
            for (int i = 0; i < kHalf; ++i) {
                if (by_factor[i] == 0) continue;
                visit_points(row.s, *e.factors, i, [&](int64_t place, double weight) {
                    if (place < 0) {
                        sums.default_F += weight * by_factor[i];
                    } else if (sums.f_grid != nullptr) {
                        sums.f_grid[place] += weight * by_factor[i];
                    }
                });
            }
        }
    }
    NANOBRAGG_FN_MEMBER void end(const Local& local, int64_t m) const { add_sums<9>(local.by, orientations + 9 * m); }
};
