// What depends on scattering vectors, summed along one row of a flat panel instead of pixel by pixel
// (specs/derivatives.md, "By structure"). A part of slopes.inl, for the CPU alone.

// Whether all runs of a piece are in one row.
bool in_one_row(const SlopeTask& task) {
    bool same = true;
    for (int i = 1; i < task.run_count; ++i) same &= task.runs[i].slow == task.runs[0].slow;
    return same;
}

NANOBRAGG_FN double dot_of(const double a[3], const double b[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// The line of a row's pixels; whether it is one that keeps away from the sample.
bool find_line(const Row& row, StraightRow& out) {
    const Aim<Doubles>& aim = row.work.aim[0];
    const double inverse = aim.ray.inverse[0];
    double at[3] = {aim.ray.x[0] / inverse, aim.ray.y[0] / inverse, aim.ray.z[0] / inverse};
    for (int i = 0; i < 3; ++i) out.along[i] = row.g.pixel_fast * row.g.fast[i];
    out.pixel = __builtin_sqrt(dot_of(out.along, out.along));
    for (double& x : out.along) x /= out.pixel;
    const double way = dot_of(at, out.along);
    for (int i = 0; i < 3; ++i) at[i] -= way * out.along[i];
    out.distance = __builtin_sqrt(dot_of(at, at));
    for (int i = 0; i < 3; ++i) out.foot[i] = at[i] / out.distance;
    out.foot_fast = aim.own_fast[0] - way / out.pixel;
    out.own_slow = aim.own_slow[0];
    out.scene = row.task.scene;
    out.panel = row.task.panel;
    out.panel_number = row.task.panel_number;
    return out.pixel > 0 && out.distance > 1e-6 * __builtin_fabs(way);
}

// The sums of one orientation, kMoments numbers, and none again.
void take_lanes(double* lanes, double unit, double out[kMoments]) {
    Doubles sums[kMoments];
    for (int i = 0; i < kMoments; ++i) {
        sums[i] = *(Doubles*)(lanes + i * kSumLanes);
        *(Doubles*)(lanes + i * kSumLanes) = Doubles{};
        out[i] = 0;
    }
    add_sums<kMoments>(sums, out);
    for (int i = 0; i < kMoments; ++i) out[i] *= unit;
}

// Of a row: sums of the derivative by q times each of the basis.
struct RowSums {
    double by_q[5][3];
};

// Gives orientations what a row's sums are to them.
RowSums orientation_sums(const StraightRow& line, BackwardSums& sums) {
    const KernelScene& s = *line.scene;
    const KernelSource& source = s.sources[0];
    RowSums out{};
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        double moments[kMoments];
        take_lanes(line.lanes + m * kMoments * kSumLanes, line.unit, moments);
        for (int i = 0; i < 3; ++i) {
            const double* of = moments + 5 * i;
            for (int j = 0; j < 3; ++j) {
                sums.orientations[9 * m + 3 * i + j] +=
                    source.inverse_wavelength *
                    ((of[0] + of[2]) * line.foot[j] + (of[1] + of[3]) * line.along[j] - of[4] * source.direction[j]);
                for (int k = 0; k < 5; ++k) out.by_q[k][j] += o[3 * i + j] * of[k];
            }
        }
    }
    return out;
}

// Sums of the derivative by pixels' places, from those with three neighbours of the basis.
void place_sums(const StraightRow& line, const double by_q[3][3], double out[3]) {
    const double *a = line.foot, *e = line.along;
    const double n[3] = {a[1] * e[2] - a[2] * e[1], a[2] * e[0] - a[0] * e[2], a[0] * e[1] - a[1] * e[0]};
    const double by_a = dot_of(a, by_q[2]) - dot_of(e, by_q[1]), by_e = dot_of(e, by_q[0]) - dot_of(a, by_q[1]);
    const double by_n = dot_of(n, by_q[0]) + dot_of(n, by_q[2]);
    const double unit = line.scene->sources[0].inverse_wavelength / line.distance;
    for (int i = 0; i < 3; ++i) out[i] = unit * (by_a * a[i] + by_e * e[i] + by_n * n[i]);
}

// What the row's sums are to the numbers of the scene.
void finish(BackwardSums& sums) {
    StraightRow& line = sums.straight;
    if (line.scene == nullptr) return;
    const RowSums row = orientation_sums(line, sums);
    const KernelSource& source = line.scene->sources[0];
    double places[3], moved[3];  // the latter times the way along the row from the foot, in distances
    place_sums(line, row.by_q, places);
    place_sums(line, row.by_q + 1, moved);
    PanelSlopes<Sum>& panel = sums.panels[line.panel_number];
    for (int i = 0; i < 3; ++i) {
        panel.origin[i].value += places[i];
        panel.step_fast[i].value += line.foot_fast * places[i] + line.distance / line.pixel * moved[i];
        panel.step_slow[i].value += line.own_slow * places[i];
        sums.sources[0].direction[i].value -= source.inverse_wavelength * row.by_q[4][i];
        sums.sources[0].inverse_wavelength.value += (row.by_q[0][i] + row.by_q[2][i]) * line.foot[i] +
                                                    (row.by_q[1][i] + row.by_q[3][i]) * line.along[i] -
                                                    row.by_q[4][i] * source.direction[i];
    }
    sums.layers[line.panel->first_layer].depth.value += dot_of(places, line.panel->normal);
    line.scene = nullptr;
}

// Has a plain scene's piece summed along its row, if it is in one; whether it is.
bool go_straight(Row& row, BackwardSums& sums) {
    StraightRow& line = sums.straight;
    if (line.lanes == nullptr || row.task.mixed || row.task.first != nullptr || !in_one_row(row.task)) return false;
    if (line.scene == nullptr || line.panel != row.task.panel || line.own_slow != row.work.aim[0].own_slow[0]) {
        finish(sums);
        StraightRow found = line;
        if (!find_line(row, found)) return false;
        line = found;
    }
    const double step = line.pixel / line.distance;
    for (int r = 0; r < row.registers; ++r) {
        const Aim<Doubles>& aim = row.work.aim[r];
        const Doubles way = step * (aim.own_fast - line.foot_fast), near = line.distance * aim.ray.inverse;
        Doubles power = near * near * near;
        for (PixelNumbers& numbers : row.work.basis) {
            doubles_at(numbers, r) = power;
            power *= way;
        }
    }
    return true;
}
