// The terms of one orientation with their derivatives. A part of slopes.inl.

// Structure factors of a register's pixels with their slopes by h, k and l, and the grid points they are made of.
struct GridFactors {
    Doubles value, slope[3];
    GridPoints points[kHalf];
};

template <Lookup lookup>
NANOBRAGG_FN void look_up(const Row& row, const Doubles h[3], const Doubles whole[3], const Doubles& squared,
                          GridFactors& out) {
    const KernelScene& s = row.s;
    const Doubles places = grid_number(s, whole[0], whole[1], whole[2]);
    for (Doubles& slope : out.slope) slope = Doubles{};
    for (int i = 0; i < kHalf; ++i) {
        GridPoints& points = out.points[i];
        points.cubic = false;
        if constexpr (lookup == Lookup::tricubic) {
            const double at[3] = {h[0][i], h[1][i], h[2][i]};
            points.cubic = interpolates(s, at, squared[i], row.task.interpolating);
            if (points.cubic) {
                double value = 0, slope[3];
                interpolate(s, at, points, value, slope);
                out.value[i] = value;
                for (int axis = 0; axis < 3; ++axis) out.slope[axis][i] = slope[axis];
                continue;
            }
        }
        points.place = (int64_t)places[i];
        out.value[i] = nearest_factor(s, points);
    }
}

// What is local to a loop, at a place of its page that Numbers keep away from (slopes_rays.inl): where compilers put
// it, the gradient of few cells took 0 to 4 % longer, by chance.
constexpr int kPage = 4096;  // bytes
template <class T, int place>
struct alignas(kPage) Placed {
    char before[place];
    T here;
};

// Some registers of pixels, whose terms of one orientation are made together: in several short loops one after the
// other, each of which keeps its numbers in registers.
constexpr int kBlock = 8;

// Derivatives of F^2 F_latt^2 by h, k and l, as a direction puts them down; and these, where it wants them.
template <class Real>
struct Block {
    int begin, count;  // which registers of the row
    Real by_index[3][kBlock], h[3][kBlock];
};

// What a direction keeps of one orientation.
template <class Direction, class Real>
using LocalOf = typename Direction::template Local<Real>;

// The indices of a register's pixels.
NANOBRAGG_FN void indices_of(const RowWork& w, const double* o, int r, Doubles h[3]) {
    for (int i = 0; i < 3; ++i) {
        h[i] = o[3 * i] * doubles_at(w.q[0], r) +
               (o[3 * i + 1] * doubles_at(w.q[1], r) + o[3 * i + 2] * doubles_at(w.q[2], r));
    }
}

// What is left of an index after the nearest whole one, which a lookup asks for.
template <Lookup lookup>
NANOBRAGG_FN Doubles miss_of(Doubles h, Doubles& whole) {
    if constexpr (lookup == Lookup::constant) return fraction_of(h);
    whole = nearest_whole(h);
    return h - whole;
}

// The terms of a block by any shape: adds to the sums, and leaves the derivatives by the indices.
template <class Slopes, Lookup lookup>
struct Terms {
    using Real = Doubles;
    static constexpr int kParameters = parameters_of(Slopes::depends);

    const KernelScene& s;
    const double* shape;
    GridFactors f{};

    explicit NANOBRAGG_FN_MEMBER Terms(const KernelScene& scene, const double* given) : s(scene), shape(given) {}

    static NANOBRAGG_FN_MEMBER double unit() { return 1.0; }
    static NANOBRAGG_FN_MEMBER double slope_unit() { return 1.0; }

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t m,
                                 Block<Doubles>& block, LocalOf<Direction, Doubles>& local) {
        RowWork& w = row.work;
        for (int b = 0; b < block.count; ++b) {
            const int r = block.begin + b;
            Doubles h[3], whole[3], miss[3];
            indices_of(w, o, r, h);
            for (int i = 0; i < 3; ++i) {
                if (direction.wants_indices()) block.h[i][b] = h[i];
                miss[i] = miss_of<lookup>(h[i], whole[i]);
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
            direction.template put<kParameters>(sums_of<double>(w), block, b, value, local);
        }
    }
};

// The same in mixed precision: indices in double, shapes and their derivatives in single precision.
template <class Slopes, Lookup lookup>
struct MixedTerms {
    using Real = Singles;
    static constexpr int kParameters = parameters_of(Slopes::depends);

    const KernelScene& s;
    const Mixed<Slopes> shape;
    GridFactors f{};

    explicit NANOBRAGG_FN_MEMBER MixedTerms(const KernelScene& scene, const double* given)
        : s(scene), shape(scene, given) {}

    static NANOBRAGG_FN_MEMBER double unit() { return Mixed<Slopes>::unit(); }
    static NANOBRAGG_FN_MEMBER double slope_unit() { return unit(); }

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t m,
                                 Block<Singles>& block, LocalOf<Direction, Singles>& local) {
        TermSums<float>& sums = row.work.singles;
        for (int b = 0; b < block.count; ++b) {
            const int r = block.begin + b;
            Doubles h[2][3], whole[2][3];
            MixedMiss miss;
            for (int half = 0; half < 2; ++half) {
                indices_of(row.work, o, 2 * r + half, h[half]);
                for (int i = 0; i < 3; ++i) {
                    miss.half[half][i] = miss_of<lookup>(h[half][i], whole[half][i]);
                }
            }
            for (int i = 0; i < 3; ++i) {
                miss.all[i] = singles_of(miss.half[0][i], miss.half[1][i]);
                if (direction.wants_indices()) block.h[i][b] = singles_of(h[0][i], h[1][i]);
            }
            LatticeValue<Singles> value = shape.of(s, miss);
            if constexpr (lookup != Lookup::constant) take_grid(row, direction, r, m, h, whole, value);
            register_of(sums.sum, r) += value.squared;
            direction.template put<kParameters>(sums, block, b, value, local);
        }
    }

  private:
    template <class Direction>
    NANOBRAGG_FN_MEMBER void take_grid(Row& row, const Direction& direction, int r, int64_t m, const Doubles h[2][3],
                                       const Doubles whole[2][3], LatticeValue<Singles>& value) {
        const Doubles squared[2] = {first_half(value.squared), second_half(value.squared)};
        Doubles factor[2], slope[2][3];
        for (int half = 0; half < 2; ++half) {
            look_up<lookup>(row, h[half], whole[half], squared[half], f);
            const Doubles by_factor = 2.0 * f.value * squared[half];
            direction.take_factors(row, 2 * r + half, m, by_factor * unit(), f);
            factor[half] = f.value;
            for (int i = 0; i < 3; ++i) slope[half][i] = by_factor * f.slope[i];
        }
        const Singles single = singles_of(factor[0], factor[1]), square = single * single;
        for (int i = 0; i < 3; ++i) {
            value.by_index[i] = square * value.by_index[i] + singles_of(slope[0][i], slope[1][i]);
        }
        for (int i = 0; i < kParameters; ++i) value.by_shape[i] *= square;
        value.squared *= square;
    }
};

// Of an axis, what slopes_along() makes of a block.
template <class Real>
struct BlockAxis {
    AxisSlopes<Real> slopes[kBlock];
    Real miss[kBlock];
};

// The indices of a register's pixels, and what is left of them after the nearest whole ones.
template <class Direction>
NANOBRAGG_FN void fractions_of(const RowWork& w, const double* o, const Direction& direction, Block<Doubles>& block,
                               int b, Doubles miss[3]) {
    Doubles h[3];
    indices_of(w, o, block.begin + b, h);
    for (int i = 0; i < 3; ++i) {
        if (direction.wants_indices()) block.h[i][b] = h[i];
        miss[i] = fraction_of(h[i]);
    }
}
template <class Direction>
NANOBRAGG_FN void fractions_of(const RowWork& w, const double* o, const Direction& direction, Block<Singles>& block,
                               int b, Singles miss[3]) {
    Doubles first[3], second[3];
    indices_of(w, o, 2 * (block.begin + b), first);
    indices_of(w, o, 2 * (block.begin + b) + 1, second);
    for (int i = 0; i < 3; ++i) {
        if (direction.wants_indices()) block.h[i][b] = singles_of(first[i], second[i]);
        miss[i] = singles_of(fraction_of(first[i]), fraction_of(second[i]));
    }
}

// 2^x/kExp2Unit for x <= 0, of some registers side by side; relative error 3e-14. Of the rest of x, which is scaled so
// that both have the same highest coefficient, even and odd powers are polynomials of the square over that coefficient,
// in the form of the fourth degree that has two multiplications instead of three: with z = (s + a) s + b, (z + s + c) z
// + d (Knuth, 4.6.4).
constexpr double kExp2Unit = 1076.4028315868775009;
template <int count>
NANOBRAGG_FN void exp2_beside(const Doubles x[count], Doubles out[count]) {
    constexpr double even[4] = {-0.1558918863831264285, 0.09787286436716406754, 0.19043147222345915077,
                                -0.027288151007334569412};
    constexpr double odd[4] = {-0.057305943743880511025, 0.14245405320025241668, 0.22764946540225132851,
                               -0.044356493298056733681};
    Doubles whole[count], rest[count], square[count], z[count], w[count];
    for (int i = 0; i < count; ++i) {
        const Doubles left = fraction_of(x[i]);
        whole[i] = x[i] - left;
        rest[i] = 0.076969671701442919499 * left;
        square[i] = rest[i] * rest[i];
    }
    for (int i = 0; i < count; ++i) {
        z[i] = (square[i] + even[0]) * square[i] + even[1];
        w[i] = (square[i] + odd[0]) * square[i] + odd[1];
    }
    for (int i = 0; i < count; ++i) {
        z[i] = ((square[i] + even[2]) + z[i]) * z[i] + even[3];
        w[i] = ((square[i] + odd[2]) + w[i]) * w[i] + odd[3];
    }
    for (int i = 0; i < count; ++i) out[i] = scaled_by(w[i] * rest[i] + z[i], whole[i]);
}

// The terms of Gaussians, F being constant, in double: in three loops, and the exponential of some registers side by
// side, since each step of it waits for the one before. What belongs to the shape is over shape_unit(), too.
struct GaussTerms {
    using Real = Doubles;
    static constexpr double kLog2e = 1.4426950408889634074;
    double metric[6];  // with which metric_slopes() gives the power of two

    explicit GaussTerms(const KernelScene&, const double* shape) {
        for (int i = 0; i < 6; ++i) metric[i] = shape[i] * shape_unit();
    }

    static NANOBRAGG_FN_MEMBER double unit() { return kExp2Unit; }
    static NANOBRAGG_FN_MEMBER double slope_unit() { return 2.0 / kLog2e * kExp2Unit; }
    static NANOBRAGG_FN_MEMBER double shape_unit() { return -kLog2e / 0.63; }

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t, Block<Doubles>& block,
                                 LocalOf<Direction, Doubles>& local) {
        constexpr int kBeside = 4;  // registers
        RowWork& w = row.work;
        Doubles miss[3][kBlock], slopes[3][kBlock], power[kBlock], value[kBlock];
        for (int b = 0; b < block.count; ++b) {
            Doubles own[3], by[3];
            fractions_of(w, o, direction, block, b, own);
            power[b] = metric_slopes(metric, own, by);
            for (int i = 0; i < 3; ++i) {
                miss[i][b] = own[i];
                slopes[i][b] = by[i];
            }
        }
        for (int b = block.count; b % kBeside != 0; ++b) power[b] = Doubles{};
        for (int b = 0; b < block.count; b += kBeside) exp2_beside<kBeside>(power + b, value + b);
        Doubles shapes[6];
        clear_numbers<6>(shapes);
        if constexpr (Direction::kWeighs) {
            for (int i = 0; i < 6; ++i) shapes[i] = direction.shapes[i];
        }
        for (int b = 0; b < block.count; ++b) {
            const int r = block.begin + b;
            const Doubles own[3] = {held(miss[0][b]), held(miss[1][b]), held(miss[2][b])};
            const Doubles by[3] = {slopes[0][b], slopes[1][b], slopes[2][b]};
            doubles_at(w.sum, r) += value[b];
            if constexpr (Direction::kWeighs) {
                const Doubles weighted = value[b] * doubles_at(w.term, r);
                for (int i = 0; i < 3; ++i) {
                    const Doubles part = weighted * own[i];
                    shapes[i] += part * own[i];
                    shapes[3 + i] += part * own[(i + 1) % 3];
                    block.by_index[i][b] = weighted * by[i];
                }
            } else {
                direction.template put<6>(sums_of<double>(w), block, b, metric_value(own, by, value[b], value[b]),
                                          local);
            }
        }
        if constexpr (Direction::kWeighs) {
            for (int i = 0; i < 6; ++i) direction.shapes[i] = shapes[i];
        }
    }
};

// The terms of few cells, axis by axis, in either precision. by_shape is N times what it should be.
template <class Slopes, class Real_>
struct FewTerms {
    using Real = Real_;
    using Number = typename NumberOf<Real>::Type;
    // In single precision such values would be too large.
    static constexpr bool kFull = Slopes::full && sizeof(Number) == sizeof(double);
    AxisPolynomial<Slopes::degree, Number> polynomials[3];

    explicit FewTerms(const KernelScene& s, const double*) {
        for (int i = 0; i < 3; ++i) {
            polynomials[i] = axis_polynomial<Slopes::degree, Number>(s.few, i, kFull);
            unit_ *= polynomials[i].unit * polynomials[i].unit;
        }
    }

    // Of terms, and of their derivatives.
    double unit() const { return unit_; }
    double slope_unit() const { return nanobragg::slope_unit<Number>() * unit_; }

    template <class Direction>
    NANOBRAGG_FN_MEMBER void add(Row& row, const double* o, const Direction& direction, int64_t, Block<Real>& block,
                                 LocalOf<Direction, Real>& local) {
        constexpr int kBeside = 4;  // registers
        static_assert(kBlock % kBeside == 0, "whole groups");
        TermSums<Number>& sums = sums_of<Number>(row.work);
        Placed<BlockAxis<Real>[3], 2048> placed;
        BlockAxis<Real>(&axes)[3] = placed.here;
        for (int b = 0; b < block.count; ++b) {
            Real miss[3];
            fractions_of(row.work, o, direction, block, b, miss);
            for (int i = 0; i < 3; ++i) axes[i].miss[b] = miss[i];
        }
        for (int b = block.count; b % kBeside != 0; ++b) {
            for (BlockAxis<Real>& axis : axes) axis.miss[b] = Real{};
        }
        for (int i = 0; i < 2; ++i) {
            for (int b = 0; b < block.count; b += kBeside) {
                slopes_along<Slopes::degree, Slopes::even, kFull, kBeside>(polynomials[i], axes[i].miss + b,
                                                                           axes[i].slopes + b);
            }
        }
        Real shapes[3];
        clear_numbers<3>(shapes);
        // The third one's stay in registers: stores take longer than multiplications.
        for (int begin = 0; begin < block.count; begin += kBeside) {
            AxisSlopes<Real> last[kBeside];
            slopes_along<Slopes::degree, Slopes::even, kFull, kBeside>(polynomials[2], axes[2].miss + begin, last);
            for (int i = 0; i < kBeside; ++i) {
                const int b = begin + i, r = block.begin + b;
                if (b >= block.count) break;
                const AxisSlopes<Real> along[3] = {axes[0].slopes[b], axes[1].slopes[b], last[i]};
                const Real miss[3] = {axes[0].miss[b], axes[1].miss[b], axes[2].miss[b]};
                if constexpr (Direction::kWeighs) {
                    Real by_index[3];
                    register_of(sums.sum, r) +=
                        Slopes::weighted(miss, along, register_of(sums.term, r), by_index, shapes);
                    for (int j = 0; j < 3; ++j) block.by_index[j][b] = by_index[j];
                } else {
                    const auto value = Slopes::of(miss, along);
                    register_of(sums.sum, r) += value.squared;
                    direction.template put<3>(sums, block, b, value, local);
                }
            }
        }
        if constexpr (Direction::kWeighs) {
            for (int i = 0; i < 3; ++i) direction.shapes_in(local)[i] += shapes[i];
        }
    }

  private:
    double unit_ = 1;
};
