#include "scene_from_python.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/threads.hpp"
#include "scene_arguments.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

using Owners = std::vector<py::object>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

// "owner" is the Scene, or one of its panels, which "prefix" names.
ContiguousDoubles array_of(const py::object& owner, const char* name, const std::vector<py::ssize_t>& shape,
                           const std::string& prefix = "") {
    return doubles(owner.attr(name), (prefix + name).c_str(), shape);
}

template <class T>
T number(const py::object& owner, const char* name, const std::string& prefix = "") {
    try {
        return owner.attr(name).cast<T>();
    } catch (const py::cast_error&) {
        refuse(prefix + name, "a number");
    }
}

const auto& members(Shape) { return kShapes; }
const auto& members(Factor) { return kFactors; }
const auto& members(Interpolation) { return kInterpolations; }

template <class Enum>
Enum choice(const py::object& scene, const char* name) {
    const int value = number<int>(scene, name);
    std::string expected;
    for (const Member<Enum>& member : members(Enum())) {
        if (value == static_cast<int>(member.value)) return member.value;
        expected +=
            (expected.empty() ? "" : ", ") + std::to_string(static_cast<int>(member.value)) + " (" + member.name + ")";
    }
    refuse(name, "one of " + expected);
}

template <class T>
std::vector<T> numbers(const py::object& owner, const char* name, std::size_t count, const std::string& prefix = "") {
    std::vector<T> values;
    try {
        values = owner.attr(name).cast<std::vector<T>>();
    } catch (const py::cast_error&) {
    }
    if (values.size() != count) refuse(prefix + name, std::to_string(count) + " numbers");
    return values;
}

// Which pixels are rendered: the array is pointed to.
void read_mask(const py::object& given, const std::string& prefix, Panel& panel, Owners& owners) {
    if (given.is_none()) return;
    const Bytes mask = Bytes::ensure(given);
    if (!mask || mask.ndim() != 2 || mask.shape(0) != panel.nslow || mask.shape(1) != panel.nfast) {
        PyErr_Clear();
        refuse(prefix + "mask", "an array (slow, fast) of the panel's shape");
    }
    panel.mask = mask.data();
    owners.push_back(mask);
}

std::vector<Layer> read_layers(const py::object& owner, const std::string& prefix) {
    const auto rows = array_of(owner, "layers", {-1, 5}, prefix);
    std::vector<Layer> layers;
    for (py::ssize_t i = 0; i < rows.shape(0); ++i) {
        const double* layer = rows.data(i, 0);
        layers.push_back({layer[0], layer[1], layer[2], layer[3], layer[4]});
    }
    return layers;
}

void read_sensor(const py::object& given, const std::string& prefix, Panel& panel) {
    if (given.is_none()) return;
    panel.layers = read_layers(given, prefix);
    if (panel.layers.empty()) refuse(prefix + "layers", "at least one layer");
    panel.attenuation = number<double>(given, "attenuation", prefix);
    panel.sensor_depth = number<double>(given, "depth", prefix);
}

Panel read_panel(const py::object& given, const std::string& prefix, Owners& owners) {
    Panel panel;
    const auto shape = numbers<std::int64_t>(given, "shape", 2, prefix);
    const auto pixel = numbers<double>(given, "pixel_size", 2, prefix);
    const auto vector = [&](const char* name) { return vec3(array_of(given, name, {3}, prefix).data()); };
    panel.nslow = shape[0];
    panel.nfast = shape[1];
    panel.pixel_fast = pixel[0];
    panel.pixel_slow = pixel[1];
    panel.origin = vector("origin");
    panel.fast = vector("fast");
    panel.slow = vector("slow");
    panel.normal = vector("normal");
    panel.close_distance = number<double>(given, "close_distance", prefix);
    if (!given.attr("pixel_area").is_none()) panel.area = number<double>(given, "pixel_area", prefix);
    const auto roi = numbers<std::int64_t>(given, "region", 4, prefix);
    std::copy(roi.begin(), roi.end(), panel.roi);
    read_mask(given.attr("mask"), prefix, panel, owners);
    read_sensor(given.attr("sensor"), prefix + "sensor.", panel);
    return panel;
}

void read_panels(const py::object& p, Scene& s, Owners& owners) {
    const py::object given = p.attr("panels");
    if (!py::isinstance<py::sequence>(given)) refuse("panels", "a tuple of panels");
    const py::sequence panels = given;
    for (std::size_t i = 0; i < panels.size(); ++i) {
        s.panels.push_back(read_panel(panels[i], "panels[" + std::to_string(i) + "].", owners));
    }
}

void read_detector(const py::object& p, Scene& s, Owners& owners) {
    read_panels(p, s, owners);
    s.curved_distance = number<double>(p, "curved_distance");
    s.beam_direction = vec3(array_of(p, "beam_direction", {3}).data());
    s.layers = read_layers(p, "");
    s.attenuation = number<double>(p, "attenuation");
    s.sensor_depth = number<double>(p, "sensor_depth");
    s.omega = choice<Factor>(p, "omega");
    s.polar = choice<Factor>(p, "polar");
    s.capture = choice<Factor>(p, "capture");
    s.point_pixel = number<bool>(p, "point_pixel");
    s.running_product = number<bool>(p, "running_product");
    s.kahn_factor = number<double>(p, "kahn_factor");
    s.polarization_axis = vec3(array_of(p, "polarization_axis", {3}).data());
}

void read_sources(const py::object& p, Scene& s) {
    const auto direction = array_of(p, "source_direction", {-1, 3});
    const auto wavelength = array_of(p, "source_wavelength", {direction.shape(0)});
    const auto weight = array_of(p, "source_weight", {direction.shape(0)});
    for (py::ssize_t i = 0; i < direction.shape(0); ++i) {
        s.sources.push_back({vec3(direction.data(i, 0)), *wavelength.data(i), *weight.data(i)});
    }
}

void read_crystal(const py::object& p, Scene& s, Owners& owners) {
    s.orientations = orientations_from_python(p.attr("orientations"), "orientations");
    s.first_orientations = orientations_from_python(p.attr("first_orientations"), "first_orientations");
    s.shape = choice<Shape>(p, "crystal_shape");
    const auto cells = numbers<double>(p, "cells", 3);
    for (std::size_t i = 0; i < 3; ++i) {
        s.cells[i] = cells[i];
        if (!(cells[i] >= 1) || cells[i] > 1e9) refuse("cells", "numbers from 1 to 1e9");
    }
    const auto between = numbers<double>(p, "cells_off_diagonal", 3);
    std::copy(between.begin(), between.end(), s.cells_off_diagonal);
    s.fudge = number<double>(p, "fudge");
    const auto reciprocal = array_of(p, "reciprocal", {3, 3});
    s.a_star = vec3(reciprocal.data(0, 0));
    s.b_star = vec3(reciprocal.data(1, 0));
    s.c_star = vec3(reciprocal.data(2, 0));
    const auto grid = array_of(p, "f_grid", {-1, -1, -1});
    const auto lowest = numbers<std::int64_t>(p, "f_min", 3);
    for (int i = 0; i < 3; ++i) {
        s.f_shape[i] = grid.shape(i);
        s.f_min[i] = lowest[static_cast<std::size_t>(i)];
        if (std::abs(s.f_min[i]) > (std::int64_t{1} << 30)) refuse("f_min", "Miller indices below 2^30");
    }
    s.f_grid = grid.data();
    owners.push_back(grid);
    s.default_F = number<double>(p, "default_F");
    s.interpolation = choice<Interpolation>(p, "interpolation");
}

void read_sampling(const py::object& p, Scene& s) {
    s.oversample = number<std::int64_t>(p, "oversample");
    s.dmin = number<double>(p, "dmin");
    s.background_sum = number<double>(p, "background_sum");
    s.background = number<double>(p, "background");
    s.scale = number<double>(p, "scale");
    s.steps = number<double>(p, "steps");
    s.tolerance = number<double>(p, "tolerance");
}

}  // namespace

BoundScene::BoundScene(const py::object& python) {
    read_detector(python, scene_, owners_);
    read_sources(python, scene_);
    read_crystal(python, scene_, owners_);
    read_sampling(python, scene_);
    validate(scene_);
    join_rasters(scene_);
}

std::shared_ptr<BoundScene> BoundScene::turned(std::vector<Orientation> orientations,
                                               std::vector<Orientation> first) const {
    if (orientations.empty()) refuse("orientations", "at least one");
    std::shared_ptr<BoundScene> out(new BoundScene(*this));
    out->located_ = std::make_shared<Lazy<Located>>();
    Scene& s = out->scene_;
    s.steps = s.steps * static_cast<double>(orientations.size()) / static_cast<double>(s.orientations.size());
    s.orientations = std::move(orientations);
    s.first_orientations = std::move(first);
    validate(s);
    return out;
}

bool BoundScene::has_factors_of(const BoundScene& other) const {
    const Scene &a = scene_, &b = other.scene_;
    return a.f_grid == b.f_grid && std::equal(a.f_shape, a.f_shape + 3, b.f_shape) && a.default_F == b.default_F &&
           a.interpolation == b.interpolation;
}

void BoundScene::share_factors(const BoundScene& other) {
    if (has_factors_of(other)) factors_ = other.factors_;
}

const SquaredFactors& BoundScene::factors() const {
    return factors_->get([this] { return squared_factors(scene_); });
}

Located BoundScene::located(int threads) const {
    return located_->get(
        [&] { return Located{locate_first_evaluation(scene_), locate_out_of_range(scene_, thread_count(threads))}; });
}
