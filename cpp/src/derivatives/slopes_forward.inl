// The forward pass: how a piece's pixels change along columns. A part of slopes.inl.

// What a column keeps of a piece.
struct ColumnWork {
    PixelNumbers sum;    // one ray and source, by the orientations' changes
    PixelNumbers total;  // the sum of terms
    bool sums;           // whether orientations or structure factors change
    bool moves_sources;
};
struct MovingWork {  // where it moves scattering vectors or factors
    TermSlopes terms[kRegisters];
};

// Where there are several rays and sources, and all factors but these' weights left the sum: by what it changes with,
// all of them together, which columns are multiplied by in the end.
struct SummedWork {
    PixelNumbers strain[9], shape[kShapeParameters];
    PixelNumbers ray[3];                            // of one subpixel: by its direction
    PixelNumbers place[3], by_fast[3], by_slow[3];  // by places on the panel, and times these in pixels from its corner
};

NANOBRAGG_FN bool can_be_summed(const Row& row) {
    const KernelScene& s = row.s;
    const bool several = s.source_count > 1 || s.oversample > 1;
    return several && s.layer_count == 1 && layer_of(s, row.g, 0).thickness == 0 && s.curved_distance == 0 &&
           row.factors_left();
}

// The columns of one piece.
struct Forwards {
    const ForwardTask& task;
    Row& row;
    ColumnWork* works;
    MovingWork* moving;  // of all columns, too
    SummedWork* summed;  // or null
    bool strained = false, turned = false, geometry = false, glowing = false;

    Forwards(const ForwardTask& given, Row& its, SummedWork& sums)
        : task(given), row(its), summed(can_be_summed(its) ? &sums : nullptr) {
        works = (ColumnWork*)task.scratch;
        moving = (MovingWork*)(works + task.column_count);
        for (int64_t k = 0; k < task.column_count; ++k) {
            const ForwardColumn& column = task.columns[k];
            row.clear(works[k].total);
            row.clear(works[k].sum);
            works[k].sums = column.orientations != nullptr || column.first_orientations != nullptr ||
                            column.f_grid != nullptr || column.default_F != 0;
            works[k].moves_sources = false;
            for (int64_t n = 0; n < row.s.source_count; ++n) works[k].moves_sources |= any_of_source(column.sources[n]);
            strained |= column.strain != nullptr;
            turned |= column.orientations != nullptr || column.first_orientations != nullptr;
            geometry |= column.moves_factors;
            glowing |= column.common.background != 0 || column.common.background_sum != 0;
        }
        row.strained = strained;
        if (summed == nullptr) return;
        for (PixelNumbers& numbers : summed->strain) row.clear(numbers);
        for (PixelNumbers& numbers : summed->shape) row.clear(numbers);
        for (int i = 0; i < 3; ++i) {
            row.clear(summed->place[i]);
            row.clear(summed->by_fast[i]);
            row.clear(summed->by_slow[i]);
        }
    }

    static bool any_of_source(const SourceSlopes<double>& source) {
        bool any = source.weight != 0 || source.inverse_wavelength != 0;
        for (const double x : source.direction) any |= x != 0;
        return any;
    }

    void begin_subpixel() {
        for (int i = 0; i < 3 && summed != nullptr; ++i) row.clear(summed->ray[i]);
        if (summed != nullptr && !row.single) return;
        for (int64_t k = 0; k < task.column_count; ++k) {
            if (!task.columns[k].moves_factors) continue;
            for (int r = 0; r < row.registers; ++r) {
                moving[k].terms[r] = TermSlopes{};
                subpixel_edges(Forward(), row, r, slopes_of(row, task.columns[k]), moving[k].terms[r]);
            }
        }
    }

    // What the sums over the orientations give to a register's columns.
    void contract(int r) {
        Doubles by[9 + kShapeParameters] = {};
        for (int i = 0; i < 9 && strained; ++i) by[i] = doubles_at(row.work.by_strain[i], r);
        for (int i = 0; i < row.parameters; ++i) {
            by[9 + i] = row.shape_unit[i] * doubles_at(row.work.by_shape[i], r);
        }
        for (int64_t k = 0; k < task.column_count; ++k) {
            const ForwardColumn& column = task.columns[k];
            const Doubles sum = doubles_at(works[k].sum, r) + contracted(row, column, by);
            doubles_at(works[k].sum, r) = Doubles{};
            doubles_at(works[k].total, r) += with_factor(doubles_at(row.work.factor, r), sum);
        }
    }

    // What a source gives to the sums, and to the columns that move it.
    void sum_source(int64_t n) {
        const KernelSource& source = row.s.sources[n];
        for (int r = 0; r < row.registers; ++r) {
            const Doubles factor = doubles_at(row.work.factor, r);
            for (int i = 0; i < 9 && strained; ++i) {
                doubles_at(summed->strain[i], r) += factor * doubles_at(row.work.by_strain[i], r);
            }
            for (int i = 0; i < row.parameters; ++i) {
                doubles_at(summed->shape[i], r) += row.shape_unit[i] * factor * doubles_at(row.work.by_shape[i], r);
            }
            for (int i = 0; i < 3 && geometry; ++i) {
                doubles_at(summed->ray[i], r) += source.inverse_wavelength * factor * doubles_at(row.work.by_q[i], r);
            }
        }
        for (int64_t k = 0; k < task.column_count; ++k) {
            ColumnWork& work = works[k];
            for (int r = 0; r < row.registers && work.sums; ++r) {
                doubles_at(work.total, r) += doubles_at(row.work.factor, r) * doubles_at(work.sum, r);
                doubles_at(work.sum, r) = Doubles{};
            }
            for (int r = 0; r < row.registers && work.moves_sources; ++r) {
                doubles_at(work.total, r) += by_source(r, source, task.columns[k].sources[n]);
            }
        }
    }

    Doubles by_source(int r, const KernelSource& source, const SourceSlopes<double>& change) const {
        RaySlopes<Doubles> none{};
        Doubles d_q[3] = {}, out = change.weight * doubles_at(row.work.sum, r);
        scattering_edges(Forward(), source, row.work.aim[r].ray, none, change, d_q);
        for (int i = 0; i < 3; ++i) out += doubles_at(row.work.factor, r) * doubles_at(row.work.by_q[i], r) * d_q[i];
        return out;
    }

    // From the rays of a subpixel to its places on a flat panel: through_edges() by hand, which takes a fifth longer.
    void end_subpixel() {
        for (int r = 0; r < row.registers && summed != nullptr && geometry; ++r) {
            const Aim<Doubles>& aim = row.work.aim[r];
            const Doubles d[3] = {aim.ray.x, aim.ray.y, aim.ray.z};
            Doubles by[3], along{};
            for (int i = 0; i < 3; ++i) along += d[i] * doubles_at(summed->ray[i], r);
            for (int i = 0; i < 3; ++i) by[i] = aim.ray.inverse * (doubles_at(summed->ray[i], r) - d[i] * along);
            for (int i = 0; i < 3; ++i) {
                doubles_at(summed->place[i], r) += by[i];
                doubles_at(summed->by_fast[i], r) += by[i] * aim.own_fast;
                doubles_at(summed->by_slow[i], r) += by[i] * aim.own_slow;
            }
        }
    }

    // What the sums over all rays and sources give to a register's columns.
    void contract_sums(int r) {
        Doubles by[9 + kShapeParameters] = {};
        for (int i = 0; i < 9 && strained; ++i) by[i] = doubles_at(summed->strain[i], r);
        for (int i = 0; i < row.parameters; ++i) by[9 + i] = doubles_at(summed->shape[i], r);
        for (int64_t k = 0; k < task.column_count; ++k) {
            const ForwardColumn& column = task.columns[k];
            Doubles sum = contracted(row, column, by);
            if (column.moves_factors) sum += by_place(r, slopes_of(row, column));
            doubles_at(works[k].total, r) += sum;
        }
    }

    Doubles by_place(int r, const ConstSlopes& change) const {
        const double depth = layer_of(row.s, row.g, 0).depth;
        Doubles out{};
        for (int i = 0; i < 3; ++i) {
            const double moved =
                change.panel.origin[i] + depth * change.panel.normal[i] + change.layers[0].depth * row.g.normal[i];
            out += moved * doubles_at(summed->place[i], r) +
                   (change.panel.step_fast[i] * doubles_at(summed->by_fast[i], r) +
                    change.panel.step_slow[i] * doubles_at(summed->by_slow[i], r));
        }
        return out;
    }

    void add_source(int64_t source) {
        if (summed != nullptr) return sum_source(source);
        for (int r = 0; r < row.registers; ++r) contract(r);
        for (int64_t k = 0; k < task.column_count; ++k) {
            if (!task.columns[k].moves_factors) continue;
            for (int r = 0; r < row.registers; ++r) {
                term_edges(Forward(), row, r, source, slopes_of(row, task.columns[k]), moving[k].terms[r],
                           doubles_at(works[k].total, r));
            }
        }
    }

    void write() {
        PixelFactors factors[kRegisters];
        PixelNumbers values, outer;
        for (int r = 0; r < row.registers && summed != nullptr; ++r) contract_sums(r);
        for (int r = 0; r < row.registers; ++r) {
            factors[r] = pixel_factors(row, r, glowing);
            doubles_at(values, r) = pixel_value(row, r, factors[r]);
            doubles_at(outer, r) = row.outer_factor(r);
        }
        if (task.task.image != nullptr) write_pixels(row, values.of, task.task.image);
        for (int64_t k = 0; k < task.column_count; ++k) {
            const ForwardColumn& column = task.columns[k];
            for (int r = 0; r < row.registers; ++r) {
                Doubles change{};
                if (column.moves_pixels) {
                    pixel_edges(Forward(), row, r, factors[r], slopes_of(row, column),
                                row.single && column.moves_factors ? &moving[k].terms[r] : nullptr,
                                column.moves_factors, doubles_at(works[k].total, r), change);
                } else {
                    change = doubles_at(outer, r) * doubles_at(works[k].total, r);
                }
                doubles_at(values, r) = change;
            }
            write_pixels(row, values.of, task.changes + k * task.stride);
        }
    }
};

void forward(const ForwardTask& task) {
    alignas(kPage) RowWork work;
    Row row(task.task, work);
    begin(row);
    SummedWork sums;
    Forwards columns(task, row, sums);
    row.visit([&] { columns.begin_subpixel(); },
              [&](int64_t source, const double* orientations, bool first) {
                  sweep(row, orientations,
                        ForwardSweep<ColumnWork>{task.columns, task.column_count, columns.works, first,
                                                 columns.strained, columns.turned, columns.geometry});
                  columns.add_source(source);
              },
              [&] { columns.end_subpixel(); });
    columns.write();
}

int64_t forward_scratch(int64_t columns) { return columns * (int64_t)(sizeof(ColumnWork) + sizeof(MovingWork)); }
