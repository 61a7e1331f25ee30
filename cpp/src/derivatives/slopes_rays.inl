// The pixels of a piece of a panel, and the rays to them. A part of slopes.inl.

constexpr int kRegisters = kRowPixels / kHalf;  // at most

NANOBRAGG_FN Doubles& doubles_at(double* values, int r) { return ((Doubles*)values)[r]; }
NANOBRAGG_FN const Doubles& doubles_at(const double* values, int r) { return ((const Doubles*)values)[r]; }

// What belongs to the numbers of a scene, in one pass and in the other.
struct ConstSlopes {
    const PanelSlopes<double>& panel;
    const SourceSlopes<double>* sources;
    const LayerSlopes<double>* layers;
    const CommonSlopes<double>& common;
};

// What belongs to the factors of one subpixel's terms.
struct TermSlopes {
    RaySlopes<Doubles> ray, centre;
    Doubles capture;
};

// A capture fraction, and the ray that decided it.
struct Capture {
    Aim<Doubles> aim;
    Doubles value;
};

// A number for each pixel. Where what is loaded and what was just stored stand at the same place of a page (4 KiB),
// processors take one for the other, and wait: hence the gap, with which sixteen in a row keep away from one another.
template <class Number>
struct Numbers {
    alignas(kRowAlignment) Number of[kRowPixels + kRowGap / (int)sizeof(Number)];
};
using PixelNumbers = Numbers<double>;
NANOBRAGG_FN Doubles& doubles_at(PixelNumbers& numbers, int r) { return doubles_at(numbers.of, r); }
NANOBRAGG_FN const Doubles& doubles_at(const PixelNumbers& numbers, int r) { return doubles_at(numbers.of, r); }
// A register of either: one of single precision has the pixels of two others.
NANOBRAGG_FN Doubles& register_of(Numbers<double>& numbers, int r) { return doubles_at(numbers.of, r); }
NANOBRAGG_FN Singles& register_of(Numbers<float>& numbers, int r) { return ((Singles*)numbers.of)[r]; }

// What loops over orientations read and write, in this order for the sake of the gaps.
struct Scattering {
    PixelNumbers q[3];
};
template <class Number>
struct TermSums {
    Numbers<Number> term;     // backward: how much a sum depends on the terms
    Numbers<Number> by_q[3];  // derivatives by q; backward: times that
    Numbers<Number> sum, by_shape[kShapeParameters];
    Numbers<Number> by_strain[9];  // derivative by each index times each index
};

struct RowWork : Scattering, TermSums<double> {
    TermSums<float> singles;     // mixed precision: of some orientations, before they join those in double
    Numbers<float> single_q[3];  // in inverse wavelengths
    PixelNumbers basis[4];       // straight rows: (1 + x^2)^-3/2 and that times x, x^2, x^3 (slopes_straight.inl)
    PixelNumbers factor, total, omega, polar;
    PixelNumbers fast, slow;  // of the pixels in the raster
    Aim<Doubles> centre[kRegisters], aim[kRegisters];
    Capture capture[kRegisters];  // of a subpixel where it stays in the sum, else of the pixel
};

template <class Number>
NANOBRAGG_FN TermSums<Number>& sums_of(RowWork& work) {
    if constexpr (sizeof(Number) == sizeof(float)) {
        return work.singles;
    } else {
        return work;
    }
}

class Row {
  public:
    NANOBRAGG_LARGE Row(const SlopeTask& given, RowWork& work_)
        : task(given),
          s(*given.scene),
          g(*given.panel),
          corner{(double)given.first_fast, (double)given.first_slow},
          scale(s.scale / s.steps),
          work(work_),
          single(s.layer_count * s.oversample * s.oversample == 1),
          central(single && layer_of(s, g, 0).thickness == 0 && layer_of(s, g, 0).depth == 0),
          // In mixed precision whole registers of singles.
          registers(given.mixed ? (given.count + kWidth - 1) / kWidth * 2 : (given.count + kHalf - 1) / kHalf) {
        parameters = with_slopes(ShapesWithSlopes(), s.shape,
                                 [](auto shape) { return parameters_of(decltype(shape)::depends); });
        place_pixels();
    }

    // The same pixels in a scene of one source and one subpixel, of which a compiler sees more.
    NANOBRAGG_HOST_DEVICE Row(const Row& other, const KernelScene& known, bool is_central)
        : task(other.task),
          s(known),
          g(other.g),
          corner(other.corner),
          scale(other.scale),
          work(other.work),
          strained(other.strained),
          shaped(other.shaped),
          straight(other.straight),
          inverse_wavelength(other.inverse_wavelength),
          single(true),
          central(is_central),
          registers(other.registers),
          parameters(other.parameters) {}

    // The rays, and the factors that left the sum.
    NANOBRAGG_LARGE void begin() {
        for (int r = 0; r < registers; ++r) {
            if (needs_centre()) aim_at(r, 0.5, 0.5, -1, false, work.centre[r]);
            doubles_at(work.total, r) = Doubles{};
        }
        if (single) aim_at_subpixel(subpixel_of(s, 0, 0));
        for (int r = 0; r < registers; ++r) look_at(r);
    }

    // At an offset in the pixels, in the plane of a layer (-1: of the front).
    NANOBRAGG_LARGE void aim_at(int r, double offset_fast, double offset_slow, int64_t layer, bool incidence,
                                Aim<Doubles>& out) const {
        const Doubles fast = doubles_at(work.fast, r) + offset_fast, slow = doubles_at(work.slow, r) + offset_slow;
        out.own_fast = fast - corner.fast;
        out.own_slow = slow - corner.slow;
        out.layer = layer;
        out.incidence = incidence;
        out.sunk = layer >= 0 && !incidence && layer_of(s, g, layer).thickness != 0;
        sink(fast, slow, out);
    }
    NANOBRAGG_HOST_DEVICE void aim_at(int r, const Subpixel& sub, bool incidence, Aim<Doubles>& out) const {
        aim_at(r, sub.offset_fast, sub.offset_slow, sub.layer, incidence, out);
    }
    NANOBRAGG_HOST_DEVICE Aim<Doubles> aim_at(int r, const Subpixel& sub, bool incidence) const {
        Aim<Doubles> out;
        aim_at(r, sub, incidence, out);
        return out;
    }

    // As capture_of() finds it: the first fraction up to that of the subpixel `last` which is not 0.
    NANOBRAGG_LARGE Capture capture_at(int r, int64_t layer, int64_t last, const Aim<Doubles>& own) const {
        const double front = layer_of(s, g, layer).front, back = layer_of(s, g, layer).back;
        Capture out{s.capture == Factor::each     ? own
                    : s.capture == Factor::centre ? work.centre[r]
                                                  : aim_at(r, subpixel_of(s, layer, 0), true),
                    {}};
        out.value = absorbed(g, out.aim.ray.along(g.normal), front, back);
        for (int64_t n = 1; s.capture == Factor::first && n <= last && any_of(out.value == 0.0); ++n) {
            const Aim<Doubles> again = aim_at(r, subpixel_of(s, layer, n), true);
            const auto replaced = out.value == 0.0;
            out.value = replaced ? absorbed(g, again.ray.along(g.normal), front, back) : out.value;
            replace(out.aim, again, replaced);
        }
        return out;
    }

    // The polarization of the first source that is not culled, with found(aim, source, where) for those that decide it.
    template <class Found>
    NANOBRAGG_FN_MEMBER Doubles first_polarization_at(int r, const Found& found) const {
        Doubles value{};
        if (single) {
            decide_polarization(work.aim[r], found, value);
            return value;
        }
        const int64_t square = s.oversample * s.oversample;
        for (int64_t i = 0; i < s.layer_count * square; ++i) {
            const Aim<Doubles> aim = aim_at(r, subpixel_of(s, i / square, i % square), false);
            if (decide_polarization(aim, found, value)) break;
        }
        return value;
    }

    NANOBRAGG_HOST_DEVICE bool outer_capture() const { return !s.capture_inside && s.capture != Factor::off; }
    NANOBRAGG_HOST_DEVICE bool outer_omega() const { return s.omega == Factor::first || s.omega == Factor::centre; }
    NANOBRAGG_HOST_DEVICE bool polar_inside() const { return s.polar == Factor::each || s.polar == Factor::centre; }
    // Whether terms have no factor but their source's weight.
    NANOBRAGG_HOST_DEVICE bool factors_left() const {
        return outer_omega() && !polar_inside() && !s.capture_inside && !(s.dmin > 0);
    }

    // use(the ray that decides the solid angle where it left the sum).
    template <class Use>
    NANOBRAGG_FN_MEMBER void with_outer_aim(int r, const Use& use) const {
        if (s.omega == Factor::centre) return use(work.centre[r]);
        if (single) return use(work.aim[r]);
        const Aim<Doubles> aim = aim_at(r, subpixel_of(s, 0, 0), false);
        use(aim);
    }

    // What multiplies a pixel's sum of terms, all together.
    NANOBRAGG_HOST_DEVICE Doubles outer_factor(int r) const {
        Doubles out = (scale * task.unit) * doubles_at(work.omega, r);
        if (outer_capture()) out *= work.capture[r].value;
        return out * doubles_at(work.polar, r);
    }

    // Whether what belongs to the ray to a pixel's centre goes with a subpixel's.
    NANOBRAGG_HOST_DEVICE bool uses_centre() const {
        return s.polar == Factor::centre || (single && (s.omega == Factor::centre || lit()));
    }

    // Whether the only ray is that to the centre, and its factors are known.
    NANOBRAGG_HOST_DEVICE bool knows_centre() const {
        return central && outer_omega() && s.polar == Factor::first && s.source_count == 1 && !(s.dmin > 0);
    }
    // Whether the ray to the centre is asked for besides that to the only subpixel.
    NANOBRAGG_HOST_DEVICE bool needs_centre() const {
        return !knows_centre() || uses_centre() || s.capture != Factor::off;
    }

    // Whether something is added once per pixel.
    NANOBRAGG_HOST_DEVICE bool lit() const { return s.background_sum != 0 || s.background != 0; }

    NANOBRAGG_HOST_DEVICE void clear(PixelNumbers& numbers) const {
        for (int r = 0; r < registers; ++r) doubles_at(numbers, r) = Doubles{};
    }

    // For every subpixel: begin(), source(n, orientations, whether they are those of the first evaluation) for each
    // source that some pixel sees, when sum, by_q and by_shape are to be made, and end(). Where rows go in step with
    // others, that is done for sources that no pixel sees, too (but where there is one pixel alone, whose state what it
    // does not see must not change): their factor is 0.
    template <class Begin, class Source, class End>
    NANOBRAGG_HOST_DEVICE void visit(const Begin& begin, const Source& source, const End& end) {
        const int64_t square = s.oversample * s.oversample;
        bool first = task.first != nullptr;
        const bool alone = first || task.interpolating != nullptr;
        for (int64_t i = 0; i < s.layer_count * square; ++i) {
            const Subpixel sub = subpixel_of(s, i / square, i % square);
            if (!single) aim_at_subpixel(sub);
            for (int r = 0; s.capture_inside && r < registers; ++r) {
                work.capture[r] = capture_at(r, sub.layer, sub.number, work.aim[r]);
            }
            begin();
            for (int64_t n = 0; n < s.source_count; ++n) {
                const bool seen = look_from(n);
                if (!seen && !(kInStep && !alone)) continue;
                source(n, first ? task.first : s.orientations, first);
                first = first && !seen;
                for (int r = 0; r < registers; ++r) {
                    doubles_at(work.total, r) += with_factor(doubles_at(work.factor, r), doubles_at(work.sum, r));
                }
            }
            end();
        }
    }

    // As the templates of rays.hpp and pixel.hpp want them.
    struct PixelsOf {
        using Real = Doubles;
        const Row& row;
        int r;

        NANOBRAGG_FN_MEMBER const KernelPanel& panel() const { return row.g; }
        NANOBRAGG_FN_MEMBER Ray<Doubles> centre() const { return row.work.centre[r].ray; }
        NANOBRAGG_FN_MEMBER Ray<Doubles> ray(const Subpixel& sub) const { return row.aim_at(r, sub, false).ray; }
        // (Only angles of incidence are asked for at a depth.)
        NANOBRAGG_FN_MEMBER Ray<Doubles> ray(const Subpixel& sub, double) const { return row.aim_at(r, sub, true).ray; }
    };

    const SlopeTask& task;
    const KernelScene& s;
    const KernelPanel& g;
    const PanelCorner corner;
    const double scale;  // of photons
    RowWork& work;
    bool strained = false;          // whether by_strain is wanted
    bool shaped = true;             // whether by_shape is
    bool straight = false;          // whether sums along the row stand for by_q
    double inverse_wavelength = 0;  // of the source
    const bool single;              // one subpixel
    const bool central;             // which is the pixel's centre
    int registers;
    int parameters;                       // how many the shape has
    double shape_unit[kShapeParameters];  // what a sweep's sums by these are to be multiplied by

  private:
    // Where `value` is still 0, it becomes the polarization of the first source that the ray shows; whether it has one
    // everywhere.
    template <class Found>
    NANOBRAGG_FN_MEMBER bool decide_polarization(const Aim<Doubles>& aim, const Found& found, Doubles& value) const {
        for (int64_t n = 0; n < s.source_count; ++n) {
            Doubles now = polarization(s, aim.ray, s.sources[n]);
            if (s.dmin > 0) now = kept(s, aim.ray, s.sources[n]) == 0.0 ? Doubles{} : now;
            const auto decided = (value == 0.0) & (now != 0.0);
            if (any_of(decided)) found(aim, n, decided ? filled<Doubles>(1.0) : Doubles{});
            value = decided ? now : value;
            if (!any_of(value == 0.0)) return true;
        }
        return false;
    }

    // Full registers at once: those that were just written one by one are slow to load.
    NANOBRAGG_HOST_DEVICE void place_pixels() {
        for (int p = 0, run = 0; run < task.run_count; ++run) {
            const PixelRun& pixels = task.runs[run];
            int i = 0;
            for (; p % kHalf == 0 && i + kHalf <= pixels.count; i += kHalf, p += kHalf) {
                doubles_at(work.fast, p / kHalf) = (double)(pixels.fast + i) + kCount;
                doubles_at(work.slow, p / kHalf) = filled<Doubles>((double)pixels.slow);
            }
            for (; kHalf > 1 && i < pixels.count; ++i, ++p) {
                work.fast.of[p] = (double)(pixels.fast + i);
                work.slow.of[p] = (double)pixels.slow;
            }
        }
        // The last pixel again where there is none.
        for (int p = task.count; kHalf > 1 && p < registers * kHalf; ++p) {
            work.fast.of[p] = work.fast.of[task.count - 1];
            work.slow.of[p] = work.slow.of[task.count - 1];
        }
    }

    NANOBRAGG_FLATTENED void aim_at_subpixel(const Subpixel& sub) {
        for (int r = 0; r < registers; ++r) {
            if (central && needs_centre()) {
                work.aim[r] = work.centre[r];
                work.aim[r].layer = 0;
            } else {
                aim_at(r, sub, false, work.aim[r]);
            }
        }
    }

    // Factors that left the sum, in the order of finish_pixels.
    NANOBRAGG_LARGE void look_at(int r) {
        const Doubles one = filled<Doubles>(1.0);
        if (outer_capture()) work.capture[r] = capture_at(r, 0, s.oversample * s.oversample - 1, work.centre[r]);
        doubles_at(work.omega, r) = one;
        if (outer_omega()) {
            with_outer_aim(r, [&](const Aim<Doubles>& aim) { doubles_at(work.omega, r) = solid_angle(s, g, aim.ray); });
        }
        doubles_at(work.polar, r) =
            s.polar == Factor::first ? first_polarization_at(r, [](const Aim<Doubles>&, int64_t, Doubles) {}) : one;
    }

    // Puts a place at the depth of its layer, and makes the ray to it.
    NANOBRAGG_FN_MEMBER void sink(Doubles fast, Doubles slow, Aim<Doubles>& aim) const {
        Doubles entry[3], at[3];
        aim.depth = Doubles{};
        if (aim.layer >= 0) {
            const Layer& layer = layer_of(s, g, aim.layer);
            aim.depth += aim.incidence ? layer.incidence_depth : layer.depth;
        }
        flat_point(g, fast, slow, 0.0, entry);
        if (aim.sunk) {
            const Layer& layer = layer_of(s, g, aim.layer);
            for (int i = 0; i < 3; ++i) at[i] = entry[i];
            const Doubles parallax = ray_through(s, g, at).along(g.normal);
            aim.depth += layer.thickness * mean_absorption_depth(layer.thickness * g.attenuation / parallax);
        }
        for (int i = 0; i < 3; ++i) at[i] = entry[i] + aim.depth * g.normal[i];
        aim.ray = ray_through(s, g, at);
    }

    NANOBRAGG_HOST_DEVICE static void replace(Aim<Doubles>& aim, const Aim<Doubles>& other,
                                              decltype(Doubles() == Doubles()) where) {
        const auto take = [&](Doubles& mine, const Doubles& theirs) { mine = where ? theirs : mine; };
        take(aim.own_fast, other.own_fast);
        take(aim.own_slow, other.own_slow);
        take(aim.ray.x, other.ray.x);
        take(aim.ray.y, other.ray.y);
        take(aim.ray.z, other.ray.z);
        take(aim.ray.inverse, other.ray.inverse);
    }

    // Scattering vectors and factors of the terms of source n, and sums that are 0; whether any pixel sees it.
    NANOBRAGG_LARGE bool look_from(int64_t n) {
        const KernelSource& source = s.sources[n];
        bool seen = !(s.dmin > 0);
        inverse_wavelength = source.inverse_wavelength;
        clear(work.sum);
        for (int i = 0; i < 3 && !straight; ++i) clear(work.by_q[i]);
        for (int i = 0; i < parameters && shaped; ++i) clear(work.by_shape[i]);
        for (int i = 0; i < 9 && strained; ++i) clear(work.by_strain[i]);
        for (int r = 0; r < registers; ++r) {
            const Ray<Doubles>& ray = work.aim[r].ray;
            const Doubles captured = s.capture_inside ? work.capture[r].value : filled<Doubles>(1.0);
            doubles_at(work.q[0], r) = (ray.x - source.direction[0]) * source.inverse_wavelength;
            doubles_at(work.q[1], r) = (ray.y - source.direction[1]) * source.inverse_wavelength;
            doubles_at(work.q[2], r) = (ray.z - source.direction[2]) * source.inverse_wavelength;
            doubles_at(work.factor, r) = source.weight * inner_factor(s, PixelsOf{*this, r}, ray, source, captured);
            if (s.dmin > 0) seen |= any_of(kept(s, ray, source) != 0.0);
        }
        return seen;
    }
};
