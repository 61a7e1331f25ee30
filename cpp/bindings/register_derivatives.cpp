// Derivatives of an image (specs/derivatives.md).
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nanobragg/derivatives.hpp"
#include "register.hpp"
#include "scene_arguments.hpp"
#include "scene_from_python.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

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
constexpr py::ssize_t kPanelNumbers = sizeof(PanelChange) / sizeof(double);
constexpr py::ssize_t kSourceNumbers = sizeof(SourceChange) / sizeof(double);
constexpr py::ssize_t kLayerNumbers = sizeof(Layer) / sizeof(double);
static_assert(kPanelNumbers == 18 && kSourceNumbers == 5 && kLayerNumbers == 5, "as records/scene_change.py has them");

template <class T>
void read_rows(const py::object& change, const char* name, const std::vector<py::ssize_t>& shape, std::vector<T>& out) {
    const py::object given = change.attr(name);
    if (given.is_none()) return;
    const ContiguousDoubles array = doubles(given, name, shape);
    out.resize(static_cast<std::size_t>(array.size()) * sizeof(double) / sizeof(T));
    std::copy_n(reinterpret_cast<const char*>(array.data()), out.size() * sizeof(T),
                reinterpret_cast<char*>(out.data()));
}

template <class T>
py::array_t<double> rows(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
    py::array_t<double> out(std::move(shape));
    std::copy_n(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T),
                reinterpret_cast<char*>(out.mutable_data()));
    return out;
}

SceneChange change_from_python(const py::object& change) {
    SceneChange out;
    visit_scalars(out, [&](const char* name, double& value) { value = change.attr(name).cast<double>(); });
    visit_vectors(out, [&](const char* name, double* values, py::ssize_t count) {
        const py::object given = change.attr(name);
        if (!given.is_none()) std::copy_n(doubles(given, name, {count}).data(), count, values);
    });
    const py::object reciprocal = change.attr("reciprocal");
    if (!reciprocal.is_none()) {
        const ContiguousDoubles stars = doubles(reciprocal, "reciprocal", {3, 3});
        out.a_star = vec3(stars.data(0, 0));
        out.b_star = vec3(stars.data(1, 0));
        out.c_star = vec3(stars.data(2, 0));
    }
    read_rows(change, "panels", {-1, kPanelNumbers}, out.panels);
    read_rows(change, "sources", {-1, kSourceNumbers}, out.sources);
    read_rows(change, "layers", {-1, kLayerNumbers}, out.layers);
    read_rows(change, "orientations", {-1, 3, 3}, out.orientations);
    read_rows(change, "first_orientations", {-1, 3, 3}, out.first_orientations);
    read_rows(change, "f_grid", {-1, -1, -1}, out.f_grid);
    return out;
}

template <class T>
py::ssize_t count(const std::vector<T>& values) {
    return static_cast<py::ssize_t>(values.size());
}

py::dict dict_of(const Scene& scene, SceneChange& change) {
    py::dict out;
    visit_scalars(change, [&](const char* name, double& value) { out[name] = value; });
    visit_vectors(change, [&](const char* name, double* values, py::ssize_t number) {
        out[name] = py::array_t<double>(number, values);
    });
    out["reciprocal"] = rows(std::vector<Vec3>{change.a_star, change.b_star, change.c_star}, {3, 3});
    out["panels"] = rows(change.panels, {count(change.panels), kPanelNumbers});
    out["sources"] = rows(change.sources, {count(change.sources), kSourceNumbers});
    out["layers"] = rows(change.layers, {count(change.layers), kLayerNumbers});
    out["orientations"] = rows(change.orientations, {count(change.orientations), 3, 3});
    out["first_orientations"] = rows(change.first_orientations, {count(change.first_orientations), 3, 3});
    if (!change.f_grid.empty()) {
        out["f_grid"] = rows(change.f_grid, {scene.f_shape[0], scene.f_shape[1], scene.f_shape[2]});
    }
    return out;
}

using Numbers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

// Of pixels; None: of all.
std::optional<Numbers> numbers_from_python(const py::object& pixels) {
    if (pixels.is_none()) return std::nullopt;
    return pixels.cast<Numbers>();
}

py::ssize_t choose(const Scene& scene, const std::optional<Numbers>& pixels, DerivativeOptions& options) {
    if (!pixels) return static_cast<py::ssize_t>(scene.pixels());
    options.pixels = pixels->data();
    options.pixel_count = pixels->size();
    return pixels->size();
}

py::tuple jvp(const BoundScene& bound, const py::sequence& directions, const std::string& precision, int threads,
              const py::object& pixels) {
    const Scene& scene = bound.scene();
    std::vector<SceneChange> changes;
    for (const auto direction : directions) {
        changes.push_back(change_from_python(py::reinterpret_borrow<py::object>(direction)));
    }
    DerivativeOptions options;
    const std::optional<Numbers> numbers = numbers_from_python(pixels);
    const py::ssize_t chosen = choose(scene, numbers, options);
    py::array_t<double> image(chosen);
    py::array_t<double> columns({count(changes), chosen});
    options.threads = threads;
    options.precision = precision_of(precision);
    options.image = image.mutable_data();
    {
        double* out = columns.mutable_data();
        const py::gil_scoped_release release;
        render_jvp(scene, changes, out, options);
    }
    return py::make_tuple(image, columns);
}

py::tuple vjp(const BoundScene& bound, const py::object& weights, const std::string& precision, int threads, bool grid,
              const py::object& pixels) {
    const Scene& scene = bound.scene();
    DerivativeOptions options;
    const std::optional<Numbers> numbers = numbers_from_python(pixels);
    const py::ssize_t chosen = choose(scene, numbers, options);
    const ContiguousDoubles given = doubles(weights, "weights", {chosen});
    py::array_t<double> image(chosen);
    options.threads = threads;
    options.precision = precision_of(precision);
    options.image = image.mutable_data();
    options.grid = grid;
    SceneChange change;
    {
        const double* values = given.data();
        const py::gil_scoped_release release;
        change = render_vjp(scene, values, options);
    }
    return py::make_tuple(image, dict_of(scene, change));
}

}  // namespace

void register_derivatives(py::module_& m) {
    m.def("jvp", &jvp, py::arg("scene"), py::arg("directions"), py::arg("precision") = "double", py::arg("threads") = 0,
          py::arg("pixels") = py::none(),
          "Image (pixels,) float64, and how it changes along each direction (directions, pixels) float64; `pixels`: "
          "numbers of those that are wanted, ascending, None for all.");
    m.def("vjp", &vjp, py::arg("scene"), py::arg("weights"), py::arg("precision") = "double", py::arg("threads") = 0,
          py::arg("grid") = true, py::arg("pixels") = py::none(),
          "Image (pixels,) float64, and d(sum of weights x image)/d(each number of the scene); `pixels` as in jvp.");
}
