// Derivatives of the pixels of a piece of a panel, compiled for each instruction set by the slopes_*.cpp files:
// forward, along some directions in which a scene may change, or backward, to all of its numbers
// (specs/derivatives.md).
#include <math.h>

// clang-format off: in this order
#include "cpu/vectors.hpp"
#include "physics/lattice_slopes.hpp"
#include "physics/lookup_slopes.hpp"
#include "physics/pixel.hpp"
#include "physics/ray_slopes.hpp"
// clang-format on
#include "derivatives/task.hpp"

namespace nanobragg {
namespace NANOBRAGG_KERNEL_NAMESPACE {
namespace {

// Of a row's numbers (slopes_rays.inl): pixels, bytes.
constexpr int kRowPixels = kSlopeChunkCpu, kRowGap = 256, kRowAlignment = 64;
constexpr bool kInStep = false;

// clang-format off: in this order
#include "derivatives/slopes_rays.inl"
#include "derivatives/slopes_registers.inl"
#include "derivatives/slopes_mixed.inl"
#include "derivatives/slopes_terms.inl"
#include "derivatives/slopes_sweep.inl"
#include "derivatives/slopes_pixel.inl"
#include "derivatives/slopes_straight.inl"
// clang-format on

// ---- what is known --------------------------------------------------------------------------------------

// A scene of one source and one subpixel whose factors are those of most: polarization and solid angle, and each once.
bool is_plain(const Row& row) {
    const KernelScene& s = row.s;
    return row.central && s.source_count == 1 && s.polar == Factor::first && s.omega == Factor::first &&
           s.capture == Factor::off && !s.capture_inside && !s.point_pixel && !(s.dmin > 0) && s.curved_distance == 0 &&
           !row.lit();
}

// The scene of a row that has one source and one subpixel, in which compilers see what is known of it.
template <bool plain>
NANOBRAGG_FN KernelScene known_scene(const KernelScene& s) {
    KernelScene out = s;
    out.source_count = out.layer_count = out.oversample = 1;
    if constexpr (plain) {
        out.polar = out.omega = Factor::first;
        out.capture = Factor::off;
        out.capture_inside = out.point_pixel = 0;
        out.dmin = out.curved_distance = out.background_sum = out.background = 0;
    }
    return out;
}

// Rays and factors. (All calls are inlined.)
template <bool plain>
[[gnu::flatten]] void begin_known(Row& given) {
    const KernelScene known = known_scene<plain>(given.s);
    Row row(given, known, plain || given.central);
    row.begin();
}
void begin(Row& row) {
    if (is_plain(row)) return begin_known<true>(row);
    row.begin();
}

#include "derivatives/slopes_forward.inl"

// ---- backward ---------------------------------------------------------------------------------------------

template <class Slopes>
NANOBRAGG_FN void clear_slopes(Slopes& slopes) {
    clear_numbers<(int)(sizeof slopes / sizeof(Doubles))>((Doubles*)&slopes);
}
template <template <class> class Slopes>
NANOBRAGG_FN void join(const Slopes<Doubles>& from, Slopes<Sum>& to) {
    add_sums<(int)(sizeof to / sizeof(Sum))>((const Doubles*)&from, (double*)&to);
}

NANOBRAGG_FN void to_singles(const PixelNumbers& from, int registers, double unit, Numbers<float>& to) {
    for (int r = 0; 2 * r < registers; ++r) {
        register_of(to, r) =
            singles_of(doubles_at(from, 2 * r) * (1.0 / unit), doubles_at(from, 2 * r + 1) * (1.0 / unit));
    }
}

// The terms of one source and q in single precision, the former over the unit that is returned: of weights and photons,
// no float would hold some.
double single_terms(Row& row) {
    RowWork& work = row.work;
    double largest = 0;
    for (int i = 0; i < row.registers * kHalf; ++i) {
        const double size = absolute(work.term.of[i]);
        largest = size > largest ? size : largest;
    }
    if (!(largest > 0)) largest = 1;
    to_singles(work.term, row.registers, largest, work.singles.term);
    for (int j = 0; j < 3; ++j) to_singles(work.q[j], row.registers, row.inverse_wavelength, work.single_q[j]);
    return largest;
}

// The terms of a source: their derivatives by orientations and structure factors, and by the shape's parameters.
// `seeds`: how much the weighted sum depends on the pixels' sums of terms.
// `line`: of the subpixel; `n`: of the source.
void sweep_back(Row& row, BackwardSums& sums, const PixelNumbers& seeds, int64_t line, int64_t n,
                const double* orientations, bool first, Doubles* shapes) {
    RowWork& work = row.work;
    for (int r = 0; r < row.registers; ++r) {
        doubles_at(work.term, r) = doubles_at(seeds, r) * doubles_at(work.factor, r);
    }
    const double unit = row.task.mixed ? single_terms(row) : 1.0;
    Doubles own[kShapeParameters];
    clear_numbers<kShapeParameters>(own);
    sweep(row, orientations,
          BackwardSweep{row.straight ? lanes_of(sums.straight, row.s, line, n) : nullptr,
                        first ? sums.first_orientations : sums.orientations, first ? nullptr : sums.lanes, sums, unit,
                        row.inverse_wavelength, own});
    for (int i = 0; i < row.parameters; ++i) shapes[i] += row.shape_unit[i] * own[i];
}

// What belongs to the numbers of a scene of one source and one layer.
struct OnlySlopes {
    PanelSlopes<Doubles>& panel;
    SourceSlopes<Doubles>* sources;
    LayerSlopes<Doubles>* layers;
    CommonSlopes<Doubles>& common;
};

// All that pixels depend on but the orientations and the shape, where there is one subpixel and one source: in two
// loops, each of which keeps most of its sums in registers. (Hence all calls are inlined.)
template <bool plain>
[[gnu::flatten]] void edges_of_only(const Row& given, BackwardSums& sums, const PixelNumbers& weights,
                                    const PixelNumbers& seeds) {
    const KernelScene known = known_scene<plain>(given.s);
    const Row row(given, known, plain || given.central);
    PanelSlopes<Doubles> panel;
    SourceSlopes<Doubles> source;
    LayerSlopes<Doubles> layer;
    CommonSlopes<Doubles> common;
    RaySlopes<Doubles> rays[kRegisters], centres[kRegisters];
    Doubles captures[kRegisters];
    clear_slopes(panel);
    clear_slopes(source);
    clear_slopes(layer);
    clear_slopes(common);
    const OnlySlopes in{panel, &source, &layer, common};
    for (int r = 0; r < row.registers; ++r) {
        TermSlopes own;
        clear_slopes(own);
        Doubles sum{}, seed = doubles_at(seeds, r), weight = doubles_at(weights, r);
        term_edges(Backward(), row, r, 0, in, own, seed);
        pixel_edges(Backward(), row, r, pixel_factors(row, r, true), in, &own, true, sum, weight);
        rays[r] = own.ray;
        if (row.uses_centre()) centres[r] = own.centre;
        if (known.capture_inside) captures[r] = own.capture;
    }
    for (int r = 0; r < row.registers; ++r) {
        TermSlopes own;
        clear_slopes(own);
        own.ray = rays[r];
        if (row.uses_centre()) own.centre = centres[r];
        if (known.capture_inside) own.capture = captures[r];
        subpixel_edges(Backward(), row, r, in, own);
    }
    join(panel, sums.panels[row.task.panel_number]);
    join(source, sums.sources[0]);
    join(layer, sums.layers[row.g.first_layer]);
    join(common, sums.common);
}

// What belongs to a source's weight, where all other factors left the sum of terms.
void add_weight(const Row& row, const PixelNumbers& seeds, SourceSlopes<Sum>& source) {
    Doubles sum{};
    for (int r = 0; r < row.registers; ++r) sum += doubles_at(seeds, r) * doubles_at(row.work.sum, r);
    source.weight += sum;
}

// What belongs to the scattering vectors of terms by one source: of the source, and of the rays.
void add_scattering(const Row& row, const KernelSource& source, SourceSlopes<Sum>& own, PixelNumbers ray[3]) {
    SourceSlopes<Doubles> d_source;
    clear_slopes(d_source);
    for (int r = 0; r < row.registers; ++r) {
        RaySlopes<Doubles> d_ray;
        clear_slopes(d_ray);
        Doubles d_q[3];
        for (int i = 0; i < 3; ++i) d_q[i] = doubles_at(row.work.by_q[i], r);
        scattering_edges(Backward(), source, row.work.aim[r].ray, d_ray, d_source, d_q);
        for (int i = 0; i < 3; ++i) doubles_at(ray[i], r) += d_ray.direction[i];
    }
    join(d_source, own);
}

// What belongs to the rays of a subpixel on a flat panel. (All calls are inlined.)
[[gnu::flatten]] void add_rays(const Row& given, const PixelNumbers ray[3], BackwardSums& sums) {
    KernelScene known = given.s;
    known.curved_distance = 0;
    const Row row(given, known, given.central);
    PanelSlopes<Doubles> panel;
    LayerSlopes<Doubles> layer;
    CommonSlopes<Doubles> common;
    clear_slopes(panel);
    clear_slopes(layer);
    const OnlySlopes in{panel, nullptr, &layer, common};
    for (int r = 0; r < row.registers; ++r) {
        RaySlopes<Doubles> d_ray;
        clear_slopes(d_ray);
        for (int i = 0; i < 3; ++i) d_ray.direction[i] = doubles_at(ray[i], r);
        aim_edges(Backward(), row, row.work.aim[r], in, d_ray);
    }
    join(panel, sums.panels[row.task.panel_number]);
    join(layer, sums.layers[row.g.first_layer]);
}

// The same in general. `shapes`: what belongs to the shape's parameters.
void visit_back(Row& row, BackwardSums& sums, PixelNumbers& weights, PixelNumbers& seeds, Doubles* shapes) {
    PanelSlopes<Doubles> panel{};
    CommonSlopes<Doubles> common{};
    Held<SourceSlopes> sources(sums.sources);
    Held<LayerSlopes> layers(sums.layers + row.g.first_layer);
    const OwnSlopes in{panel, sources, layers, common};
    TermSlopes terms[kRegisters];
    const bool summed = can_be_summed(row) || (row.straight && row.factors_left());
    PixelNumbers ray[3];
    int64_t line = -1;
    const auto end_subpixel = [&] {
        for (int r = 0; r < row.registers; ++r) subpixel_edges(Backward(), row, r, in, terms[r]);
    };
    row.visit(
        [&] {
            if (row.straight) find_basis(row, sums.straight.lines[++line]);
            for (int i = 0; i < 3 && summed && !row.straight; ++i) row.clear(ray[i]);
            for (int r = 0; r < row.registers && (row.single || !summed); ++r) clear_numbers<9>((Doubles*)&terms[r]);
        },
        [&](int64_t source, const double* orientations, bool first) {
            sweep_back(row, sums, seeds, line, source, orientations, first, shapes);
            if (summed && !row.straight) add_scattering(row, row.s.sources[source], sums.sources[source], ray);
            if (summed) return add_weight(row, seeds, sums.sources[source]);
            for (int r = 0; r < row.registers; ++r) {
                term_edges(Backward(), row, r, source, in, terms[r], doubles_at(seeds, r));
            }
        },
        [&] {
            if (summed && !row.straight) add_rays(row, ray, sums);
            if (!row.single && !summed) end_subpixel();
        });
    for (int r = 0; r < row.registers; ++r) {
        Doubles sum{};
        pixel_edges(Backward(), row, r, pixel_factors(row, r, true), in, row.single ? &terms[r] : nullptr, true, sum,
                    doubles_at(weights, r));
    }
    if (row.single) end_subpixel();
    sources.join();
    layers.join();
    join(panel, sums.panels[row.task.panel_number]);
    join(common, sums.common);
}

void backward(const BackwardTask& task) {
    BackwardSums& sums = *task.sums;
    alignas(kPage) RowWork work;
    Row row(task.task, work);
    row.shaped = false;
    begin(row);
    row.straight = go_straight(row, sums);
    PixelNumbers weights, seeds;
    Doubles shapes[kShapeParameters];
    clear_numbers<kShapeParameters>(shapes);
    read_pixels(row, task.weights, weights.of);
    for (int r = 0; r < row.registers; ++r) doubles_at(seeds, r) = doubles_at(weights, r) * row.outer_factor(r);
    if (row.single && row.s.source_count == 1) {
        if (row.straight) find_basis(row, sums.straight.lines[0]);
        row.visit([] {},
                  [&](int64_t, const double* orientations, bool first) {
                      sweep_back(row, sums, seeds, 0, 0, orientations, first, shapes);
                  },
                  [] {});
        if (is_plain(row)) {
            edges_of_only<true>(row, sums, weights, seeds);
        } else {
            edges_of_only<false>(row, sums, weights, seeds);
        }
    } else {
        visit_back(row, sums, weights, seeds, shapes);
    }
    for (int i = 0; i < row.parameters; ++i) sums.common.shape[i] += shapes[i];
    if (task.task.image == nullptr) return;
    PixelNumbers values;
    for (int r = 0; r < row.registers; ++r) {
        doubles_at(values, r) = pixel_value(row, r, pixel_factors(row, r, true));
    }
    write_pixels(row, values.of, task.task.image);
}

}  // namespace

#define NANOBRAGG_QUOTE(name) #name
#define NANOBRAGG_NAME(name) NANOBRAGG_QUOTE(name)
extern const SlopeTable kSlopeTable;
const SlopeTable kSlopeTable = {NANOBRAGG_NAME(NANOBRAGG_KERNEL_NAMESPACE), forward, backward, finish, forward_scratch};

}  // namespace NANOBRAGG_KERNEL_NAMESPACE
}  // namespace nanobragg
