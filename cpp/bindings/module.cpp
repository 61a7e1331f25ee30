// The Python extension nanobragg._core: arguments in, NumPy arrays out; no physics.
#include <pybind11/pybind11.h>

#include "nanobragg/error.hpp"
#include "register.hpp"
#ifdef NANOBRAGG_PLAYED_DEVICE
#include "host_device.hpp"
#include "register_gpu.hpp"
#endif

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
    m.doc() = "Compiled core of nanobragg.";
    m.attr("__version__") = NANOBRAGG_VERSION;
    py::register_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const nanobragg::InputError& error) {
            const py::object type = py::module_::import("nanobragg.errors").attr("InputError");
            py::set_error(type, error.what());
        }
    });
    register_render(m);
    register_random(m);
    register_files(m);
#ifdef NANOBRAGG_PLAYED_DEVICE
    nanobragg::register_gpu(m, [](int) { return std::make_shared<nanobragg::gpu::HostDevice>(); }, "Played");
#endif
}
