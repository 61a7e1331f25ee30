// The GPU renderer in Python, for any kind of device; registered by the CUDA module, and by the core of builds with
// tests for the device that the host plays.
#pragma once

#include <pybind11/pybind11.h>

#include <functional>
#include <memory>

#include "device.hpp"

namespace nanobragg {

using DeviceMaker = std::function<std::shared_ptr<gpu::Device>(int number)>;

// Adds the classes Renderer, Differentiator and DeviceImage, named `prefix` + that, and the translation of DeviceError.
void register_gpu(pybind11::module_& m, const DeviceMaker& make, const std::string& prefix);

}  // namespace nanobragg
