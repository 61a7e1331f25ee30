// From the numbers of a scene to terms, their sum and a pixel's value, as edges for both passes. A part of slopes.inl.

template <class Pass, class Slopes>
NANOBRAGG_FN void aim_edges(const Pass& pass, const Row& row, const Aim<Doubles>& aim, const Slopes& in,
                            RaySlopes<Doubles>& d_ray) {
    ray_edges(pass, row.s, row.g, aim, in.panel, in.layers, in.common, d_ray);
}

// Fraction absorbed by a layer where a ray decides it.
template <class Pass, class Slopes>
void capture_edges(const Pass& pass, const Row& row, const Capture& capture, int64_t layer, const Slopes& in,
                   Doubles& d_out) {
    const Layer& depths = row.s.layers[layer];
    RaySlopes<Doubles> d_ray{};
    pass.in_order([&] { aim_edges(pass, row, capture.aim, in, d_ray); },
                  [&] {
                      absorbed_edges(pass, row.s, row.g, capture.aim.ray, depths.front, depths.back, in.panel,
                                     in.layers[layer].front, in.layers[layer].back, in.common, d_ray, d_out);
                  });
}

// What all sources of a subpixel have in common.
template <class Pass, class Slopes>
void subpixel_edges(const Pass& pass, const Row& row, int r, const Slopes& in, TermSlopes& d) {
    const Aim<Doubles>& aim = row.work.aim[r];
    aim_edges(pass, row, aim, in, d.ray);
    if (row.s.polar == Factor::centre) aim_edges(pass, row, row.work.centre[r], in, d.centre);
    if (row.s.capture_inside) capture_edges(pass, row, row.work.capture[r], aim.layer, in, d.capture);
}

template <class Pass, class Slopes>
NANOBRAGG_FN void shape_edges(const Pass& pass, const Row& row, int r, const Slopes& in, Doubles& d_sum) {
    for (int i = 0; i < row.parameters; ++i) {
        pass(in.common.shape[i], d_sum, doubles_at(row.factor, r) * doubles_at(row.work.by_shape[i], r));
    }
}

// The terms of one source, summed over the orientations.
template <class Pass, class Slopes>
void term_edges(const Pass& pass, const Row& row, int r, int64_t n, const Slopes& in, TermSlopes& d, Doubles& d_sum) {
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
    Doubles d_polar{}, d_omega{}, d_factor{}, d_q[3] = {};
    const auto factors = [&] {
        if (s.polar == Factor::each) polarization_edges(pass, s, ray, source, in.sources[n], in.common, d.ray, d_polar);
        if (s.polar == Factor::centre) {
            polarization_edges(pass, s, centre, source, in.sources[n], in.common, d.centre, d_polar);
        }
        if (s.omega == Factor::each) solid_angle_edges(pass, s, row.g, ray, in.panel, d.ray, d_omega);
        scattering_edges(pass, source, ray, d.ray, in.sources[n], d_q);
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
                      for (int j = 0; j < 3; ++j) {
                          pass(d_q[j], d_sum, doubles_at(row.factor, r) * doubles_at(row.work.by_q[j], r));
                      }
                      shape_edges(pass, row, r, in, d_sum);
                  });
}

// Factors at a pixel's centre, of what is added once per pixel: values, and what belongs to them.
struct Central {
    Doubles omega, polar, capture;
};

NANOBRAGG_FN Central central_of(const Row& row, int r) {
    const KernelScene& s = row.s;
    const Ray<Doubles>& ray = row.work.centre[r].ray;
    Central out{solid_angle(s, row.g, ray), filled<Doubles>(1.0), filled<Doubles>(1.0)};
    if (s.polar != Factor::off) {
        out.polar = Doubles{};
        for (int64_t n = 0; n < s.source_count; ++n) {
            out.polar += s.sources[n].weight / s.weight_sum * polarization(s, ray, s.sources[n]);
        }
    }
    if (s.capture != Factor::off) out.capture = absorbed(s, ray.along(row.g.normal), 0.0, s.sensor_depth);
    return out;
}

template <class Pass, class Slopes>
void central_edges(const Pass& pass, const Row& row, int r, const Central& value, const Slopes& in, Central& d) {
    const KernelScene& s = row.s;
    const Aim<Doubles>& aim = row.work.centre[r];
    RaySlopes<Doubles> d_ray{};
    Doubles d_front{};
    pass.in_order(
        [&] { aim_edges(pass, row, aim, in, d_ray); },
        [&] {
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
                absorbed_edges(pass, s, row.g, aim.ray, 0.0, s.sensor_depth, in.panel, d_front, in.common.sensor_depth,
                               in.common, d_ray, d.capture);
            }
        });
}

// Factors that left the sum.
template <class Pass, class Slopes>
void outer_edges(const Pass& pass, const Row& row, int r, const Capture& capture, const Slopes& in, Doubles& d_capture,
                 Doubles& d_omega, Doubles& d_polar) {
    if (row.outer_capture()) capture_edges(pass, row, capture, 0, in, d_capture);
    if (row.s.omega != Factor::each) {
        const Aim<Doubles> aim = row.outer_aim(r);
        RaySlopes<Doubles> d_ray{};
        pass.in_order([&] { aim_edges(pass, row, aim, in, d_ray); },
                      [&] { solid_angle_edges(pass, row.s, row.g, aim.ray, in.panel, d_ray, d_omega); });
    }
    if (row.s.polar != Factor::first) return;
    row.first_polarization_at(r, [&](const Aim<Doubles>& aim, int64_t n, Doubles where) {
        RaySlopes<Doubles> d_ray{};
        Doubles d_own{};
        pass.in_order(
            [&] {
                pass.in_order([&] { aim_edges(pass, row, aim, in, d_ray); },
                              [&] {
                                  polarization_edges(pass, row.s, aim.ray, row.s.sources[n], in.sources[n], in.common,
                                                     d_ray, d_own);
                              });
            },
            [&] { pass(d_own, d_polar, where); });
    });
}

// A pixel's value, from its sum of terms (finish_pixels).
template <class Pass, class Slopes>
void pixel_edges(const Pass& pass, const Row& row, int r, const Slopes& in, Doubles& d_total, Doubles& d_value) {
    const KernelScene& s = row.s;
    const Doubles one = filled<Doubles>(1.0), total = doubles_at(row.work.total, r);
    Capture captured{};
    if (row.outer_capture()) captured = row.outer_capture_at(r);
    const Doubles capture = row.outer_capture() ? captured.value : one;
    const Doubles omega = s.omega != Factor::each ? solid_angle(s, row.g, row.outer_aim(r).ray) : one;
    const Doubles polar =
        s.polar == Factor::first ? row.first_polarization_at(r, [](const Aim<Doubles>&, int64_t, Doubles) {}) : one;
    const bool lit = s.background_sum != 0 || s.background != 0;
    const Central central = central_of(row, r);
    Central d_central{}, inside{one, one, one};
    if (s.omega == Factor::each) inside.omega = central.omega;
    if (row.polar_inside()) inside.polar = central.polar;
    if (s.capture_inside) inside.capture = central.capture;
    const double scale = s.scale / s.steps, dark = s.background_sum, once = s.background;
    const Doubles terms = row.task.unit * total + dark * (inside.omega * inside.polar * inside.capture);
    const Doubles outer = capture * omega * polar;
    Doubles d_terms{}, d_capture{}, d_omega{}, d_polar{};
    const auto factors = [&] {
        outer_edges(pass, row, r, captured, in, d_capture, d_omega, d_polar);
        if (lit) central_edges(pass, row, r, central, in, d_central);
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
