// The pixels of a piece of a panel, and the rays to them. A part of slopes.inl.

constexpr int kRegisters = kSlopeChunk / kHalf;  // at most

NANOBRAGG_FN Doubles& doubles_at(double* values, int r) { return ((Doubles*)values)[r]; }
NANOBRAGG_FN const Doubles& doubles_at(const double* values, int r) { return ((const Doubles*)values)[r]; }

NANOBRAGG_FN double sum_of(Doubles x) {
    double sum = 0;
    for (int i = 0; i < kHalf; ++i) sum += x[i];
    return sum;
}

// What belongs to the numbers of a scene, in one pass and in the other.
struct ConstSlopes {
    const PanelSlopes<double>& panel;
    const SourceSlopes<double>* sources;
    const LayerSlopes<double>* layers;
    const CommonSlopes<double>& common;
};
struct OwnSlopes {
    PanelSlopes<Doubles>& panel;
    SourceSlopes<Sum>* sources;
    LayerSlopes<Sum>* layers;
    CommonSlopes<Doubles>& common;
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

struct RowWork {
    alignas(64) double fast[kSlopeChunk], slow[kSlopeChunk];  // of the pixels in the raster
    Aim<Doubles> centre[kRegisters], aim[kRegisters];
    Capture capture[kRegisters];
    alignas(64) double q[3][kSlopeChunk], factor[kSlopeChunk];
    alignas(64) double sum[kSlopeChunk], by_q[3][kSlopeChunk], by_shape[kShapeParameters][kSlopeChunk];
    alignas(64) double by_strain[9][kSlopeChunk];  // derivative by each index times each index
    alignas(64) double total[kSlopeChunk];
};

class Row {
  public:
    Row(const SlopeTask& given, RowWork& work_)
        : task(given),
          s(*given.scene),
          g(*given.panel),
          work(work_),
          factor(work_.factor),
          registers((given.count + kHalf - 1) / kHalf) {
        parameters = with_slopes(ShapesWithSlopes(), s.shape,
                                 [](auto shape) { return parameters_of(decltype(shape)::depends); });
        place_pixels();
        for (int r = 0; r < registers; ++r) {
            work.centre[r] = aim_at(r, 0.5, 0.5, -1, false);
            doubles_at(work.total, r) = Doubles{};
        }
    }

    // At an offset in the pixels, in the plane of a layer (-1: of the front).
    Aim<Doubles> aim_at(int r, double offset_fast, double offset_slow, int64_t layer, bool incidence) const {
        Aim<Doubles> out;
        out.fast = doubles_at(work.fast, r) + offset_fast;
        out.slow = doubles_at(work.slow, r) + offset_slow;
        out.own_fast = out.fast - (double)task.first_fast;
        out.own_slow = out.slow - (double)task.first_slow;
        out.layer = layer;
        out.incidence = incidence;
        out.sunk = layer >= 0 && !incidence && s.layers[layer].thickness != 0;
        sink(out);
        return out;
    }
    Aim<Doubles> aim_at(int r, const Subpixel& sub, bool incidence) const {
        return aim_at(r, sub.offset_fast, sub.offset_slow, sub.layer, incidence);
    }

    // As capture_of() finds it: the first fraction up to that of the subpixel `last` which is not 0.
    Capture capture_at(int r, int64_t layer, int64_t last, const Aim<Doubles>& own) const {
        const double front = s.layers[layer].front, back = s.layers[layer].back;
        Capture out{s.capture == Factor::each     ? own
                    : s.capture == Factor::centre ? work.centre[r]
                                                  : aim_at(r, subpixel_of(s, layer, 0), true),
                    {}};
        out.value = absorbed(s, out.aim.ray.along(g.normal), front, back);
        for (int64_t n = 1; s.capture == Factor::first && n <= last && any_of(out.value == 0.0); ++n) {
            const Aim<Doubles> again = aim_at(r, subpixel_of(s, layer, n), true);
            const auto replaced = out.value == 0.0;
            out.value = replaced ? absorbed(s, again.ray.along(g.normal), front, back) : out.value;
            replace(out.aim, again, replaced);
        }
        return out;
    }

    // The polarization of the first source that is not culled, with found(aim, source, where) for those that decide it.
    template <class Found>
    NANOBRAGG_FN_MEMBER Doubles first_polarization_at(int r, const Found& found) const {
        Doubles value{};
        for (int64_t i = 0; i < s.layer_count * s.oversample * s.oversample; ++i) {
            const int64_t square = s.oversample * s.oversample;
            const Aim<Doubles> aim = aim_at(r, subpixel_of(s, i / square, i % square), false);
            for (int64_t n = 0; n < s.source_count; ++n) {
                Doubles now = polarization(s, aim.ray, s.sources[n]);
                if (s.dmin > 0) now = kept(s, aim.ray, s.sources[n]) == 0.0 ? Doubles{} : now;
                const auto decided = (value == 0.0) & (now != 0.0);
                if (any_of(decided)) found(aim, n, decided ? filled<Doubles>(1.0) : Doubles{});
                value = decided ? now : value;
                if (!any_of(value == 0.0)) return value;
            }
        }
        return value;
    }

    bool outer_capture() const { return !s.capture_inside && s.capture != Factor::off; }
    bool polar_inside() const { return s.polar == Factor::each || s.polar == Factor::centre; }

    // Factors that left the sum.
    Capture outer_capture_at(int r) const { return capture_at(r, 0, s.oversample * s.oversample - 1, work.centre[r]); }
    Aim<Doubles> outer_aim(int r) const {
        return s.omega == Factor::first ? aim_at(r, subpixel_of(s, 0, 0), false) : work.centre[r];
    }

    // What multiplies a pixel's sum of terms, all together.
    Doubles outer_factor(int r) const {
        Doubles out = filled<Doubles>(s.scale / s.steps * task.unit);
        if (outer_capture()) out *= outer_capture_at(r).value;
        if (s.omega != Factor::each) out *= solid_angle(s, g, outer_aim(r).ray);
        if (s.polar == Factor::first) out *= first_polarization_at(r, [](const Aim<Doubles>&, int64_t, Doubles) {});
        return out;
    }

    // The pixels' numbers in an array of all chosen pixels; 0 in a register's places that have no pixel.
    void read(const double* all, double* numbers) const {
        for (int p = 0, run = 0; run < task.run_count; ++run) {
            for (int i = 0; i < task.runs[run].count; ++i) numbers[p++] = all[task.runs[run].place + i];
        }
        for (int p = task.count; p < registers * kHalf; ++p) numbers[p] = 0;
    }
    void write(const double* numbers, double* all) const {
        for (int p = 0, run = 0; run < task.run_count; ++run) {
            for (int i = 0; i < task.runs[run].count; ++i) all[task.runs[run].place + i] = numbers[p++];
        }
    }

    // For every subpixel: begin(), source(n, orientations, whether they are those of the first evaluation) for each
    // source that some pixel sees, when sum(), by_q() and by_shape() are to be made, and end().
    template <class Begin, class Source, class End>
    void visit(const Begin& begin, const Source& source, const End& end) {
        const int64_t square = s.oversample * s.oversample;
        bool first = task.first != nullptr;
        for (int64_t i = 0; i < s.layer_count * square; ++i) {
            const Subpixel sub = subpixel_of(s, i / square, i % square);
            for (int r = 0; r < registers; ++r) {
                work.aim[r] = aim_at(r, sub, false);
                if (s.capture_inside) work.capture[r] = capture_at(r, sub.layer, sub.number, work.aim[r]);
            }
            begin();
            for (int64_t n = 0; n < s.source_count; ++n) {
                if (!look_from(n)) continue;
                source(n, first ? task.first : s.orientations, first);
                first = false;
                for (int r = 0; r < registers; ++r) {
                    doubles_at(work.total, r) += doubles_at(factor, r) * doubles_at(work.sum, r);
                }
            }
            end();
        }
    }

    // Photons, from the sums.
    void write_image() const {
        if (task.image == nullptr) return;
        alignas(64) double values[kSlopeChunk];
        for (int r = 0; r < registers; ++r) {
            doubles_at(values, r) = photons(s, PixelsOf{*this, r}, task.unit * doubles_at(work.total, r));
        }
        write(values, task.image);
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
    RowWork& work;
    double* factor;  // what multiplies the terms of one source, its weight included
    int registers;
    int parameters;  // how many the shape has

  private:
    void place_pixels() {
        int p = 0;
        for (int run = 0; run < task.run_count; ++run) {
            for (int i = 0; i < task.runs[run].count; ++i, ++p) {
                work.fast[p] = (double)(task.runs[run].fast + i);
                work.slow[p] = (double)task.runs[run].slow;
            }
        }
        // The last pixel again where there is none.
        for (; p < registers * kHalf; ++p) {
            work.fast[p] = work.fast[task.count - 1];
            work.slow[p] = work.slow[task.count - 1];
        }
    }

    // Puts a place at the depth of its layer, and makes the ray to it.
    void sink(Aim<Doubles>& aim) const {
        Doubles at[3];
        aim.depth = Doubles{};
        if (aim.layer >= 0)
            aim.depth += aim.incidence ? s.layers[aim.layer].incidence_depth : s.layers[aim.layer].depth;
        flat_point(g, aim.fast, aim.slow, 0.0, aim.entry);
        if (aim.sunk) {
            const Layer& layer = s.layers[aim.layer];
            for (int i = 0; i < 3; ++i) at[i] = aim.entry[i];
            aim.entering = ray_through(s, g, at);
            const Doubles parallax = aim.entering.along(g.normal);
            aim.depth += layer.thickness * mean_absorption_depth(layer.thickness * s.attenuation / parallax);
        }
        for (int i = 0; i < 3; ++i) at[i] = aim.flat[i] = aim.entry[i] + aim.depth * g.normal[i];
        aim.ray = ray_through(s, g, at);
    }

    static void replace(Aim<Doubles>& aim, const Aim<Doubles>& other, decltype(Doubles() == Doubles()) where) {
        const auto take = [&](Doubles& mine, const Doubles& theirs) { mine = where ? theirs : mine; };
        take(aim.fast, other.fast);
        take(aim.slow, other.slow);
        take(aim.own_fast, other.own_fast);
        take(aim.own_slow, other.own_slow);
        for (int i = 0; i < 3; ++i) take(aim.flat[i], other.flat[i]);
        take(aim.ray.x, other.ray.x);
        take(aim.ray.y, other.ray.y);
        take(aim.ray.z, other.ray.z);
        take(aim.ray.inverse, other.ray.inverse);
    }

    // Scattering vectors and factors of the terms of source n; whether any pixel sees it.
    bool look_from(int64_t n) {
        const KernelSource& source = s.sources[n];
        bool seen = !(s.dmin > 0);
        for (int r = 0; r < registers; ++r) {
            const Ray<Doubles>& ray = work.aim[r].ray;
            const Doubles captured = s.capture_inside ? work.capture[r].value : filled<Doubles>(1.0);
            doubles_at(work.q[0], r) = (ray.x - source.direction[0]) * source.inverse_wavelength;
            doubles_at(work.q[1], r) = (ray.y - source.direction[1]) * source.inverse_wavelength;
            doubles_at(work.q[2], r) = (ray.z - source.direction[2]) * source.inverse_wavelength;
            doubles_at(factor, r) = source.weight * inner_factor(s, PixelsOf{*this, r}, ray, source, captured);
            if (s.dmin > 0) seen |= any_of(kept(s, ray, source) != 0.0);
            doubles_at(work.sum, r) = Doubles{};
            for (double* values : work.by_q) doubles_at(values, r) = Doubles{};
            for (double* values : work.by_shape) doubles_at(values, r) = Doubles{};
            for (double* values : work.by_strain) doubles_at(values, r) = Doubles{};
        }
        return seen;
    }
};
