// Rendering and tracing.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "callbacks.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"
#include "plan/plan.hpp"
#include "register.hpp"
#include "scene_from_python.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

py::tuple render_scene(const py::object& python, const std::string& precision, int threads, bool reference,
                       const py::object& progress, const SquaredFactors* factors) {
    const PythonScene input = scene_from_python(python);
    const Scene& scene = input.scene;
    py::array_t<float> image({static_cast<py::ssize_t>(scene.panels.size()), static_cast<py::ssize_t>(scene.nslow),
                              static_cast<py::ssize_t>(scene.nfast)});
    RenderOptions options;
    options.threads = threads;
    options.precision = precision_of(precision);
    options.reference = reference;
    options.factors = factors;
    Progress tick(progress);
    options.tick = [&tick](double fraction) { return tick(fraction); };
    RenderResult result;
    {
        float* pixels = image.mutable_data();
        const py::gil_scoped_release release;
        result = render(scene, options, pixels);
    }
    tick.rethrow();
    return py::make_tuple(image, result.solid_angle, result.interpolation_left, result.evaluations);
}

py::tuple tuple_of(Vec3 v) { return py::make_tuple(v.x, v.y, v.z); }

py::dict dict_of(const Evaluation& e) {
    py::dict d;
    d["layer"] = e.layer;
    d["sub_slow"] = e.sub_slow;
    d["sub_fast"] = e.sub_fast;
    d["source"] = e.source;
    d["orientation"] = e.orientation;
    d["position"] = tuple_of(e.position);
    d["airpath"] = e.airpath;
    d["diffracted"] = tuple_of(e.diffracted);
    d["incident"] = tuple_of(e.incident);
    d["wavelength"] = e.wavelength;
    d["scattering"] = tuple_of(e.scattering);
    d["stol"] = e.stol;
    d["omega"] = e.omega;
    d["capture"] = e.capture;
    d["polar"] = e.polar;
    d["a"] = tuple_of(e.a);
    d["b"] = tuple_of(e.b);
    d["c"] = tuple_of(e.c);
    d["hkl"] = py::make_tuple(e.h, e.k, e.l);
    d["hkl0"] = py::make_tuple(e.h0, e.k0, e.l0);
    d["F_cell"] = e.F_cell;
    d["interpolated"] = e.interpolated;
    d["F_latt"] = e.F_latt;
    d["skipped"] = e.skipped;
    d["term"] = e.term;
    d["sum"] = e.sum;
    return d;
}

// Hands every evaluation to Python, or keeps just the last one.
class Recorder : public Observer {
  public:
    explicit Recorder(bool all) : all_(all) {}
    void evaluation(const Evaluation& e) override {
        if (all_ || evaluations_.empty()) {
            evaluations_.push_back(e);
        } else {
            evaluations_.back() = e;
        }
    }
    py::list list() const {
        py::list out;
        for (const Evaluation& e : evaluations_) out.append(dict_of(e));
        return out;
    }

  private:
    bool all_;
    std::vector<Evaluation> evaluations_;
};

py::dict trace_pixel(const py::object& python, std::int64_t panel, std::int64_t slow, std::int64_t fast, bool all,
                     std::int64_t first_evaluation, std::int64_t out_of_range) {
    const PythonScene input = scene_from_python(python);
    const Scene& scene = input.scene;
    if (panel < 0 || panel >= static_cast<std::int64_t>(scene.panels.size()) || slow < 0 || slow >= scene.nslow ||
        fast < 0 || fast >= scene.nfast) {
        throw InputError("trace_pixel: found slow " + std::to_string(slow) + ", fast " + std::to_string(fast) +
                         ", expected a pixel of the detector (" + std::to_string(scene.nslow) + " x " +
                         std::to_string(scene.nfast) + ", slow x fast)");
    }
    const std::int64_t pixel = scene.index(panel, slow, fast);
    RunState state = state_at(scene, pixel, first_evaluation, out_of_range);
    Recorder recorder(all);
    const PixelResult result = reference_pixel(scene, panel, slow, fast, state, &recorder);
    py::dict d;
    d["evaluations"] = recorder.list();
    d["sum"] = result.sum;
    d["per_step"] = result.per_step;
    d["steps"] = scene.steps;
    d["scale"] = scene.scale;
    d["omega"] = result.omega;
    d["capture"] = result.capture;
    d["polar"] = result.polar;
    d["value"] = result.value;
    const bool inside = slow >= scene.roi[2] && slow <= scene.roi[3] && fast >= scene.roi[0] && fast <= scene.roi[1];
    d["rendered"] = inside && scene.rendered(pixel);
    return d;
}

py::tuple locate(const py::object& python, int threads) {
    const PythonScene input = scene_from_python(python);
    const py::gil_scoped_release release;
    const std::int64_t first = locate_first_evaluation(input.scene);
    const std::int64_t out_of_range = locate_out_of_range(input.scene, thread_count(threads));
    const py::gil_scoped_acquire gil;
    return py::make_tuple(first, out_of_range);
}

}  // namespace

void register_render(py::module_& m) {
    py::class_<SquaredFactors>(m, "SquaredFactors", "What mixed precision makes of a scene's structure factors.")
        .def(py::init([](const py::object& scene) { return squared_factors(scene_from_python(scene).scene); }),
             py::arg("scene"));
    m.def("render", &render_scene, py::arg("scene"), py::arg("precision") = "double", py::arg("threads") = 0,
          py::arg("reference") = false, py::arg("progress") = py::none(), py::arg("factors") = py::none(),
          "Image (panel, slow, fast) float32, solid angle (steradian), whether interpolation was left.");
    m.def("locate", &locate, py::arg("scene"), py::arg("threads") = 0,
          "Pixel of the first evaluation, and of the first one out of range; -1: none.");
    m.def(
        "reason_for_reference",
        [](const py::object& python) {
            const PythonScene input = scene_from_python(python);
            const char* reason = reason_for_reference(input.scene);
            return std::string(reason == nullptr ? "" : reason);
        },
        py::arg("scene"), "Why only the reference renderer can render a scene, or an empty text.");
    m.def("trace_pixel", &trace_pixel, py::arg("scene"), py::arg("panel"), py::arg("slow"), py::arg("fast"),
          py::arg("all"), py::arg("first_evaluation"), py::arg("out_of_range"),
          "Every intermediate of one pixel, from the reference renderer.");
    m.def("instruction_sets", &available_instruction_sets, "Instruction sets of this processor, best last.");
    m.def("instruction_set", &chosen_instruction_set, "The one in use (NANOBRAGG_ISA forces it).");
    m.def(
        "peak_flops",
        [](const std::string& precision, double seconds) {
            const bool full = precision == "double";
            if (!full && precision != "single") {
                throw InputError("precision: found " + precision + ", expected double or single");
            }
            const py::gil_scoped_release release;
            return peak_rate(full, seconds);
        },
        py::arg("precision") = "double", py::arg("seconds") = 0.2,
        "Floating-point operations per second of one core, in double or single precision.");
    m.def("thread_count", &thread_count, py::arg("threads") = 0, "Threads that a number of threads stands for.");
}
