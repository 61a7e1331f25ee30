// Derivatives of an image (specs/derivatives.md).
#include "derivatives_in_python.hpp"
#include "register.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

// This computer's processors.
struct Differentiator {
    void jvp(const Scene& scene, const std::vector<SceneChange>& directions, double* changes,
             const DerivativeOptions& options) const {
        render_jvp(scene, directions, changes, options);
    }
    SceneChange vjp(const Scene& scene, const double* weights, const DerivativeOptions& options) const {
        return render_vjp(scene, weights, options);
    }
};

}  // namespace

void register_derivatives(py::module_& m) {
    define_differentiator<Differentiator>(m, "Differentiator", "Derivatives of images on this computer's processors.")
        .def(py::init());
}
