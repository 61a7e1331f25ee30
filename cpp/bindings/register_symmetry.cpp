// Reflections and atoms under symmetry.
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <memory>
#include <optional>
#include <vector>

#include "nanobragg/symmetry.hpp"
#include "nanobragg/waves.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace nanobragg {
namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Grid = py::array_t<double, py::array::c_style>;

template <typename T>
void expect(const py::array_t<T>& array, const char* name, std::initializer_list<py::ssize_t> shape) {
    bool same = array.ndim() == static_cast<py::ssize_t>(shape.size());
    py::ssize_t axis = 0;
    for (const py::ssize_t length : shape) {
        same = same && (length < 0 || array.shape(axis) == length);
        ++axis;
    }
    if (!same) throw py::value_error(std::string(name) + ": an array of another shape was expected");
}

SpaceGroup group_of(const Array<std::int32_t>& rotations, const Array<double>& translations) {
    expect<std::int32_t>(rotations, "rotations", {-1, 3, 3});
    expect<double>(translations, "translations", {rotations.shape(0), 3});
    SpaceGroup group(static_cast<std::size_t>(rotations.shape(0)));
    for (std::size_t i = 0; i < group.size(); ++i) {
        std::copy_n(rotations.data() + 9 * i, 9, group[i].rotation.begin());
        std::copy_n(translations.data() + 3 * i, 3, group[i].translation.begin());
    }
    return group;
}

Ball ball_of(const Array<double>& metric, double largest, const std::array<std::int64_t, 3>& bounds) {
    expect<double>(metric, "metric", {3, 3});
    Ball ball;
    std::copy_n(metric.data(), 9, ball.metric.begin());
    ball.largest = largest;
    ball.bounds = bounds;
    for (const std::int64_t bound : bounds) {
        if (bound < 0 || bound > (1 << 30)) throw py::value_error("bounds: whole numbers from 0 to 2^30 expected");
    }
    return ball;
}

py::array_t<std::int32_t> unique(const Array<std::int32_t>& rotations, const Array<double>& translations,
                                 const Array<double>& metric, double largest,
                                 const std::array<std::int64_t, 3>& bounds) {
    const SpaceGroup group = group_of(rotations, translations);
    const Ball ball = ball_of(metric, largest, bounds);
    auto found = std::make_unique<std::vector<std::int32_t>>();
    {
        py::gil_scoped_release release;
        *found = unique_reflections(group, ball);
    }
    const auto rows = static_cast<py::ssize_t>(found->size() / 3);
    const std::int32_t* data = found->data();
    py::capsule owner(found.release(), [](void* memory) { delete static_cast<std::vector<std::int32_t>*>(memory); });
    return py::array_t<std::int32_t>({rows, py::ssize_t{3}}, data, owner);
}

void spread_symmetric(const Array<std::int32_t>& rotations, const Array<double>& translations,
                      const Array<std::int32_t>& hkl, const Array<double>& plus, const Array<double>& minus,
                      const std::array<std::int64_t, 3>& minimum, Grid grid) {
    const SpaceGroup group = group_of(rotations, translations);
    expect<std::int32_t>(hkl, "hkl", {-1, 3});
    expect<double>(plus, "plus", {hkl.shape(0)});
    expect<double>(minus, "minus", {hkl.shape(0)});
    expect<double>(grid, "grid", {-1, -1, -1});
    std::array<std::size_t, 3> shape;
    for (std::size_t axis = 0; axis < 3; ++axis) shape[axis] = static_cast<std::size_t>(grid.shape(axis));
    double* values = grid.mutable_data();
    const py::gil_scoped_release release;
    spread_reflections(group, static_cast<std::size_t>(hkl.shape(0)), hkl.data(), plus.data(), minus.data(), minimum,
                       shape, values);
}

py::tuple complete(const Array<std::int32_t>& rotations, const Array<double>& translations, const Array<double>& metric,
                   double largest, const std::array<std::int64_t, 3>& bounds, double default_F, Grid grid) {
    const SpaceGroup group = group_of(rotations, translations);
    const Ball ball = ball_of(metric, largest, bounds);
    expect<double>(grid, "grid", {2 * bounds[0] + 1, 2 * bounds[1] + 1, 2 * bounds[2] + 1});
    double* values = grid.mutable_data();
    Completeness found;
    {
        const py::gil_scoped_release release;
        found = complete_grid(group, ball, default_F, values);
    }
    return py::make_tuple(found.expected, found.missing, found.present_absences);
}

py::array_t<double> grid_of(const std::array<std::size_t, 3>& shape) {
    py::array_t<double> grid(shape);
    double* values = grid.mutable_data();
    const py::gil_scoped_release release;
    clear_grid(shape, values);
    return grid;
}

using Waves = py::array_t<std::complex<float>, py::array::c_style>;

void sum_symmetric(const Array<std::int32_t>& rotations, const Array<double>& translations, const Waves& waves,
                   const Array<std::int32_t>& hkl, const Array<double>& metric, double largest, double scale,
                   double blur, Waves sums) {
    const SpaceGroup group = group_of(rotations, translations);
    const Ball ball = ball_of(metric, largest, {});
    expect<std::complex<float>>(waves, "waves", {-1, -1, -1});
    expect<std::int32_t>(hkl, "hkl", {-1, 3});
    expect<std::complex<float>>(sums, "sums", {hkl.shape(0)});
    Transform transform;
    transform.waves = waves.data();
    for (std::size_t axis = 0; axis < 3; ++axis) transform.shape[axis] = static_cast<std::size_t>(waves.shape(axis));
    transform.scale = scale;
    transform.blur = blur;
    std::complex<float>* values = sums.mutable_data();
    const py::gil_scoped_release release;
    sum_over_symmetry(group, transform, ball, static_cast<std::size_t>(hkl.shape(0)), hkl.data(), values);
}

void put(const Waves& planes, std::size_t first, Waves columns) {
    expect<std::complex<float>>(planes, "planes", {-1, -1, columns.shape(0)});
    expect<std::complex<float>>(columns, "columns", {-1, -1, -1});
    const auto count = static_cast<std::size_t>(planes.shape(0));
    TransformColumns to;
    to.values = columns.mutable_data();
    for (std::size_t axis = 0; axis < 3; ++axis) to.shape[axis] = static_cast<std::size_t>(columns.shape(axis));
    if (planes.shape(1) < columns.shape(1) || columns.shape(1) % 2 == 0 || first + count > to.shape[2]) {
        throw py::value_error("planes: as many rows and planes as the columns have place for were expected");
    }
    const py::gil_scoped_release release;
    put_planes(planes.data(), count, static_cast<std::size_t>(planes.shape(1)), first, to);
}

template <typename Real>
py::tuple mates(const py::array_t<std::complex<Real>, py::array::c_style>& f,
                const std::optional<py::array_t<std::complex<Real>, py::array::c_style>>& absorbing) {
    expect<std::complex<Real>>(f, "f", {-1});
    if (absorbing) expect<std::complex<Real>>(*absorbing, "absorbing", {f.shape(0)});
    py::array_t<double> plus(f.shape(0)), minus(f.shape(0));
    double* const of_plus = plus.mutable_data();
    double* const of_minus = minus.mutable_data();
    const std::complex<Real>* const other = absorbing ? absorbing->data() : nullptr;
    {
        const py::gil_scoped_release release;
        amplitudes_of_mates(f.data(), other, static_cast<std::size_t>(f.shape(0)), of_plus, of_minus);
    }
    return py::make_tuple(plus, minus);
}

/// coefficients: (E, 11) a1..a4, b1..b4, c, f', f''; groups: (G, 3) element, first atom, end; b_factors: (G,), NaN for
/// atoms with tensors; atoms: (A, 4); tensors: (A, 6).
AtomicModel model_of(const Array<double>& coefficients, const Array<std::int64_t>& groups,
                     const Array<double>& b_factors, const Array<double>& atoms, const Array<double>& tensors) {
    expect<double>(coefficients, "coefficients", {-1, 11});
    expect<std::int64_t>(groups, "groups", {-1, 3});
    expect<double>(b_factors, "b_factors", {groups.shape(0)});
    expect<double>(atoms, "atoms", {-1, 4});
    expect<double>(tensors, "tensors", {atoms.shape(0), 6});
    AtomicModel model;
    for (py::ssize_t i = 0; i < coefficients.shape(0); ++i) {
        const double* row = coefficients.data(i, 0);
        FormFactor f;
        std::copy_n(row, 4, f.a.begin());
        std::copy_n(row + 4, 4, f.b.begin());
        f.c = row[8];
        f.f_prime = row[9];
        f.f_double_prime = row[10];
        model.elements.push_back(f);
    }
    for (py::ssize_t i = 0; i < groups.shape(0); ++i) {
        const std::int64_t* row = groups.data(i, 0);
        if (row[0] < 0 || row[0] >= coefficients.shape(0) || row[1] < 0 || row[1] > row[2] || row[2] > atoms.shape(0)) {
            throw py::value_error("groups: elements and atoms that exist were expected");
        }
        const double b = b_factors.at(i);
        model.groups.push_back({static_cast<std::size_t>(row[0]), static_cast<std::size_t>(row[1]),
                                static_cast<std::size_t>(row[2]), std::isnan(b) ? 0.0 : b, std::isnan(b)});
    }
    for (py::ssize_t i = 0; i < atoms.shape(0); ++i) {
        std::copy_n(atoms.data(i, 0), 4, model.atoms.emplace_back().begin());
        std::copy_n(tensors.data(i, 0), 6, model.tensors.emplace_back().begin());
    }
    return model;
}

py::tuple sum(const Array<double>& coefficients, const Array<std::int64_t>& groups, const Array<double>& b_factors,
              const Array<double>& atoms, const Array<double>& tensors, const Array<double>& metric,
              const Array<std::int32_t>& hkl) {
    const AtomicModel model = model_of(coefficients, groups, b_factors, atoms, tensors);
    const Ball ball = ball_of(metric, 0.0, {});
    expect<std::int32_t>(hkl, "hkl", {-1, 3});
    py::array_t<std::complex<double>> scattering(hkl.shape(0)), absorbing(hkl.shape(0));
    // A complex number is two numbers in a row.
    auto* of_scattering = reinterpret_cast<double*>(scattering.mutable_data());
    auto* of_absorbing = reinterpret_cast<double*>(absorbing.mutable_data());
    {
        const py::gil_scoped_release release;
        sum_over_atoms(model, ball, static_cast<std::size_t>(hkl.shape(0)), hkl.data(), of_scattering, of_absorbing);
    }
    return py::make_tuple(scattering, absorbing);
}

}  // namespace
}  // namespace nanobragg

void register_symmetry(py::module_& module) {
    using namespace nanobragg;
    module.def("unique_reflections", &unique, py::arg("rotations"), py::arg("translations"), py::arg("metric"),
               py::arg("largest"), py::arg("bounds"),
               "Indices (n, 3) int32, ascending, of one reflection of each set that the group's operations, (m, 3, 3) "
               "and (m, 3), and Friedel's law make equivalent, with 1/d² up to `largest` in the metric (3, 3) of the "
               "reciprocal lattice, 1/Å². Systematic absences are left out.");
    module.def("grid_of_holes", &grid_of, py::arg("shape"), "A grid (H, K, L) float64 of NaN.");
    module.def("spread_reflections", &spread_symmetric, py::arg("rotations"), py::arg("translations"), py::arg("hkl"),
               py::arg("plus"), py::arg("minus"), py::arg("minimum"), py::arg("grid").noconvert(),
               "Writes values (n,) of reflections (n, 3) and of their Friedel mates to all equivalent ones on the grid "
               "(H, K, L), whose first element is `minimum`; NaN is not written.");
    module.def("complete_grid", &complete, py::arg("rotations"), py::arg("translations"), py::arg("metric"),
               py::arg("largest"), py::arg("bounds"), py::arg("default_F"), py::arg("grid").noconvert(),
               "Fills NaN on a grid from -bounds to bounds: 0 for systematic absences, else default_F. Gives the "
               "number of reflections to be expected, of those that were missing, and of absences that were not 0.");
    module.def("sum_over_symmetry", &sum_symmetric, py::arg("rotations"), py::arg("translations"),
               py::arg("waves").noconvert(), py::arg("hkl"), py::arg("metric"), py::arg("largest"), py::arg("scale"),
               py::arg("blur"), py::arg("sums").noconvert(),
               "Adds to `sums` (n,) the structure factors of reflections (n, 3) with 1/d² up to `largest` from a "
               "transform (H, K, L) of the asymmetric unit, as FFT programs give it for h from 0 on: times `scale`, "
               "and without a B factor `blur`, Å².");
    module.def("put_planes", &put, py::arg("planes").noconvert(), py::arg("first"), py::arg("columns").noconvert(),
               "Puts planes (z, k, h) into columns (h, k, z) at z = `first`. The columns have the first k of the "
               "planes, and the last ones, for k below 0.");
    module.def("amplitudes_of_mates", &mates<float>, py::arg("f").noconvert(),
               py::arg("absorbing").noconvert().none(true),
               "Amplitudes (n,) of reflections and of their Friedel mates from what f0 + f' and what f'' give.");
    module.def("amplitudes_of_mates", &mates<double>, py::arg("f").noconvert(),
               py::arg("absorbing").noconvert().none(true));
    module.def("sum_over_atoms", &sum, py::arg("coefficients"), py::arg("groups"), py::arg("b_factors"),
               py::arg("atoms"), py::arg("tensors"), py::arg("metric"), py::arg("hkl"),
               "Structure factors (n,) complex128 of reflections (n, 3), of f0 + f' and of f'' apart, by summation "
               "over atoms (A, 4) x, y, z, occupancy with tensors (A, 6), in groups (G, 3) of element, first and end.");
}
