// Powders, whose orientations have nothing in common: what cannot matter is left out for squares of kTall by kTall
// pixels, with orientations as the vector (specs/physics.md, "Within a stated error"). Nothing here depends on a
// square's neighbours. A part of kernel.inl.

// The ray to the middle of a square, how it changes to its ends along the row and down, over the wavelength; and what
// indices may be wrong by.
struct Square {
    float to[3], along[3], down[3], slack[3];
    float share, unspent, threshold;  // what it may lose for a batch, in units of bounds
    bool seen;
};

struct Powder;

// For each shape, and each precision.
struct PowderSteps {
    // The bounds of a batch in a square.
    void (*test)(Powder&, const Square&);
    // Sums of the terms of those listed, in kWidth pixels.
    Halves (*evaluate)(const Powder&, int p);
    double unit, unit_of_bounds, work;
    bool alternates;
};

// The places whose bits are set, from `first` on; what is behind them may be anything.
constexpr Unsigned kLanePlaces = {NANOBRAGG_COUNT, NANOBRAGG_COUNT_ON};
#if defined(__AVX2__) && !defined(__AVX512F__)
struct PackingTable {
    alignas(32) uint32_t of[256][8];

    constexpr PackingTable() : of() {
        for (int bits = 0; bits < 256; ++bits) {
            int at = 0;
            for (uint32_t i = 0; i < 8; ++i) {
                if ((bits >> i & 1) != 0) of[bits][at++] = i;
            }
        }
    }
};
constexpr PackingTable kPackingTable;
#endif
NANOBRAGG_FN void put_places(uint32_t* out, uint32_t first, uint32_t bits) {
#if defined(__AVX512F__)
    const Unsigned places = (Unsigned)_mm512_maskz_compress_epi32((__mmask16)bits, (__m512i)kLanePlaces) + first;
    __builtin_memcpy(out, &places, sizeof places);
#elif defined(__AVX2__)
    const Unsigned places = *(const Unsigned*)kPackingTable.of[bits] + first;
    __builtin_memcpy(out, &places, sizeof places);
#else
    for (; bits != 0; bits &= bits - 1) *out++ = first + (uint32_t)__builtin_ctz(bits);
#endif
}

// One wavelength, and the squares of a chunk.
struct Powder {
    const KernelScene& s;
    const Lookup lookup;
    const Bounds& bounds;
    const Rays& rays;
    const PowderSteps& steps;
    const double inverse_wavelength, weight;
    const float most_weight;

    // The batch.
    const float* elements = nullptr;
    const double* turns = nullptr;
    int turned = 0;

    // Directions less the incident one, over the wavelength, as Evaluator wants them.
    alignas(64) double x[kChunk], y[kChunk], z[kChunk];
    Square squares[kChunk / kLanes];
    // Bounds of a square's terms, F^2 at most, and a bit where it is that for certain, since the box lies in one index.
    alignas(64) float bound[kOrientationBatch], structure[kOrientationBatch];
    uint32_t certain[kOrientationBatch / kWidth];
    // Those that the square keeps: first those of which F^2 is certain.
    int count[2];
    uint32_t kept[2][kOrientationBatch + kWidth];

    Powder(const KernelScene& scene, Lookup from, const Bounds& b, const Rays& to, const double* incident,
           const KernelSource& source, int n, const PowderSteps& its, const Allowance& allowance)
        : s(scene),
          lookup(from),
          bounds(b),
          rays(to),
          steps(its),
          inverse_wavelength(source.inverse_wavelength),
          weight(source.weight),
          most_weight((float)(absolute(source.weight) * (1 + 1e-4))) {
        for (int p = 0; p < n; p += kLanes) prepare(p, incident, allowance, squares[p / kLanes]);
        const auto arrange = [&](const double* values, double less, double* out) {
            for (int p = 0; p < n; p += kWidth) {
                const Halves own =
                    arranged((doubles_at(values + p) - less) * inverse_wavelength,
                             (doubles_at(values + p + kHalf) - less) * inverse_wavelength, steps.alternates);
                doubles_at(out + p) = own.first;
                doubles_at(out + p + kHalf) = own.second;
            }
        };
        arrange(rays.x, incident[0], x);
        arrange(rays.y, incident[1], y);
        arrange(rays.z, incident[2], z);
    }

    // A batch of orientations, of all squares.
    void sum(int64_t number, int turns_in_batch, int n, Allowance& allowance, double* acc) {
        elements = bounds.elements + number * (9 * kOrientationBatch);
        turns = bounds.orientations + number * (9 * kOrientationBatch);
        turned = turns_in_batch;
        for (int p = 0; p < n; p += kLanes) {
            Square& square = squares[p / kLanes];
            if (!square.seen) continue;
            const double lost = choose(square, allowance.work) * (steps.unit_of_bounds * (1 + 1e-4));
            for (int i = p; i < p + kLanes; i += kHalf) {
                doubles_at(allowance.left + i) -= lost;
                if (bounds.given_back > 0) doubles_at(acc + i) += lost * bounds.given_back;
            }
            const int all = count[0] + count[1];
            if (all == 0) continue;
            for (int i = p; i < p + kLanes; i += kWidth) {
                const Halves sums = steps.evaluate(*this, i);
                doubles_at(acc + i) += steps.unit * sums.first;
                doubles_at(acc + i + kHalf) += steps.unit * sums.second;
            }
            int seen = 0;
            for (int i = p; i < p + kLanes; ++i) seen += allowance.left[i] < __builtin_inf() ? 1 : 0;
            allowance.terms += (int64_t)all * seen;
            constexpr int registers = kLanes / kWidth;
            allowance.work += steps.work * all * registers;
        }
    }

  private:
    void prepare(int p, const double* incident, const Allowance& allowance, Square& out) const {
        const Row& row = rays.row;
        constexpr double half = 0.5 * (kTall - 1);
        double to[3];
        for (int i = 0; i < 3; ++i) {
            to[i] = row.start[i] + (kTallPlaces.column[p] + row.first + half) * row.step[i] + half * row.down[i];
        }
        const double inverse = inverse_root(dot3(to, to));
        const double angle = half * (length3(row.step) + length3(row.down)) * inverse, near = angle / (1.0 - angle);
        // (The second derivative of a direction along a straight line is at most 2/sqrt(3) over the distance squared.)
        // Next to the sample nothing is known.
        const double rest = ((angle < 0.5) & (inverse > 0.0)) ? 0.5774 * near * near * 1.0001 : 4.0;
        for (double& each : to) each *= inverse;
        const double on = dot3(to, row.step), below = dot3(to, row.down);
        double length = 0;
        for (int i = 0; i < 3; ++i) {
            length += absolute(to[i] - incident[i]);
            out.to[i] = (float)((to[i] - incident[i]) * inverse_wavelength);
            out.along[i] = (float)((row.step[i] - to[i] * on) * (inverse * half * inverse_wavelength));
            out.down[i] = (float)((row.down[i] - to[i] * below) * (inverse * half * inverse_wavelength));
        }
        for (int i = 0; i < 3; ++i) {
            const double longest = bounds.longest[i] * inverse_wavelength * 1.0001;
            out.slack[i] = (float)((length * kIndexRounding + rest) * longest) + kIndexSlack;
        }
        // The share that any pixel of the square is given at least, whether it is seen or not: how a raster was cut
        // into panels changes nothing.
        double least = __builtin_inf(), left = least;
        for (int i = p; i < p + kLanes; ++i) {
            least = allowance.given[i] < least ? allowance.given[i] : least;
            left = allowance.left[i] < left ? allowance.left[i] : left;
        }
        out.share = (float)(least / ((double)allowance.shares * steps.unit_of_bounds) * (1 - 1e-6));
        out.seen = left < __builtin_inf();
        out.unspent = out.threshold = 0;
    }

    // Lists the orientations that matter; returns the sum of the others' bounds. The threshold up to which bounds are
    // left out is that of the batch before, made larger or smaller by what that should have spent over what it spent.
    float choose(Square& square, double& work) {
        constexpr int kTries = 30;
        const float allowed = square.share + square.unspent;
        steps.test(*this, square);
        work += 1.5 * turned / kWidth;
        if (!(square.threshold > 0)) square.threshold = first_threshold(allowed);
        if (square.threshold > allowed) square.threshold = allowed;
        float spent = select(square.threshold);
        for (int tries = 0; !(spent <= allowed); ++tries) {
            square.threshold = tries < kTries ? square.threshold * 0.8f : -1.0f;
            spent = select(square.threshold);
            if (tries == kTries) break;
        }
        square.unspent = (allowed - spent) * (1 - 1e-6f);  // more than rounding may add
        const float wanted = 0.9f * square.share + 0.25f * square.unspent;
        const float change = spent > 0.5f * wanted ? 0.6f + 0.4f * (wanted / spent) : 1.4f;
        square.threshold *= change;
        return spent;
    }

    [[gnu::noinline]] float first_threshold(float allowed) const {
        Ladder ladder = ladder_of(filled<Singles>(allowed), turned);
        for (int m = 0; m < turned; m += kWidth) ladder.add(singles_at(bound + m));
        float spent;
        return ladder.choose_one(allowed, spent);
    }

    // Lists what is above the threshold; returns the sum of the rest.
    [[gnu::noinline]] float select(float threshold) {
        Singles spent{};
        int sure = 0, unsure = 0;
        for (int m = 0; m < turned; m += kWidth) {
            const Singles now = singles_at(bound + m);
            const Phases gone = (Phases)(now <= threshold);
            spent += (Singles)((Phases)now & gone);
            const uint32_t own = bits_of((Phases)(kLanePlaces < (uint32_t)(turned - m))), all = bits_of(~gone) & own,
                           one = certain[m / kWidth];
            put_places(kept[0] + sure, (uint32_t)m, all & one);
            put_places(kept[1] + unsure, (uint32_t)m, all & ~one);
            sure += __builtin_popcount(all & one);
            unsure += __builtin_popcount(all & ~one);
        }
        count[0] = sure;
        count[1] = unsure;
        float all = 0;
        for (int i = 0; i < kWidth; ++i) all += spent[i];
        return all;
    }
};

// ---- tests ------------------------------------------------------------------------------------------------

template <class Lattice>
struct PowderTests {
    static void test(Powder& w, const Square& to) {
        for (int m = 0; m < w.turned; m += kWidth) {
            const Boxes boxes = boxes_in(w, to, m);
            Unsigned any;
            const Singles structure = most_structure(w.bounds, boxes, any);
            Singles now = most_lattice<Lattice>(w.bounds, boxes) * (structure * w.most_weight);
            // (Behind the last one there is nothing to lose.)
            now = (Singles)((Phases)now & (Phases)(kLanePlaces < (uint32_t)(w.turned - m)));
            singles_at(w.bound + m) = now;
            singles_at(w.structure + m) = structure;
            w.certain[m / kWidth] = bits_of((Phases)(any == 0u));
        }
    }

  private:
    // The boxes of kWidth orientations, from number `m` of the batch on.
    static NANOBRAGG_FN_MEMBER Boxes boxes_in(const Powder& w, const Square& to, int m) {
        Boxes out;
        NANOBRAGG_UNROLL
        for (int i = 0; i < 3; ++i) {
            const float* e = w.elements + 3 * i * kOrientationBatch + m;
            const Singles a = singles_at(e), b = singles_at(e + kOrientationBatch),
                          c = singles_at(e + 2 * kOrientationBatch);
            out.at[i] = a * to.to[0] + (b * to.to[1] + c * to.to[2]);
            const Singles along = a * to.along[0] + (b * to.along[1] + c * to.along[2]),
                          down = a * to.down[0] + (b * to.down[1] + c * to.down[2]);
            out.span[i] = (absolute(along) + absolute(down)) * 1.00001f + to.slack[i];
        }
        return out;
    }
};

// ---- evaluations ------------------------------------------------------------------------------------------

template <class Evaluate>
struct PowderTerms {
    static Halves evaluate(const Powder& w, int p) {
        Evaluate evaluate(w.s, w.lookup);
        // What is certain need not be looked up, but for double precision, which has F.
        w.lookup == Lookup::nearest ? add<true>(w, p, 0, evaluate) : add<false>(w, p, 0, evaluate);
        Evaluate other(w.s, w.lookup);
        add<false>(w, p, 1, other);
        return {evaluate.sum.first + other.sum.first, evaluate.sum.second + other.sum.second};
    }

  private:
    template <bool known>
    static NANOBRAGG_FN_MEMBER void add(const Powder& w, int p, int kind, Evaluate& evaluate) {
        const auto both = [p](const double* values) {
            return Halves{doubles_at(values + p), doubles_at(values + p + kHalf)};
        };
        const Halves x = both(w.x), y = both(w.y), z = both(w.z);
        const Doubles weight = filled<Doubles>(w.weight);
        for (int i = 0; i < w.count[kind]; ++i) {
            const uint32_t place = w.kept[kind][i];
            const double* o = w.turns + 9 * place;
            const auto index = [&](const double* axis) {
                return Halves{axis[0] * x.first + (axis[1] * y.first + axis[2] * z.first),
                              axis[0] * x.second + (axis[1] * y.second + axis[2] * z.second)};
            };
            if constexpr (known) evaluate.know(filled<Singles>(w.structure[place]));
            evaluate.template add<!known>(index(o), index(o + 3), index(o + 6), weight, weight);
        }
        evaluate.join();
    }
};

template <class Lattice, class Evaluate>
PowderSteps powder_steps_of(const KernelScene& s) {
    using Tests = PowderTests<Lattice>;
    return {Tests::test,         PowderTerms<Evaluate>::evaluate, Evaluate::unit(s), Lattice::unit(s), Evaluate::kWork,
            Evaluate::alternates};
}

// acc += the sum over the orientations that have nothing in common, less what may be left out.
void sum_powder(const KernelScene& s, Lookup lookup, const Bounds& bounds, const Rays& rays, const double* incident,
                const KernelSource& source, int n, const PowderSteps& steps, Allowance& allowance, double* acc) {
    Powder powder(s, lookup, bounds, rays, incident, source, n, steps, allowance);
    for (int64_t m = 0; m < s.orientation_count; m += kOrientationBatch) {
        const int64_t number = m / kOrientationBatch, rest = s.orientation_count - m;
        if (bounds.unlike[number] == 0) continue;
        powder.sum(number, rest < kOrientationBatch ? (int)rest : kOrientationBatch, n, allowance, acc);
        --allowance.calls;
    }
}
