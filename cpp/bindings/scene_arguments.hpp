// Parts of a Scene as Python gives them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/render.hpp"
#include "nanobragg/scene.hpp"

using ContiguousDoubles = pybind11::array_t<double, pybind11::array::c_style | pybind11::array::forcecast>;

[[noreturn]] inline void refuse(const std::string& name, const std::string& expected) {
    throw nanobragg::InputError("Scene: " + name + ": expected " + expected);
}

// A C-contiguous float64 array of the given shape; -1 stands for any length.
inline ContiguousDoubles doubles(const pybind11::object& values, const char* name,
                                 const std::vector<pybind11::ssize_t>& shape) {
    const auto array = ContiguousDoubles::ensure(values);
    std::string wanted = "an array (";
    for (const auto n : shape) wanted += (n < 0 ? std::string("n") : std::to_string(n)) + ", ";
    wanted.replace(wanted.size() - (shape.size() == 1 ? 1 : 2), 2, ") of float64");
    if (!array) {
        PyErr_Clear();
        refuse(name, wanted);
    }
    bool fits = array.ndim() == static_cast<pybind11::ssize_t>(shape.size());
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = shape[i] < 0 || array.shape(static_cast<pybind11::ssize_t>(i)) == shape[i];
    }
    if (!fits) refuse(name, wanted);
    return array;
}

// Shape of an image as NumPy has it: (panel, slow, fast) where the panels' shapes agree, else flat, one after the
// other.
inline std::vector<pybind11::ssize_t> image_shape(const nanobragg::Scene& scene) {
    const nanobragg::Panel& first = scene.panels.front();
    for (const nanobragg::Panel& panel : scene.panels) {
        if (panel.nslow != first.nslow || panel.nfast != first.nfast) {
            return {static_cast<pybind11::ssize_t>(scene.pixels())};
        }
    }
    return {static_cast<pybind11::ssize_t>(scene.panels.size()), static_cast<pybind11::ssize_t>(first.nslow),
            static_cast<pybind11::ssize_t>(first.nfast)};
}

inline nanobragg::Vec3 vec3(const double* v) { return {v[0], v[1], v[2]}; }

// (n, 3, 3) m: rows a, b, c. InputError names the argument.
inline std::vector<nanobragg::Orientation> orientations_from_python(const pybind11::object& values, const char* name) {
    const ContiguousDoubles array = doubles(values, name, {-1, 3, 3});
    std::vector<nanobragg::Orientation> out;
    for (pybind11::ssize_t i = 0; i < array.shape(0); ++i) {
        out.push_back({vec3(array.data(i, 0, 0)), vec3(array.data(i, 1, 0)), vec3(array.data(i, 2, 0))});
    }
    return out;
}

// double or mixed.
inline nanobragg::Precision precision_of(const std::string& name) {
    if (name == "double") return nanobragg::Precision::full;
    if (name == "mixed") return nanobragg::Precision::mixed;
    throw nanobragg::InputError("precision: found " + name + ", expected double or mixed");
}
