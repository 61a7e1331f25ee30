// What depends on scattering vectors, summed along one row of a flat panel instead of pixel by pixel
// (specs/derivatives.md, "By structure"). A part of slopes.inl, for the CPU alone.

// Whether all runs of a piece are in one row.
bool in_one_row(const SlopeTask& task) {
    bool same = true;
    for (int i = 1; i < task.run_count; ++i) same &= task.runs[i].slow == task.runs[0].slow;
    return same;
}

NANOBRAGG_FN double dot_of(const double a[3], const double b[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// The line of a row's places at a subpixel; whether it is one, and keeps away from the sample.
bool find_line(const Row& row, const Subpixel& sub, StraightLine& out) {
    const Aim<Doubles> aim = row.aim_at(0, sub, false);
    if (aim.sunk) return false;
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
    out.depth = aim.depth[0];
    return out.pixel > 0 && out.distance > 1e-6 * __builtin_fabs(way);
}

// Adds the sums of one orientation, and leaves none.
template <int count>
void take_lanes(double* lanes, double out[count]) {
    Doubles sums[count];
    for (int i = 0; i < count; ++i) {
        sums[i] = *(Doubles*)(lanes + i * kSumLanes);
        *(Doubles*)(lanes + i * kSumLanes) = Doubles{};
    }
    add_sums<count>(sums, out);
}

// Of a line and a source: sums of the derivative by q times each of the basis.
struct LineSums {
    double by_q[5][3];
};

// Where the sums of an orientation are, those of the first one for each line and source.
NANOBRAGG_FN double* lanes_of(const StraightRow& row, const KernelScene& s, int64_t line, int64_t source) {
    return row.lanes + (line * s.source_count + source) * s.orientation_count * kMoments * kSumLanes;
}

// Gives orientations what a line's sums by one source are to them.
LineSums orientation_sums(const StraightRow& row, int64_t number, int64_t n, BackwardSums& sums) {
    const KernelScene& s = *row.scene;
    const KernelSource& source = s.sources[n];
    const StraightLine& line = row.lines[number];
    LineSums out{};
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        double moments[kMoments] = {};
        take_lanes<kMoments>(lanes_of(row, s, number, n) + m * kMoments * kSumLanes, moments);
        for (double& moment : moments) moment *= row.unit;
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
void place_sums(const StraightLine& line, const KernelSource& source, const double by_q[3][3], double out[3]) {
    const double *a = line.foot, *e = line.along;
    const double n[3] = {a[1] * e[2] - a[2] * e[1], a[2] * e[0] - a[0] * e[2], a[0] * e[1] - a[1] * e[0]};
    const double by_a = dot_of(a, by_q[2]) - dot_of(e, by_q[1]), by_e = dot_of(e, by_q[0]) - dot_of(a, by_q[1]);
    const double by_n = dot_of(n, by_q[0]) + dot_of(n, by_q[2]);
    const double unit = source.inverse_wavelength / line.distance;
    for (int i = 0; i < 3; ++i) out[i] = unit * (by_a * a[i] + by_e * e[i] + by_n * n[i]);
}

// What a line's sums by one source are to the numbers of the scene.
void finish_line(const StraightRow& row, int64_t number, int64_t n, BackwardSums& sums) {
    const LineSums found = orientation_sums(row, number, n, sums);
    const StraightLine& line = row.lines[number];
    const KernelSource& source = row.scene->sources[n];
    double places[3], moved[3];  // the latter times the way along the row from the foot, in distances
    place_sums(line, source, found.by_q, places);
    place_sums(line, source, found.by_q + 1, moved);
    PanelSlopes<Sum>& panel = sums.panels[row.panel_number];
    SourceSlopes<Sum>& own = sums.sources[n];
    for (int i = 0; i < 3; ++i) {
        panel.origin[i].value += places[i];
        panel.step_fast[i].value += line.foot_fast * places[i] + line.distance / line.pixel * moved[i];
        panel.step_slow[i].value += line.own_slow * places[i];
        panel.normal[i].value += line.depth * places[i];
        own.direction[i].value -= source.inverse_wavelength * found.by_q[4][i];
        own.inverse_wavelength.value += (found.by_q[0][i] + found.by_q[2][i]) * line.foot[i] +
                                        (found.by_q[1][i] + found.by_q[3][i]) * line.along[i] -
                                        found.by_q[4][i] * source.direction[i];
    }
    const int64_t layer = number / (row.scene->oversample * row.scene->oversample);
    sums.layers[row.panel->first_layer + layer].depth.value += dot_of(places, row.panel->normal);
}

int64_t line_count(const KernelScene& s) { return s.layer_count * s.oversample * s.oversample; }

// What the row's sums are to the numbers of the scene.
void finish_row(BackwardSums& sums) {
    StraightRow& row = sums.straight;
    if (row.scene == nullptr) return;
    for (int64_t line = 0; line < line_count(*row.scene); ++line) {
        for (int64_t n = 0; n < row.scene->source_count; ++n) finish_line(row, line, n, sums);
    }
    row.scene = nullptr;
}

// All that is kept as registers have it joins the sums.
void finish(BackwardSums& sums, int64_t orientations) {
    finish_row(sums);
    for (int64_t m = 0; m < orientations && sums.lanes != nullptr; ++m) {
        take_lanes<9>(sums.lanes + 9 * m * kSumLanes, sums.orientations + 9 * m);
    }
}

// Has a piece summed along its row, if it is in one, whose places are straight lines; whether it is.
bool go_straight(const Row& row, BackwardSums& sums) {
    StraightRow& now = sums.straight;
    const SlopeTask& task = row.task;
    const KernelScene& s = row.s;
    const bool straight = now.lanes != nullptr && !task.mixed && task.first == nullptr && s.curved_distance == 0;
    if (!straight || !in_one_row(task)) return false;
    if (now.scene != nullptr && now.panel == task.panel && now.slow == task.runs[0].slow) return true;
    finish_row(sums);
    const int64_t square = s.oversample * s.oversample;
    for (int64_t i = 0; i < line_count(s); ++i) {
        if (!find_line(row, subpixel_of(s, i / square, i % square), now.lines[i])) return false;
    }
    now.scene = task.scene;
    now.panel = task.panel;
    now.panel_number = task.panel_number;
    now.slow = task.runs[0].slow;
    return true;
}

// What sums along a line are made with.
void find_basis(Row& row, const StraightLine& line) {
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
}
