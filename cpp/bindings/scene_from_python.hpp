// A nanobragg.Scene (or anything with its attributes) as the C++ Scene.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "nanobragg/scene.hpp"

// Keeps alive the arrays that the Scene only points to.
struct PythonScene {
    nanobragg::Scene scene;
    std::vector<pybind11::object> owners;
};

PythonScene scene_from_python(const pybind11::object& python);
