// The orientations of the crystal swept over the pixels, and what takes the derivatives of their terms. A part of
// slopes.inl.

// The derivatives by q of one orientation's terms.
template <class Number, class Real>
void add_by_q(TermSums<Number>& sums, const Number* o, const Block<Real>& block) {
    Real axes[9];
    for (int i = 0; i < 9; ++i) axes[i] = held(filled<Real>(o[i]));
    for (int b = 0; b < block.count; ++b) {
        const Real by[3] = {held(block.by_index[0][b]), held(block.by_index[1][b]), held(block.by_index[2][b])};
        for (int j = 0; j < 3; ++j) {
            Real& sum = register_of(sums.by_q[j], block.begin + b);
            sum = axes[6 + j] * by[2] + (axes[3 + j] * by[1] + (axes[j] * by[0] + sum));
        }
    }
}

// use(sums in single precision, sums in double precision, what they are multiplied by) for all that a sweep adds up by
// pixel: terms, their derivatives, and those by q, which are wanted where something moves scattering vectors.
template <class Use>
void each_sum(Row& row, bool geometry, double unit, double slope_unit, double q_unit, const Use& use) {
    RowWork& w = row.work;
    use(w.singles.sum, w.sum, unit);
    for (int i = 0; i < 3 && geometry; ++i) use(w.singles.by_q[i], w.by_q[i], q_unit);
    for (int i = 0; i < row.parameters && row.shaped; ++i) use(w.singles.by_shape[i], w.by_shape[i], slope_unit);
    for (int i = 0; i < 9 && row.strained; ++i) use(w.singles.by_strain[i], w.by_strain[i], slope_unit);
}

// Sums in single precision, and how they join those in double precision. In the former, scattering vectors are in
// inverse wavelengths.
class SingleSums {
  public:
    // `geometry`: whether derivatives by q are wanted; units of the terms, of their derivatives, and of those by q.
    SingleSums(Row& row, bool geometry, double unit, double slope_unit, double q_unit)
        : row_(row), geometry_(geometry), unit_(unit), slope_unit_(slope_unit), q_unit_(q_unit) {
        visit([&](Numbers<float>& from, PixelNumbers&, double) {
            for (int r = 0; 2 * r < row_.registers; ++r) register_of(from, r) = Singles{};
        });
    }

    // The terms of one more orientation are there.
    NANOBRAGG_FN_MEMBER void count() {
        if (++waiting_ == kMostSingles) join();
    }
    void join() {
        waiting_ = 0;
        visit([&](Numbers<float>& from, PixelNumbers& to, double factor) {
            for (int r = 0; 2 * r < row_.registers; ++r) {
                const Singles part = register_of(from, r);
                doubles_at(to, 2 * r) += factor * first_half(part);
                doubles_at(to, 2 * r + 1) += factor * second_half(part);
                register_of(from, r) = Singles{};
            }
        });
    }

  private:
    static constexpr int kMostSingles = 32;  // terms

    template <class Visit>
    void visit(const Visit& use) {
        each_sum(row_, geometry_, unit_, slope_unit_, q_unit_, use);
    }

    Row& row_;
    const bool geometry_;
    const double unit_, slope_unit_, q_unit_;
    int waiting_ = 0;
};

// Gives the sums of one sweep their units; those by the shape's parameters are used once, and keep theirs.
void scale_sums(Row& row, bool geometry, double unit, double slope_unit) {
    for (int i = 0; i < row.parameters; ++i) row.shape_unit[i] *= slope_unit;
    if (unit == 1 && slope_unit == 1) return;
    const auto scale = [&](PixelNumbers& numbers, double factor) {
        for (int r = 0; r < row.registers; ++r) doubles_at(numbers, r) *= factor;
    };
    scale(row.work.sum, unit);
    for (int i = 0; i < 3 && geometry; ++i) scale(row.work.by_q[i], slope_unit);
    for (int i = 0; i < 9 && row.strained; ++i) scale(row.work.by_strain[i], slope_unit);
}

template <class Terms, class Direction>
void sweep_with(Row& row, const double* orientations, const Direction& direction) {
    const KernelScene s = row.s;  // a copy, of which compilers know that it stays as it is; and of the parameters
    double shape[kShapeParameters];
    for (int i = 0; i < kShapeParameters; ++i) shape[i] = row.task.shape[i];
    Terms terms(s, shape);
    const double unit = terms.slope_unit();
    Placed<Block<Doubles>, 1536> placed;
    Block<Doubles>& block = placed.here;
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = orientations + 9 * m;
        typename Direction::template Local<Doubles> local;
        local.clear();
        for (block.begin = 0; block.begin < row.registers; block.begin += kBlock) {
            block.count = row.registers - block.begin < kBlock ? row.registers - block.begin : kBlock;
            terms.add(row, o, direction, m, block, local);
            if (direction.geometry()) add_by_q(sums_of<double>(row.work), o, block);
            direction.take(row, m, block, unit, local);
        }
        direction.end(local, unit, m);
    }
    scale_sums(row, direction.geometry(), terms.unit(), unit);
}

// The same in mixed precision.
template <class Terms, class Direction>
void sweep_mixed(Row& row, const double* orientations, const Direction& direction) {
    const KernelScene s = row.s;
    Terms terms(s, row.task.shape);
    const double unit = terms.slope_unit();
    SingleSums sums(row, direction.geometry(), terms.unit(), unit,
                    unit * direction.single_unit / row.inverse_wavelength);
    Placed<Block<Singles>, 1536> placed;
    Block<Singles>& block = placed.here;
    const int registers = row.registers / 2;
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = orientations + 9 * m;
        float axes[9];
        for (int i = 0; i < 9; ++i) axes[i] = (float)(o[i] * row.inverse_wavelength);
        typename Direction::template Local<Singles> local;
        local.clear();
        for (block.begin = 0; block.begin < registers; block.begin += kBlock) {
            block.count = registers - block.begin < kBlock ? registers - block.begin : kBlock;
            terms.add(row, o, direction, m, block, local);
            if (direction.geometry()) add_by_q(row.work.singles, axes, block);
            direction.take(row, m, block, unit, local);
        }
        direction.end(local, unit, m);
        sums.count();
    }
    sums.join();
}

template <class Slopes, Lookup lookup, class Direction>
void sweep_terms(Row& row, const double* orientations, const Direction& direction) {
    if (row.task.mixed) return sweep_mixed<MixedTerms<Slopes, lookup>>(row, orientations, direction);
    sweep_with<Terms<Slopes, lookup>>(row, orientations, direction);
}

template <class Slopes, class Direction>
void sweep_shape(Row& row, const double* orientations, const Direction& direction) {
    if (!has_grid(row.s)) return sweep_terms<Slopes, Lookup::constant>(row, orientations, direction);
    if (row.task.tricubic) return sweep_terms<Slopes, Lookup::tricubic>(row, orientations, direction);
    return sweep_terms<Slopes, Lookup::nearest>(row, orientations, direction);
}

// Few cells, a whole number along each axis, and a constant structure factor.
template <class Polynomial, class Direction>
void sweep_few(Row& row, const double* orientations, const Direction& direction) {
    if (row.task.mixed) {
        sweep_mixed<FewTerms<Polynomial, Singles>>(row, orientations, direction);
    } else {
        sweep_with<FewTerms<Polynomial, Doubles>>(row, orientations, direction);
    }
    for (int axis = 0; axis < 3; ++axis) row.shape_unit[axis] /= row.s.cells[axis];
}

// Whether the polynomials of all axes have the highest power.
bool has_all_powers(const CellPolynomials& few) {
    bool all = true;
    for (const auto& polynomial : few.polynomial) all &= polynomial[few.degree] != 0;
    return all;
}

template <class Direction>
void sweep(Row& row, const double* orientations, const Direction& direction) {
    const KernelScene& s = row.s;
    for (int i = 0; i < row.parameters; ++i) row.shape_unit[i] = 1;
    if (s.shape == Shape::square && s.few.degree >= 0 && !has_grid(s)) {
        if (!has_all_powers(s.few) || s.few.degree != 2) {
            return sweep_few<PolynomialSlopes<3, true, false>>(row, orientations, direction);
        }
        if (s.few.any_even) return sweep_few<PolynomialSlopes<2, true, true>>(row, orientations, direction);
        return sweep_few<PolynomialSlopes<2, false, true>>(row, orientations, direction);
    }
    if (s.shape == Shape::gauss && !has_grid(s) && !row.task.mixed) {
        sweep_with<GaussTerms>(row, orientations, direction);
        for (int i = 0; i < row.parameters; ++i) row.shape_unit[i] *= GaussTerms::shape_unit();
        return;
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
    bool moved;                    // whether any moves scattering vectors
    static constexpr bool kWeighs = false;
    static constexpr double single_unit = 1;

    template <class Real>
    struct Local {
        void clear() {}
    };

    template <int parameters, class Number, class Real>
    NANOBRAGG_FN_MEMBER void put(TermSums<Number>& sums, Block<Real>& block, int b, const LatticeValue<Real>& value,
                                 Local<Real>&) const {
        for (int i = 0; i < parameters; ++i) register_of(sums.by_shape[i], block.begin + b) += value.by_shape[i];
        for (int i = 0; i < 3; ++i) block.by_index[i][b] = value.by_index[i];
    }

    NANOBRAGG_FN_MEMBER bool wants_indices() const { return strained; }
    NANOBRAGG_FN_MEMBER bool geometry() const { return moved; }

    // Of a register, how much terms change with F.
    void take_factors(const Row& row, int r, int64_t, Doubles by_factor, const GridFactors& f) const {
        for (int64_t k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            if (column.f_grid == nullptr && column.default_F == 0) continue;
            Doubles change{};
            for (int i = 0; i < kHalf; ++i) {
                visit_points(row.s, f.points[i], [&](int64_t place, double weight) {
                    const double inside = column.f_grid == nullptr || place < 0 ? 0.0 : column.f_grid[place];
                    change[i] += weight * (place < 0 ? column.default_F : inside);
                });
            }
            doubles_at(works[k].sum, r) += by_factor * change;
        }
    }

    void take(Row& row, int64_t m, const Block<Doubles>& block, double unit, const Local<Doubles>&) const {
        take_strains(row.work.by_strain, block);
        for (int b = 0; b < block.count && turned; ++b) {
            const Doubles by[3] = {unit * block.by_index[0][b], unit * block.by_index[1][b],
                                   unit * block.by_index[2][b]};
            take_turns(row, m, block.begin + b, by);
        }
    }
    void take(Row& row, int64_t m, const Block<Singles>& block, double unit, const Local<Singles>&) const {
        take_strains(row.work.singles.by_strain, block);
        for (int b = 0; b < block.count && turned; ++b) {
            Doubles by[2][3];
            for (int i = 0; i < 3; ++i) {
                by[0][i] = unit * first_half(block.by_index[i][b]);
                by[1][i] = unit * second_half(block.by_index[i][b]);
            }
            for (int half = 0; half < 2; ++half) take_turns(row, m, 2 * (block.begin + b) + half, by[half]);
        }
    }
    template <class Number, class Real>
    NANOBRAGG_FN_MEMBER void take_strains(Numbers<Number>* by_strain, const Block<Real>& block) const {
        for (int b = 0; b < block.count && strained; ++b) {
            for (int i = 0; i < 9; ++i) {
                register_of(by_strain[i], block.begin + b) += block.by_index[i / 3][b] * block.h[i % 3][b];
            }
        }
    }
    void take_turns(const Row& row, int64_t m, int r, const Doubles by_index[3]) const {
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = by_index[i / 3] * doubles_at(row.work.q[i % 3], r);
        for (int64_t k = 0; k < count; ++k) {
            const ForwardColumn& column = columns[k];
            const double* changes = first ? column.first_orientations : column.orientations;
            if (changes == nullptr) continue;
            Doubles change{};
            for (int i = 0; i < 9; ++i) change += by[i] * changes[9 * m + i];
            doubles_at(works[k].sum, r) += change;
        }
    }
    template <class Real>
    NANOBRAGG_FN_MEMBER void end(const Local<Real>&, double, int64_t) const {}
};

// Orientations and structure factors get what the weighted sum of pixels depends on them.
struct BackwardSweep {
    double* row_lanes;  // sums along the row, which stand for those by q pixel by pixel; or null
    double* orientations;
    double* lanes;  // or null (BackwardSums)
    BackwardSums& sums;
    double single_unit;  // of terms in single precision
    double inverse_wavelength;
    Doubles* shapes;  // what belongs to the shape's parameters
    // Terms multiply their derivatives by how much the sum of pixels depends on them.
    static constexpr bool kWeighs = true;

    // Of one orientation, summed over the pixels. What belongs to the shape's parameters joins `shapes` at once, but in
    // single precision. (Local numbers compilers would keep in registers over all blocks.)
    template <class Real>
    struct Local {
        Real by[kMoments], shapes[kShapeParameters];
        void clear() {
            clear_numbers<kMoments>(by);
            if (sizeof(typename NumberOf<Real>::Type) == sizeof(float)) clear_numbers<kShapeParameters>(shapes);
        }
    };
    Doubles* shapes_in(Local<Doubles>&) const { return shapes; }
    Singles* shapes_in(Local<Singles>& local) const { return local.shapes; }

    template <int parameters, class Number, class Real>
    NANOBRAGG_FN_MEMBER void put(TermSums<Number>& sums_, Block<Real>& block, int b, const LatticeValue<Real>& value,
                                 Local<Real>& local) const {
        const Real term = register_of(sums_.term, block.begin + b);
        for (int i = 0; i < parameters; ++i) shapes_in(local)[i] += term * value.by_shape[i];
        for (int i = 0; i < 3; ++i) block.by_index[i][b] = term * value.by_index[i];
    }

    static NANOBRAGG_FN_MEMBER bool wants_indices() { return false; }
    NANOBRAGG_FN_MEMBER bool geometry() const { return row_lanes == nullptr; }

    void take_factors(const Row& row, int r, int64_t, Doubles by_factor, const GridFactors& f) const {
        by_factor *= doubles_at(row.work.term, r);
        for (int i = 0; i < kHalf; ++i) {
            if (by_factor[i] == 0) continue;
            visit_points(row.s, f.points[i], [&](int64_t place, double weight) {
                if (place < 0) {
                    sums.default_F += weight * by_factor[i];
                } else if (sums.f_grid != nullptr) {
                    sums.f_grid[place] += weight * by_factor[i];
                }
            });
        }
    }

    void take(Row& row, int64_t, const Block<Doubles>& block, double, Local<Doubles>& local) const {
        if (row_lanes == nullptr) return take_orientation(row.work.q, block, local);
        take_moments(row.work.basis, block, local);
    }
    void take(Row& row, int64_t, const Block<Singles>& block, double, Local<Singles>& local) const {
        take_orientation(row.work.single_q, block, local);
    }
    template <class Number, class Real>
    NANOBRAGG_FN_MEMBER void take_orientation(Numbers<Number>* q, const Block<Real>& block, Local<Real>& local) const {
        Real by[9];
        for (int i = 0; i < 9; ++i) by[i] = local.by[i];
        for (int b = 0; b < block.count; ++b) {
            Real index[3], own[3];
            for (int i = 0; i < 3; ++i) {
                index[i] = held(block.by_index[i][b]);
                own[i] = held(register_of(q[i], block.begin + b));
            }
            for (int i = 0; i < 9; ++i) by[i] += index[i / 3] * own[i % 3];
        }
        for (int i = 0; i < 9; ++i) local.by[i] = by[i];
    }
    NANOBRAGG_FN_MEMBER void take_moments(PixelNumbers* basis, const Block<Doubles>& block,
                                          Local<Doubles>& local) const {
        Doubles by[kMoments];
        for (int i = 0; i < kMoments; ++i) by[i] = local.by[i];
        for (int b = 0; b < block.count; ++b) {
            Doubles index[3], own[4];
            for (int i = 0; i < 3; ++i) index[i] = held(block.by_index[i][b]);
            for (int k = 0; k < 4; ++k) own[k] = held(doubles_at(basis[k], block.begin + b));
            for (int i = 0; i < 3; ++i) {
                for (int k = 0; k < 4; ++k) by[5 * i + k] += index[i] * own[k];
                by[5 * i + 4] += index[i];
            }
        }
        for (int i = 0; i < kMoments; ++i) local.by[i] = by[i];
    }
    NANOBRAGG_FN_MEMBER void end(const Local<Doubles>& local, double unit, int64_t m) const {
        if (row_lanes != nullptr) {
            double* row = row_lanes + m * kMoments * kSumLanes;
            for (int i = 0; i < kMoments; ++i) *(Doubles*)(row + i * kSumLanes) += local.by[i];
            sums.straight.unit = unit;
            return;
        }
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = unit * local.by[i];
        add(by, m);
    }
    NANOBRAGG_FN_MEMBER void end(const Local<Singles>& local, double unit, int64_t m) const {
        const auto sum = [&](Singles x) { return (unit * single_unit) * (first_half(x) + second_half(x)); };
        Doubles by[9];
        for (int i = 0; i < 9; ++i) by[i] = inverse_wavelength * sum(local.by[i]);
        for (int i = 0; i < kShapeParameters; ++i) shapes[i] += sum(local.shapes[i]);
        add(by, m);
    }
    NANOBRAGG_FN_MEMBER void add(const Doubles by[9], int64_t m) const {
        if (lanes == nullptr) return add_sums<9>(by, orientations + 9 * m);
        for (int i = 0; i < 9; ++i) *(Doubles*)(lanes + (9 * m + i) * kSumLanes) += by[i];
    }
};
