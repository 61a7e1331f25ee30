// One registration function per subject.
#pragma once

#include <pybind11/pybind11.h>

void register_render(pybind11::module_& m);
void register_derivatives(pybind11::module_& m);
void register_random(pybind11::module_& m);
void register_files(pybind11::module_& m);
void register_symmetry(pybind11::module_& m);
void register_response(pybind11::module_& m);
