// The Python extension nanobragg._core: arguments in, NumPy arrays out; no physics.
#include <pybind11/pybind11.h>

#include "callbacks.hpp"
#include "register.hpp"
#ifdef NANOBRAGG_PLAYED_DEVICE
#include "host_device.hpp"
#include "register_gpu.hpp"
#endif

PYBIND11_MODULE(_core, m) {
    m.doc() = "Compiled core of nanobragg.";
    m.attr("__version__") = NANOBRAGG_VERSION;
    translate_input_errors();
    register_render(m);
    register_random(m);
    register_files(m);
    register_symmetry(m);
    register_response(m);
#ifdef NANOBRAGG_PLAYED_DEVICE
    nanobragg::register_gpu(m, [](int) { return std::make_shared<nanobragg::gpu::HostDevice>(); }, "Played");
#endif
}
