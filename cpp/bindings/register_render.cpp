// Rendering and tracing.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "callbacks.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"
#include "nanobragg/threads.hpp"
#include "plan/precision.hpp"
#include "register.hpp"
#include "scene_arguments.hpp"
#include "scene_from_python.hpp"

namespace py = pybind11;
using namespace nanobragg;

namespace {

py::tuple render_scene(const BoundScene& bound, const std::string& precision, int threads, bool reference,
                       const py::object& progress, bool only_if_faster) {
    const Scene& scene = bound.scene();
    py::array_t<float> image(image_shape(scene));
    RenderOptions options;
    options.threads = threads;
    options.precision = precision_of(precision);
    options.reference = reference;
    options.only_if_faster = only_if_faster;
    Progress tick(progress);
    options.tick = [&tick](double fraction) { return tick(fraction); };
    RenderResult result;
    {
        float* pixels = image.mutable_data();
        const py::gil_scoped_release release;
        if (options.precision == Precision::mixed && !reference) options.factors = &bound.factors();
        result = render(scene, options, pixels);
    }
    tick.rethrow();
    return py::make_tuple(image, result.solid_angle, result.interpolation_left, result.evaluations, result.left_out,
                          result.error_bound, result.all_terms);
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

py::dict trace_pixel(const BoundScene& bound, std::int64_t panel, std::int64_t slow, std::int64_t fast, bool all,
                     int threads) {
    const Scene& scene = bound.scene();
    validate(scene);
    const auto panels = static_cast<std::int64_t>(scene.panels.size());
    if (panel < 0 || panel >= panels) {
        throw InputError("trace_pixel: found panel " + std::to_string(panel) + ", expected one from 0 to " +
                         std::to_string(panels - 1));
    }
    const Panel& traced = scene.panels[static_cast<std::size_t>(panel)];
    if (slow < 0 || slow >= traced.nslow || fast < 0 || fast >= traced.nfast) {
        throw InputError("trace_pixel: found slow " + std::to_string(slow) + ", fast " + std::to_string(fast) +
                         ", expected a pixel of the panel (" + std::to_string(traced.nslow) + " x " +
                         std::to_string(traced.nfast) + ", slow x fast)");
    }
    const PixelPlace at{panel, slow, fast};
    Recorder recorder(all);
    PixelResult result;
    {
        const py::gil_scoped_release release;
        const Located located = bound.located(threads);
        RunState state = state_at(scene, scene.index(at), located.first_evaluation, located.out_of_range);
        result = reference_pixel(scene, at, state, &recorder);
    }
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
    const std::int64_t* roi = traced.roi;
    const bool inside = slow >= roi[2] && slow <= roi[3] && fast >= roi[0] && fast <= roi[1];
    d["rendered"] = inside && traced.unmasked(slow, fast);
    return d;
}

// Names and numbers of an enumeration's members.
template <class Members>
py::dict dict_of(const Members& members) {
    py::dict d;
    for (const auto& member : members) d[member.name] = static_cast<int>(member.value);
    return d;
}

py::dict enumerations() {
    py::dict d;
    d["Shape"] = dict_of(kShapes);
    d["Factor"] = dict_of(kFactors);
    d["Interpolation"] = dict_of(kInterpolations);
    return d;
}

std::shared_ptr<BoundScene> turned(const BoundScene& bound, const py::object& orientations, const py::object& first) {
    return bound.turned(
        orientations_from_python(orientations, "orientations"),
        first.is_none() ? std::vector<Orientation>() : orientations_from_python(first, "first_orientations"));
}

}  // namespace

void register_render(py::module_& m) {
    py::class_<BoundScene, std::shared_ptr<BoundScene>>(
        m, "BoundScene", "A Scene as C++ has it, and what rendering made of its structure factors.")
        .def(py::init<const py::object&>(), py::arg("scene"))
        .def("turned", &turned, py::arg("orientations"), py::arg("first_orientations") = py::none(),
             "The same in other orientations (n, 3, 3).")
        .def("share_factors", &BoundScene::share_factors, py::arg("other"),
             "Uses what another one knows of the same array of structure factors.")
        .def_property_readonly("evaluations", [](const BoundScene& bound) { return bound.scene().evaluations(); })
        .def_property_readonly(
            "reason_for_reference",
            [](const BoundScene& bound) {
                const char* reason = reason_for_reference(bound.scene());
                return std::string(reason == nullptr ? "" : reason);
            },
            "Why only the reference renderer can render it, or an empty text.");
    m.def(
        "render", &render_scene, py::arg("scene"), py::arg("precision") = "double", py::arg("threads") = 0,
        py::arg("reference") = false, py::arg("progress") = py::none(), py::arg("only_if_faster") = true,
        "Image (panel, slow, fast) float32 (flat where shapes differ), solid angle (steradian), whether interpolation "
        "was left, evaluations, evaluations left out, bound of the error (photons), why none was left out.");
    m.def("trace_pixel", &trace_pixel, py::arg("scene"), py::arg("panel"), py::arg("slow"), py::arg("fast"),
          py::arg("all"), py::arg("threads") = 0, "Every intermediate of one pixel, from the reference renderer.");
    m.def("enumerations", &enumerations, "What a Scene may choose from: names and numbers of each enumeration.");
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
    register_derivatives(m);
}
