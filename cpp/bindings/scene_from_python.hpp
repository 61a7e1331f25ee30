// A nanobragg.Scene (or anything with its attributes) as the C++ Scene.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "nanobragg/render.hpp"
#include "nanobragg/scene.hpp"

// Keeps alive the arrays that the Scene only points to.
struct PythonScene {
    nanobragg::Scene scene;
    std::vector<pybind11::object> owners;
};

PythonScene scene_from_python(const pybind11::object& python);

// (n, 3, 3) m: rows a, b, c. InputError names the argument.
std::vector<nanobragg::Orientation> orientations_from_python(const pybind11::object& values, const char* name);

// double or mixed.
nanobragg::Precision precision_of(const std::string& name);
