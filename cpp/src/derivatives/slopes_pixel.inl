// From the numbers of a scene to terms, their sum and a pixel's value, as edges for both passes. A part of slopes.inl.

template <class Pass, class Slopes>
NANOBRAGG_SHARED void aim_edges(const Pass& pass, const Row& row, const Aim<Doubles>& aim, const Slopes& in,
                                RaySlopes<Doubles>& d_ray) {
    ray_edges(pass, row.s, row.g, row.corner, aim, in.panel, in.layers, in.common, d_ray);
}

// use(what belongs to the ray to `aim`): that which is shared, if there is one, or its own.
template <class Pass, class Slopes, class Use>
NANOBRAGG_FN void with_ray(const Pass& pass, const Row& row, const Aim<Doubles>& aim, const Slopes& in,
                           RaySlopes<Doubles>* shared, const Use& use) {
    if (shared != nullptr) return use(*shared);
    RaySlopes<Doubles> own{};
    pass.in_order([&] { aim_edges(pass, row, aim, in, own); }, [&] { use(own); });
}

// Fraction absorbed by a layer where a ray decides it.
template <class Pass, class Slopes>
NANOBRAGG_LARGE void capture_edges(const Pass& pass, const Row& row, const Capture& capture, int64_t layer,
                                   const Slopes& in, Doubles& d_out) {
    const Layer& depths = layer_of(row.s, row.g, layer);
    RaySlopes<Doubles> d_ray{};
    pass.in_order([&] { aim_edges(pass, row, capture.aim, in, d_ray); },
                  [&] {
                      absorbed_edges(pass, row.g, capture.aim.ray, depths.front, depths.back, in.panel,
                                     in.layers[layer].front, in.layers[layer].back, d_ray, d_out);
                  });
}

// What all sources of a subpixel have in common.
template <class Pass, class Slopes>
NANOBRAGG_LARGE void subpixel_edges(const Pass& pass, const Row& row, int r, const Slopes& in, TermSlopes& d) {
    const Aim<Doubles>& aim = row.work.aim[r];
    aim_edges(pass, row, aim, in, d.ray);
    if (row.uses_centre()) aim_edges(pass, row, row.work.centre[r], in, d.centre);
    if (row.s.capture_inside) capture_edges(pass, row, row.work.capture[r], aim.layer, in, d.capture);
}

NANOBRAGG_FN ConstSlopes slopes_of(const Row& row, const ForwardColumn& column) {
    return {column.panels[row.task.panel_number], column.sources, column.layers + row.g.first_layer, column.common};
}

// How a sum of terms changes along a column by its strain and its shape; `by`: the derivatives by these.
NANOBRAGG_FN Doubles contracted(const Row& row, const ForwardColumn& column, const Doubles* by) {
    Doubles sum{};
    for (int i = 0; i < 9 && column.strain != nullptr; ++i) sum += column.strain[i] * by[i];
    for (int i = 0; i < row.parameters && column.shaped; ++i) sum += column.common.shape[i] * by[9 + i];
    return sum;
}

// The terms of one source, summed over the orientations.
template <class Pass, class Slopes>
NANOBRAGG_LARGE void term_edges(const Pass& pass, const Row& row, int r, int64_t n, const Slopes& in, TermSlopes& d,
                                Doubles& d_sum) {
    const KernelScene& s = row.s;
    const KernelSource& source = s.sources[n];
    const Ray<Doubles>&ray = row.work.aim[r].ray, &centre = row.work.centre[r].ray;
    const Doubles one = filled<Doubles>(1.0), alive = s.dmin > 0 ? kept(s, ray, source) : one;
    const Doubles captured = s.capture_inside ? row.work.capture[r].value : one;
    const Doubles polar = s.polar == Factor::each     ? polarization(s, ray, source)
                          : s.polar == Factor::centre ? polarization(s, centre, source)
                                                      : one;
    const Doubles omega = s.omega == Factor::each ? solid_angle(s, row.g, ray) : one;
    const Doubles weighted = source.weight * alive, sum = doubles_at(row.work.sum, r);
    Doubles d_polar{}, d_omega{}, d_factor{}, d_q[3];
    clear_numbers<3>(d_q);
    const auto factors = [&] {
        if (s.polar == Factor::each) polarization_edges(pass, s, ray, source, in.sources[n], in.common, d.ray, d_polar);
        if (s.polar == Factor::centre) {
            polarization_edges(pass, s, centre, source, in.sources[n], in.common, d.centre, d_polar);
        }
        if (s.omega == Factor::each) solid_angle_edges(pass, s, row.g, ray, in.panel, d.ray, d_omega);
        if (!row.straight) scattering_edges(pass, source, ray, d.ray, in.sources[n], d_q);
    };
    const auto product = [&] {
        pass(in.sources[n].weight, d_factor, alive * captured * polar * omega);
        if (s.capture_inside) pass(d.capture, d_factor, weighted * polar * omega);
        if (row.polar_inside()) pass(d_polar, d_factor, weighted * captured * omega);
        if (s.omega == Factor::each) pass(d_omega, d_factor, weighted * captured * polar);
    };
    pass.in_order([&] { pass.in_order(factors, product); },
                  [&] {
                      pass(d_factor, d_sum, sum);
                      for (int j = 0; j < 3 && !row.straight; ++j) {
                          pass.swept(d_q[j], d_sum, doubles_at(row.work.factor, r), doubles_at(row.work.by_q[j], r));
                      }
                  });
}

// Factors at a pixel's centre, of what is added once per pixel: values, and what belongs to them.
struct Central {
    Doubles omega, polar, capture;
};

NANOBRAGG_SHARED Central central_of(const Row& row, int r) {
    const KernelScene& s = row.s;
    const Ray<Doubles>& ray = row.work.centre[r].ray;
    const Doubles one = filled<Doubles>(1.0);
    Central out{one, one, one};
    if (row.knows_centre()) {
        out.omega = doubles_at(row.work.omega, r);
        out.polar = s.sources[0].weight / s.weight_sum * doubles_at(row.work.polar, r);
    } else {
        out.omega = solid_angle(s, row.g, ray);
        if (s.polar != Factor::off) {
            out.polar = Doubles{};
            for (int64_t n = 0; n < s.source_count; ++n) {
                out.polar += s.sources[n].weight / s.weight_sum * polarization(s, ray, s.sources[n]);
            }
        }
    }
    if (s.capture != Factor::off) out.capture = absorbed(row.g, ray.along(row.g.normal), 0.0, row.g.sensor_depth);
    return out;
}

template <class Pass, class Slopes>
NANOBRAGG_LARGE void central_edges(const Pass& pass, const Row& row, int r, const Central& value, const Slopes& in,
                                   TermSlopes* shared, Central& d) {
    const KernelScene& s = row.s;
    const Aim<Doubles>& aim = row.work.centre[r];
    Doubles d_front{};
    with_ray(pass, row, aim, in, shared == nullptr ? nullptr : &shared->centre, [&](RaySlopes<Doubles>& d_ray) {
        solid_angle_edges(pass, s, row.g, aim.ray, in.panel, d_ray, d.omega);
        for (int64_t n = 0; n < s.source_count && s.polar != Factor::off; ++n) {
            const KernelSource& source = s.sources[n];
            Doubles d_polar{};
            pass.in_order(
                [&] { polarization_edges(pass, s, aim.ray, source, in.sources[n], in.common, d_ray, d_polar); },
                [&] {
                    pass(d_polar, d.polar, filled<Doubles>(source.weight / s.weight_sum));
                    pass(in.sources[n].weight, d.polar,
                         (polarization(s, aim.ray, source) - value.polar) / s.weight_sum);
                });
        }
        if (s.capture != Factor::off) {
            absorbed_edges(pass, row.g, aim.ray, 0.0, row.g.sensor_depth, in.panel, d_front, in.panel.sensor_depth,
                           d_ray, d.capture);
        }
    });
}

// Factors that left the sum. `shared`: what belongs to the rays of the only subpixel; null: there are several.
template <class Pass, class Slopes>
NANOBRAGG_LARGE void outer_edges(const Pass& pass, const Row& row, int r, const Slopes& in, TermSlopes* shared,
                                 Doubles& d_capture, Doubles& d_omega, Doubles& d_polar) {
    const KernelScene& s = row.s;
    if (row.outer_capture()) capture_edges(pass, row, row.work.capture[r], 0, in, d_capture);
    if (row.outer_omega()) {
        RaySlopes<Doubles>* ray = shared == nullptr          ? nullptr
                                  : s.omega == Factor::first ? &shared->ray
                                                             : &shared->centre;
        row.with_outer_aim(r, [&](const Aim<Doubles>& aim) {
            with_ray(pass, row, aim, in, ray, [&](RaySlopes<Doubles>& d_ray) {
                solid_angle_edges(pass, s, row.g, aim.ray, in.panel, d_ray, d_omega);
            });
        });
    }
    if (s.polar != Factor::first) return;
    const auto decided = [&](const Aim<Doubles>& aim, int64_t n, Doubles where) {
        RaySlopes<Doubles>* ray = shared == nullptr ? nullptr : &shared->ray;
        with_ray(pass, row, aim, in, ray, [&](RaySlopes<Doubles>& d_ray) {
            Doubles d_own{};
            pass.in_order(
                [&] { polarization_edges(pass, s, aim.ray, s.sources[n], in.sources[n], in.common, d_ray, d_own); },
                [&] { pass(d_own, d_polar, where); });
        });
    };
    if (row.single && s.source_count == 1 && !(s.dmin > 0)) {  // there is no other
        const Doubles one = filled<Doubles>(1.0);
        decided(row.work.aim[r], 0, doubles_at(row.work.polar, r) != 0 ? one : Doubles{});
    } else {
        row.first_polarization_at(r, decided);
    }
}

// What a pixel's value is made of, but its sum of terms (finish_pixels).
struct PixelFactors {
    Central central, inside;  // of what is added once per pixel; those of them that are inside the sum
    Doubles outer, dark;      // what multiplies the sum, and what is added to it
};

// `glowing`: whether those of the background are wanted even where it is 0.
NANOBRAGG_FN PixelFactors pixel_factors(const Row& row, int r, bool glowing) {
    const KernelScene& s = row.s;
    const Doubles one = filled<Doubles>(1.0);
    PixelFactors out{
        {one, one, one}, {one, one, one}, doubles_at(row.work.omega, r) * doubles_at(row.work.polar, r), {}};
    if (row.outer_capture()) out.outer *= row.work.capture[r].value;
    if (!row.lit() && !glowing) return out;
    out.central = central_of(row, r);
    if (s.omega == Factor::each) out.inside.omega = out.central.omega;
    if (row.polar_inside()) out.inside.polar = out.central.polar;
    if (s.capture_inside) out.inside.capture = out.central.capture;
    out.dark = s.background_sum * (out.inside.omega * out.inside.polar * out.inside.capture);
    return out;
}

// Photons.
NANOBRAGG_FN Doubles pixel_value(const Row& row, int r, const PixelFactors& f) {
    const KernelScene& s = row.s;
    const Doubles value = row.scale * ((row.task.unit * doubles_at(row.work.total, r) + f.dark) * f.outer);
    return s.background == 0 ? value : value + s.background * (f.central.omega * f.central.polar * f.central.capture);
}

// `moving`: whether anything moves that the factors depend on.
template <class Pass, class Slopes>
NANOBRAGG_LARGE void pixel_edges(const Pass& pass, const Row& row, int r, const PixelFactors& f, const Slopes& in,
                                 TermSlopes* shared, bool moving, Doubles& d_total, Doubles& d_value) {
    const KernelScene& s = row.s;
    const Doubles one = filled<Doubles>(1.0), total = doubles_at(row.work.total, r);
    const Doubles capture = row.outer_capture() ? row.work.capture[r].value : one;
    const Doubles omega = doubles_at(row.work.omega, r), polar = doubles_at(row.work.polar, r);
    const Central &central = f.central, &inside = f.inside;
    Central d_central{};
    const double scale = row.scale, dark = s.background_sum, once = s.background;
    const Doubles terms = row.task.unit * total + f.dark, outer = f.outer;
    Doubles d_terms{}, d_capture{}, d_omega{}, d_polar{};
    const auto factors = [&] {
        if (!moving) return;
        outer_edges(pass, row, r, in, shared, d_capture, d_omega, d_polar);
        if (row.lit()) central_edges(pass, row, r, central, in, shared, d_central);
    };
    const auto sum = [&] {
        pass(d_total, d_terms, filled<Doubles>(row.task.unit));
        pass(in.common.unit, d_terms, total);
        pass(in.common.background_sum, d_terms, inside.omega * inside.polar * inside.capture);
        if (s.omega == Factor::each) pass(d_central.omega, d_terms, dark * (inside.polar * inside.capture));
        if (row.polar_inside()) pass(d_central.polar, d_terms, dark * (inside.omega * inside.capture));
        if (s.capture_inside) pass(d_central.capture, d_terms, dark * (inside.omega * inside.polar));
    };
    const auto value = [&] {
        pass(in.common.scale, d_value, terms * outer);
        pass(d_terms, d_value, scale * outer);
        pass(d_capture, d_value, scale * terms * (omega * polar));
        pass(d_omega, d_value, scale * terms * (capture * polar));
        pass(d_polar, d_value, scale * terms * (capture * omega));
        pass(in.common.background, d_value, central.omega * central.polar * central.capture);
        pass(d_central.omega, d_value, once * (central.polar * central.capture));
        pass(d_central.polar, d_value, once * (central.omega * central.capture));
        pass(d_central.capture, d_value, once * (central.omega * central.polar));
    };
    pass.in_order(factors, [&] { pass.in_order(sum, value); });
}
