// The Python extension nanobragg._cuda: the GPU renderer. It needs neither a GPU nor a driver to be imported.
#include <pybind11/pybind11.h>

#include "callbacks.hpp"
#include "cuda_device.hpp"
#include "peak.hpp"
#include "register_gpu.hpp"

namespace py = pybind11;
using namespace nanobragg;

#ifndef NANOBRAGG_CUDA_MODULE
#define NANOBRAGG_CUDA_MODULE _cuda  // with tests there is another one, on an emulated GPU
#define NANOBRAGG_REAL_DEVICE 1
#endif

PYBIND11_MODULE(NANOBRAGG_CUDA_MODULE, m) {
    m.doc() = "CUDA renderer of nanobragg.";
    translate_input_errors();
    register_gpu(m, gpu::cuda_device, "");
    m.def(
        "system",
        [] {
            const gpu::CudaSystem system = gpu::cuda_system();
            py::list devices;
            for (const gpu::CudaInfo& info : system.devices) {
                py::dict d;
                d["number"] = info.number;
                d["name"] = info.name;
                d["capability"] = py::make_tuple(info.major, info.minor);
                d["memory"] = info.memory;
                d["multiprocessors"] = info.multiprocessors;
                d["clock_hz"] = info.clock_hz;
                d["memory_bandwidth"] = info.memory_bandwidth;
                devices.append(d);
            }
            py::dict d;
            d["devices"] = devices;
            d["reason"] = system.reason;
            d["driver"] = system.driver;
            d["runtime"] = system.runtime;
            return d;
        },
        "The CUDA devices, why there are none, and the versions of CUDA that the driver and this build have.");
#ifdef NANOBRAGG_REAL_DEVICE
    m.def(
        "peak_rates",
        [](int number, double seconds) {
            const gpu::PeakRates rates = gpu::peak_rates(number, seconds);
            py::dict d;
            d["double"] = rates.fused_double;
            d["single"] = rates.fused_single;
            d["copied"] = rates.copied;
            return d;
        },
        py::arg("number"), py::arg("seconds"),
        "Multiply-adds per second of a device in double and single precision, and bytes per second of a copy in its "
        "memory.");
#endif
}
