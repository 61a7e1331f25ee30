#include "scene_from_python.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

using Owners = std::vector<py::object>;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

[[noreturn]] void refuse(const std::string& name, const std::string& expected) {
    throw InputError("Scene: " + name + ": expected " + expected);
}

// A C-contiguous float64 array of the given shape; -1 stands for any length.
Doubles doubles(const py::object& values, const char* name, const std::vector<py::ssize_t>& shape) {
    const auto array = Doubles::ensure(values);
    std::string wanted = "an array (";
    for (const auto n : shape) wanted += (n < 0 ? std::string("n") : std::to_string(n)) + ", ";
    wanted.replace(wanted.size() - (shape.size() == 1 ? 1 : 2), 2, ") of float64");
    if (!array) {
        PyErr_Clear();
        refuse(name, wanted);
    }
    bool fits = array.ndim() == static_cast<py::ssize_t>(shape.size());
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = shape[i] < 0 || array.shape(static_cast<py::ssize_t>(i)) == shape[i];
    }
    if (!fits) refuse(name, wanted);
    return array;
}

Doubles array_of(const py::object& scene, const char* name, const std::vector<py::ssize_t>& shape) {
    return doubles(scene.attr(name), name, shape);
}

Vec3 vec3(const double* v) { return {v[0], v[1], v[2]}; }

template <class T>
T number(const py::object& scene, const char* name) {
    try {
        return scene.attr(name).cast<T>();
    } catch (const py::cast_error&) {
        refuse(name, "a number");
    }
}

template <class Enum>
Enum choice(const py::object& scene, const char* name, int count) {
    const int value = number<int>(scene, name);
    if (value < 0 || value >= count) refuse(name, "a value from 0 to " + std::to_string(count - 1));
    return static_cast<Enum>(value);
}

template <class T>
std::vector<T> numbers(const py::object& scene, const char* name, std::size_t count) {
    std::vector<T> values;
    try {
        values = scene.attr(name).cast<std::vector<T>>();
    } catch (const py::cast_error&) {
    }
    if (values.size() != count) refuse(name, std::to_string(count) + " numbers");
    return values;
}

void read_detector(const py::object& p, Scene& s) {
    const auto shape = numbers<std::int64_t>(p, "shape", 2);
    s.nslow = shape[0];
    s.nfast = shape[1];
    s.pixel_size = number<double>(p, "pixel_size");
    const auto origin = array_of(p, "panel_origin", {-1, 3});
    const py::ssize_t panels = origin.shape(0);
    const auto fast = array_of(p, "panel_fast", {panels, 3}), slow = array_of(p, "panel_slow", {panels, 3});
    const auto normal = array_of(p, "panel_normal", {panels, 3});
    const auto close = array_of(p, "panel_close_distance", {panels});
    for (py::ssize_t i = 0; i < panels; ++i) {
        s.panels.push_back({vec3(origin.data(i, 0)), vec3(fast.data(i, 0)), vec3(slow.data(i, 0)),
                            vec3(normal.data(i, 0)), *close.data(i)});
    }
    s.curved_distance = number<double>(p, "curved_distance");
    s.beam_direction = vec3(array_of(p, "beam_direction", {3}).data());
    const auto layers = array_of(p, "layers", {-1, 4});
    for (py::ssize_t i = 0; i < layers.shape(0); ++i) {
        const double* layer = layers.data(i, 0);
        s.layers.push_back({layer[0], layer[1], layer[2], layer[3]});
    }
    s.attenuation = number<double>(p, "attenuation");
    s.sensor_depth = number<double>(p, "sensor_depth");
    s.omega = choice<Factor>(p, "omega", 4);
    s.polar = choice<Factor>(p, "polar", 4);
    s.capture = choice<Factor>(p, "capture", 4);
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
    s.shape = choice<Shape>(p, "crystal_shape", 4);
    const auto cells = numbers<double>(p, "cells", 3);
    for (std::size_t i = 0; i < 3; ++i) {
        s.cells[i] = cells[i];
        if (!(cells[i] >= 1) || cells[i] != std::floor(cells[i]) || cells[i] > 1e9) {
            refuse("cells", "whole numbers from 1 to 1e9");
        }
    }
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
    s.interpolation = choice<Interpolation>(p, "interpolation", 3);
}

void read_sampling(const py::object& p, Scene& s, Owners& owners) {
    s.oversample = number<std::int64_t>(p, "oversample");
    s.dmin = number<double>(p, "dmin");
    s.background_sum = number<double>(p, "background_sum");
    s.background = number<double>(p, "background");
    s.scale = number<double>(p, "scale");
    s.steps = number<double>(p, "steps");
    const auto roi = numbers<std::int64_t>(p, "roi", 4);
    std::copy(roi.begin(), roi.end(), s.roi);
    const py::object mask = p.attr("mask");
    if (mask.is_none()) return;
    const auto bytes = Bytes::ensure(mask);
    const auto panels = static_cast<py::ssize_t>(s.panels.size());
    if (!bytes || bytes.ndim() != 3 || bytes.shape(0) != panels || bytes.shape(1) != s.nslow ||
        bytes.shape(2) != s.nfast) {
        PyErr_Clear();
        refuse("mask", "an array (panel, slow, fast) of the detector's shape");
    }
    s.mask = bytes.data();
    owners.push_back(bytes);
}

}  // namespace

std::vector<Orientation> orientations_from_python(const py::object& values, const char* name) {
    const Doubles array = doubles(values, name, {-1, 3, 3});
    std::vector<Orientation> out;
    for (py::ssize_t i = 0; i < array.shape(0); ++i) {
        out.push_back({vec3(array.data(i, 0, 0)), vec3(array.data(i, 1, 0)), vec3(array.data(i, 2, 0))});
    }
    return out;
}

Precision precision_of(const std::string& name) {
    if (name == "double") return Precision::full;
    if (name == "mixed") return Precision::mixed;
    throw InputError("precision: found " + name + ", expected double or mixed");
}

BoundScene::BoundScene(const py::object& python) {
    read_detector(python, scene_);
    read_sources(python, scene_);
    read_crystal(python, scene_, owners_);
    read_sampling(python, scene_, owners_);
    validate(scene_);
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
