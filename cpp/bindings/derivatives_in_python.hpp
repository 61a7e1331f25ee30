// Derivatives of an image as Python asks for them and gets them, whoever makes them (specs/derivatives.md).
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nanobragg/derivatives.hpp"
#include "scene_arguments.hpp"
#include "scene_from_python.hpp"

namespace nanobragg {

// The numbers of a change as arrays under the names of records/scene_change.py, in the same order.
template <class Number, class Visit>
void visit_scalars(Number& d, const Visit& visit) {
    visit("curved_distance", d.curved_distance);
    visit("attenuation", d.attenuation);
    visit("sensor_depth", d.sensor_depth);
    visit("kahn_factor", d.kahn_factor);
    visit("fudge", d.fudge);
    visit("default_F", d.default_F);
    visit("background_sum", d.background_sum);
    visit("background", d.background);
    visit("scale", d.scale);
}

template <class Change, class Visit>
void visit_vectors(Change& d, const Visit& visit) {
    visit("beam_direction", &d.beam_direction.x, 3);
    visit("polarization_axis", &d.polarization_axis.x, 3);
    visit("cells", d.cells, 3);
    visit("cells_off_diagonal", d.cells_off_diagonal, 3);
}

// Structs of doubles in a row, as rows of an array.
constexpr pybind11::ssize_t kPanelChangeNumbers = sizeof(PanelChange) / sizeof(double);
constexpr pybind11::ssize_t kSourceChangeNumbers = sizeof(SourceChange) / sizeof(double);
constexpr pybind11::ssize_t kLayerChangeNumbers = sizeof(Layer) / sizeof(double);
static_assert(kPanelChangeNumbers == 18 && kSourceChangeNumbers == 5 && kLayerChangeNumbers == 5,
              "as records/scene_change.py has them");

template <class T>
void read_rows(const pybind11::object& change, const char* name, const std::vector<pybind11::ssize_t>& shape,
               std::vector<T>& out) {
    const pybind11::object given = change.attr(name);
    if (given.is_none()) return;
    const ContiguousDoubles array = doubles(given, name, shape);
    out.resize(static_cast<std::size_t>(array.size()) * sizeof(double) / sizeof(T));
    std::copy_n(reinterpret_cast<const char*>(array.data()), out.size() * sizeof(T),
                reinterpret_cast<char*>(out.data()));
}

template <class T>
pybind11::array_t<double> rows(const std::vector<T>& values, std::vector<pybind11::ssize_t> shape) {
    pybind11::array_t<double> out(std::move(shape));
    std::copy_n(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T),
                reinterpret_cast<char*>(out.mutable_data()));
    return out;
}

inline SceneChange change_from_python(const pybind11::object& change) {
    SceneChange out;
    visit_scalars(out, [&](const char* name, double& value) { value = change.attr(name).cast<double>(); });
    visit_vectors(out, [&](const char* name, double* values, pybind11::ssize_t count) {
        const pybind11::object given = change.attr(name);
        if (!given.is_none()) std::copy_n(doubles(given, name, {count}).data(), count, values);
    });
    const pybind11::object reciprocal = change.attr("reciprocal");
    if (!reciprocal.is_none()) {
        const ContiguousDoubles stars = doubles(reciprocal, "reciprocal", {3, 3});
        out.a_star = vec3(stars.data(0, 0));
        out.b_star = vec3(stars.data(1, 0));
        out.c_star = vec3(stars.data(2, 0));
    }
    read_rows(change, "panels", {-1, kPanelChangeNumbers}, out.panels);
    read_rows(change, "sources", {-1, kSourceChangeNumbers}, out.sources);
    read_rows(change, "layers", {-1, kLayerChangeNumbers}, out.layers);
    read_rows(change, "orientations", {-1, 3, 3}, out.orientations);
    read_rows(change, "first_orientations", {-1, 3, 3}, out.first_orientations);
    read_rows(change, "f_grid", {-1, -1, -1}, out.f_grid);
    return out;
}

template <class T>
pybind11::ssize_t count(const std::vector<T>& values) {
    return static_cast<pybind11::ssize_t>(values.size());
}

inline pybind11::dict dict_of(const Scene& scene, SceneChange& change) {
    pybind11::dict out;
    visit_scalars(change, [&](const char* name, double& value) { out[name] = value; });
    visit_vectors(change, [&](const char* name, double* values, pybind11::ssize_t number) {
        out[name] = pybind11::array_t<double>(number, values);
    });
    out["reciprocal"] = rows(std::vector<Vec3>{change.a_star, change.b_star, change.c_star}, {3, 3});
    out["panels"] = rows(change.panels, {count(change.panels), kPanelChangeNumbers});
    out["sources"] = rows(change.sources, {count(change.sources), kSourceChangeNumbers});
    out["layers"] = rows(change.layers, {count(change.layers), kLayerChangeNumbers});
    out["orientations"] = rows(change.orientations, {count(change.orientations), 3, 3});
    out["first_orientations"] = rows(change.first_orientations, {count(change.first_orientations), 3, 3});
    if (!change.f_grid.empty()) {
        out["f_grid"] = rows(change.f_grid, {scene.f_shape[0], scene.f_shape[1], scene.f_shape[2]});
    }
    return out;
}

using Numbers = pybind11::array_t<std::int64_t, pybind11::array::c_style | pybind11::array::forcecast>;

// Of pixels; None: of all.
inline std::optional<Numbers> numbers_from_python(const pybind11::object& pixels) {
    if (pixels.is_none()) return std::nullopt;
    return pixels.cast<Numbers>();
}

inline pybind11::ssize_t choose(const Scene& scene, const std::optional<Numbers>& pixels, DerivativeOptions& options) {
    if (!pixels) return static_cast<pybind11::ssize_t>(scene.pixels());
    options.pixels = pixels->data();
    options.pixel_count = pixels->size();
    return pixels->size();
}

// Who differentiates has these two, as nanobragg/derivatives.hpp does.
template <class Differentiator>
pybind11::tuple jvp_of(const Differentiator& by, const BoundScene& bound, const pybind11::sequence& directions,
                       const std::string& precision, int threads, const pybind11::object& pixels) {
    const Scene& scene = bound.scene();
    std::vector<SceneChange> changes;
    for (const auto direction : directions) {
        changes.push_back(change_from_python(pybind11::reinterpret_borrow<pybind11::object>(direction)));
    }
    DerivativeOptions options;
    const std::optional<Numbers> numbers = numbers_from_python(pixels);
    const pybind11::ssize_t chosen = choose(scene, numbers, options);
    pybind11::array_t<double> image(chosen);
    pybind11::array_t<double> columns({count(changes), chosen});
    options.threads = threads;
    options.precision = precision_of(precision);
    options.image = image.mutable_data();
    {
        double* out = columns.mutable_data();
        const pybind11::gil_scoped_release release;
        by.jvp(scene, changes, out, options);
    }
    return pybind11::make_tuple(image, columns);
}

template <class Differentiator>
pybind11::tuple vjp_of(const Differentiator& by, const BoundScene& bound, const pybind11::object& weights,
                       const std::string& precision, int threads, bool grid, const pybind11::object& pixels,
                       bool with_image) {
    const Scene& scene = bound.scene();
    DerivativeOptions options;
    const std::optional<Numbers> numbers = numbers_from_python(pixels);
    const pybind11::ssize_t chosen = choose(scene, numbers, options);
    const ContiguousDoubles given = doubles(weights, "weights", {chosen});
    pybind11::array_t<double> image(with_image ? chosen : 0);
    options.threads = threads;
    options.precision = precision_of(precision);
    options.image = with_image ? image.mutable_data() : nullptr;
    options.grid = grid;
    SceneChange change;
    {
        const double* values = given.data();
        const pybind11::gil_scoped_release release;
        change = by.vjp(scene, values, options);
    }
    return pybind11::make_tuple(image, dict_of(scene, change));
}

// The class of one who differentiates.
template <class Differentiator>
pybind11::class_<Differentiator> define_differentiator(pybind11::module_& m, const char* name, const char* what) {
    namespace py = pybind11;
    return py::class_<Differentiator>(m, name, py::module_local(), what)
        .def("jvp", &jvp_of<Differentiator>, py::arg("scene"), py::arg("directions"), py::arg("precision") = "double",
             py::arg("threads") = 0, py::arg("pixels") = py::none(),
             "Image (pixels,) float64, and how it changes along each direction (directions, pixels) float64; `pixels`: "
             "numbers of those that are wanted, ascending, None for all.")
        .def("vjp", &vjp_of<Differentiator>, py::arg("scene"), py::arg("weights"), py::arg("precision") = "double",
             py::arg("threads") = 0, py::arg("grid") = true, py::arg("pixels") = py::none(), py::arg("image") = true,
             "Image (pixels,) float64, or (0,) if none is wanted, and d(sum of weights x image)/d(each number of the "
             "scene); `pixels` as in jvp.");
}

}  // namespace nanobragg
