#include "register_gpu.hpp"

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "callbacks.hpp"
#include "derivatives_in_python.hpp"
#include "dlpack.hpp"
#include "gpu_derivatives.hpp"
#include "gpu_renderer.hpp"
#include "nanobragg/error.hpp"
#include "noise.hpp"
#include "point_spread.hpp"
#include "scene_arguments.hpp"
#include "scene_from_python.hpp"

namespace py = pybind11;

namespace nanobragg {
namespace {

using gpu::Buffer;
using gpu::DeviceResult;

// An image that stays on its device.
struct DeviceImage {
    std::shared_ptr<Buffer> pixels;
    std::vector<py::ssize_t> shape;  // (panel, slow, fast), or flat
    Elements of = Elements::float32;

    bool counts() const { return of == Elements::int32; }
};

// Photons that are to be counted.
void check_photons(const char* what, const DeviceImage& image) {
    if (image.counts()) throw InputError(std::string(what) + ": found an image of counts, expected photons");
    if (image.of == Elements::float64) throw InputError(std::string(what) + ": found float64, expected float32");
}

py::array to_numpy(const DeviceImage& image) {
    const py::dtype type = image.counts()                  ? py::dtype::of<std::int32_t>()
                           : image.of == Elements::float64 ? py::dtype::of<double>()
                                                           : py::dtype::of<float>();
    py::array out(type, image.shape);
    void* to = out.mutable_data();
    const py::gil_scoped_release release;
    gpu::make_pages(to, image.pixels->bytes());
    image.pixels->device().download(to, image.pixels->as<void>(), image.pixels->bytes());
    return out;
}

py::tuple dlpack_device(const DeviceImage& image) {
    const int number = image.pixels->device().number();
    return py::make_tuple(number < 0 ? kDlpackCpu : kDlpackCuda, number < 0 ? 0 : number);
}

DeviceImage noisy(const DeviceImage& image, const py::int_& seed, double adc_offset, const py::object& roi) {
    check_photons("noisy", image);
    gpu::NoiseJob job{};
    job.image = image.pixels->as<float>();
    const bool flat = image.shape.size() == 1;
    if (flat && !roi.is_none()) {
        throw InputError("roi: found one for an image of panels of several shapes, expected none");
    }
    job.nslow = flat ? 1 : image.shape[1];
    job.nfast = flat ? image.shape[0] : image.shape[2];
    job.pixels = (flat ? 1 : image.shape[0]) * job.nslow * job.nfast;
    std::vector<std::int64_t> limits{0, job.nfast - 1, 0, job.nslow - 1};
    if (!roi.is_none()) {
        try {
            limits = roi.cast<std::vector<std::int64_t>>();
        } catch (const py::cast_error&) {
            limits.clear();
        }
    }
    if (limits.size() != 4) throw InputError("roi: expected fast first, fast last, slow first, slow last");
    std::copy(limits.begin(), limits.end(), job.roi);
    job.adc_offset = adc_offset;
    job.seed = PyLong_AsUnsignedLongLongMask(seed.ptr());
    gpu::Device& device = image.pixels->device();
    const py::gil_scoped_release release;
    DeviceImage out{
        std::make_shared<Buffer>(image.pixels->owner(), static_cast<std::size_t>(job.pixels) * sizeof(std::int32_t)),
        image.shape, Elements::int32};
    job.out = out.pixels->as<std::int32_t>();
    device.noise(job);
    device.wait();
    return out;
}

// A detector whose maps lie on a device.
class DeviceDetector {
  public:
    // `said` has the numbers of all panels, `panels` their maps (nanobragg.rendering.on_device).
    DeviceDetector(const DeviceImage& image, const py::object& said, const py::sequence& panels)
        : owner_(image.pixels->owner()) {
        common_.counting = said.attr("counting").cast<bool>();
        common_.gain = said.attr("gain").cast<double>();
        common_.offset = said.attr("offset").cast<double>();
        common_.noise = said.attr("readout").cast<double>();
        common_.lowest = said.attr("lowest").cast<double>();
        common_.highest = said.attr("highest").cast<double>();
        common_.dead_time.part = said.attr("dead_time").cast<double>();
        common_.dead_time.paralyzable = said.attr("paralyzable").cast<bool>();
        for (const auto& panel : panels) {
            gpu::CountsJob job = common_;
            job.pixels = panel.attr("pixels").cast<std::int64_t>();
            const auto floats = [&](const char* name) { return uploaded<float>(panel.attr(name), job.pixels); };
            job.maps = {floats("added"),
                        floats("passed"),
                        floats("shadow"),
                        floats("calibration"),
                        floats("gain_map"),
                        floats("dark_map"),
                        uploaded<std::uint8_t>(panel.attr("fate"), job.pixels)};
            jobs_.push_back(job);
            spreads_.push_back(spread_of(panel.attr("spread")));
        }
        owner_->wait();
        held_.clear();
        known_.clear();
    }

    // `keys`: of the photons, of the count rate and of the read-out noise, for every panel.
    DeviceImage counts(const DeviceImage& image, float factor,
                       const std::vector<std::array<std::uint64_t, 3>>& keys) const {
        check_photons("measured", image);
        if (image.pixels->owner() != owner_) throw InputError("measured: found an image on another device");
        std::int64_t pixels = 0;
        for (const gpu::CountsJob& job : jobs_) pixels += job.pixels;
        if (image.pixels->bytes() != static_cast<std::size_t>(pixels) * sizeof(float) || keys.size() != jobs_.size()) {
            throw InputError("measured: found an image of another shape than the detector's");
        }
        const py::gil_scoped_release release;
        DeviceImage out{std::make_shared<Buffer>(owner_, static_cast<std::size_t>(pixels) * sizeof(std::int32_t)),
                        image.shape, Elements::int32};
        std::optional<SpreadingRoom> room;
        if (const std::size_t bytes = spreading_bytes(); bytes > 0) room.emplace(owner_, bytes, largest_panel());
        std::int64_t first = 0;
        for (std::size_t panel = 0; panel < jobs_.size(); ++panel) {
            gpu::CountsJob job = jobs_[panel];
            job.image = image.pixels->as<float>() + first;
            job.out = out.pixels->as<std::int32_t>() + first;
            job.factor = factor;
            std::tie(job.photon_key, job.dead_time.key, job.noise_key) = std::tuple_cat(keys[panel]);
            if (spreads_[panel] && room) {
                job.light = room->light.as<float>();
                job.stages = gpu::Stages::before_spread;
                owner_->count(job);
                spreads_[panel]->spread(job.light, room->one, room->other);
                job.stages = gpu::Stages::after_spread;
            }
            owner_->count(job);
            first += job.pixels;
        }
        owner_->wait();
        return out;
    }

  private:
    // Of one panel after the other.
    struct SpreadingRoom {
        SpreadingRoom(const std::shared_ptr<gpu::Device>& device, std::size_t bytes, std::size_t pixels)
            : one(device, bytes), other(device, bytes), light(device, pixels * sizeof(float)) {}
        Buffer one, other, light;
    };

    std::size_t spreading_bytes() const {
        std::size_t most = 0;
        for (const auto& spread : spreads_) most = std::max(most, spread ? spread->room() : 0);
        return most;
    }

    std::size_t largest_panel() const {
        std::int64_t most = 0;
        for (const gpu::CountsJob& job : jobs_) most = std::max(most, job.pixels);
        return static_cast<std::size_t>(most);
    }

    // A panel's point spread, or null; one for all panels that share their spectrum.
    std::shared_ptr<gpu::PointSpread> spread_of(const py::object& said) {
        if (said.is_none()) return nullptr;
        const auto shape = said.attr("shape").cast<std::array<std::uint32_t, 2>>();
        const auto size = said.attr("size").cast<std::array<std::uint32_t, 2>>();
        const py::array spectrum = py::array::ensure(said.attr("spectrum"), py::array::c_style);
        auto& found = known_[{spectrum.data(), shape}];
        if (found) return found;
        held_.push_back(spectrum);
        const bool even = spectrum.dtype().kind() != 'c';
        if (spectrum.itemsize() != (even ? 4 : 8)) throw InputError("point spread: expected single precision");
        const auto buffer = std::make_shared<Buffer>(owner_, static_cast<std::size_t>(spectrum.nbytes()));
        owner_->upload(buffer->as<void>(), spectrum.data(), buffer->bytes());
        found = std::make_shared<gpu::PointSpread>(owner_, shape[0], shape[1], size[0], size[1], buffer, even);
        return found;
    }

    template <class T>
    const T* uploaded(const py::object& map, std::int64_t pixels) {
        if (map.is_none()) return nullptr;
        const auto values = map.cast<py::array_t<T, py::array::c_style>>();
        if (values.size() != pixels) throw InputError("measured: found a map of another shape than the panel's");
        const std::size_t bytes = static_cast<std::size_t>(pixels) * sizeof(T);
        held_.push_back(values);
        maps_.push_back(std::make_shared<Buffer>(owner_, bytes));
        owner_->upload(maps_.back()->template as<void>(), values.data(), bytes);
        return maps_.back()->template as<T>();
    }

    std::shared_ptr<gpu::Device> owner_;
    gpu::CountsJob common_{};
    std::vector<gpu::CountsJob> jobs_;
    std::vector<std::shared_ptr<Buffer>> maps_;
    std::vector<std::shared_ptr<gpu::PointSpread>> spreads_;
    std::map<std::pair<const void*, std::array<std::uint32_t, 2>>, std::shared_ptr<gpu::PointSpread>> known_;
    std::vector<py::object> held_;  // until they are uploaded
};

// Work of the device is done when an image is handed out, so that any stream may read it at once.
py::capsule to_dlpack(const DeviceImage& image, const py::object& dl_device, const py::object& copy) {
    if (!dl_device.is_none() && !dl_device.equal(dlpack_device(image))) {
        throw py::buffer_error("DeviceImage: the image is on another device; numpy() copies it to the host");
    }
    if (!copy.is_none() && copy.cast<bool>()) {
        throw py::buffer_error("DeviceImage: no copy is made by __dlpack__, expected copy=False or None");
    }
    const int number = image.pixels->device().number();
    image.pixels->share();
    return dlpack_capsule(image.pixels, image.pixels->as<void>(), {image.shape.begin(), image.shape.end()}, image.of,
                          number < 0 ? kDlpackCpu : kDlpackCuda, number < 0 ? 0 : number);
}

py::dict cuda_array_interface(const DeviceImage& image) {
    if (image.pixels->device().number() < 0) throw py::attribute_error("__cuda_array_interface__");
    image.pixels->share();
    py::dict d;
    d["shape"] = py::tuple(py::cast(image.shape));
    d["typestr"] = image.counts() ? "<i4" : image.of == Elements::float64 ? "<f8" : "<f4";
    d["data"] = py::make_tuple(reinterpret_cast<std::uintptr_t>(image.pixels->as<void>()), false);
    d["strides"] = py::none();
    d["version"] = 3;
    d["stream"] = py::none();  // nothing is to be waited for
    return d;
}

// The renderer, and what its scene's pointers belong to.
class PythonRenderer {
  public:
    PythonRenderer(std::shared_ptr<gpu::Device> device, double budget) : renderer_(std::move(device), budget) {}

    void load(std::shared_ptr<BoundScene> scene, const std::string& precision) {
        const Turn turn(busy_);
        const Precision wanted = precision_of(precision);
        // The array of the scene before has lived until now: another one is elsewhere.
        const bool same_grid = bound_ && bound_->scene().f_grid == scene->scene().f_grid;
        {
            const py::gil_scoped_release release;
            renderer_.load(scene->scene(), wanted, same_grid);
        }
        bound_ = std::move(scene);
    }

    void orient(const py::object& orientations, const py::object& first) {
        const Turn turn(busy_);
        auto all = orientations_from_python(orientations, "orientations");
        auto of_first =
            first.is_none() ? std::vector<Orientation>() : orientations_from_python(first, "first_orientations");
        const py::gil_scoped_release release;
        renderer_.orient(std::move(all), std::move(of_first));
    }

    py::tuple render(const py::object& progress, int threads) {
        const Turn turn(busy_);
        Progress tick(progress);
        DeviceResult result;
        {
            const py::gil_scoped_release release;
            result = renderer_.render([&tick](double fraction) { return tick(fraction); }, threads);
        }
        tick.rethrow();
        const DeviceImage image{std::move(result.image), image_shape(renderer_.scene())};
        return py::make_tuple(image, result.solid_angle, result.interpolation_left, result.evaluations);
    }

  private:
    // Rendering lets other Python threads run; waiting for them here could wait for this one's progress callback.
    class Turn {
      public:
        explicit Turn(std::atomic<bool>& busy) : busy_(busy) {
            if (busy_.exchange(true))
                throw InputError("Renderer: found it at work in another thread, expected one of its own for each");
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() { busy_.store(false); }

      private:
        std::atomic<bool>& busy_;
    };

    std::atomic<bool> busy_{false};
    gpu::GpuRenderer renderer_;
    std::shared_ptr<BoundScene> bound_;
};

// One device.
class DeviceDifferentiator {
  public:
    explicit DeviceDifferentiator(std::shared_ptr<gpu::Device> device) : device_(std::move(device)) {}

    void jvp(const Scene& scene, const std::vector<SceneChange>& directions, double* changes,
             const DerivativeOptions& options) const {
        gpu::render_jvp(device_, scene, directions, changes, options);
    }
    SceneChange vjp(const Scene& scene, const double* weights, const DerivativeOptions& options) const {
        return gpu::render_vjp(device_, scene, weights, options);
    }

    // The image, which stays there.
    DeviceImage image(const BoundScene& bound, int threads) const {
        const Scene& scene = bound.scene();
        DerivativeOptions options;
        options.threads = threads;
        const py::gil_scoped_release release;
        return {gpu::render_there(device_, scene, options), image_shape(scene), Elements::float64};
    }

    // The derivatives of a sum whose weights, one for each pixel, are there.
    py::dict slopes(const BoundScene& bound, const py::object& weights, int threads, bool grid) const {
        const Scene& scene = bound.scene();
        DerivativeOptions options;
        options.threads = threads;
        options.grid = grid;
        const double* values = there(weights, scene.pixels());
        SceneChange change;
        {
            const py::gil_scoped_release release;
            change = gpu::render_vjp_there(device_, scene, values, options);
        }
        return dict_of(scene, change);
    }

  private:
    // Where the numbers of an array on this device are: an image of ours, or what CUDA's libraries tell of theirs.
    const double* there(const py::object& array, std::int64_t count) const {
        if (py::isinstance<DeviceImage>(array)) {
            const auto& image = array.cast<const DeviceImage&>();
            const bool fits = image.of == Elements::float64 && image.pixels->bytes() == count * sizeof(double);
            if (fits && image.pixels->device().number() == device_->number()) return image.pixels->as<double>();
        } else if (py::hasattr(array, "__cuda_array_interface__")) {
            const py::dict said = array.attr("__cuda_array_interface__");
            std::int64_t size = 1;
            for (const auto n : said["shape"].cast<std::vector<std::int64_t>>()) size *= n;
            const bool in_a_row = !said.contains("strides") || said["strides"].is_none();
            if (size == count && in_a_row && said["typestr"].cast<std::string>() == "<f8") {
                const auto place = said["data"].cast<py::tuple>()[0].cast<std::uintptr_t>();
                const double* values = nullptr;
                std::memcpy(static_cast<void*>(&values), &place, sizeof values);
                return values;
            }
        }
        throw InputError("weights: expected float64 in a row on the device, one for each of " + std::to_string(count) +
                         " pixels");
    }

    std::shared_ptr<gpu::Device> device_;
};

}  // namespace

void register_gpu(py::module_& m, const DeviceMaker& make, const std::string& prefix) {
    py::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const gpu::DeviceError& error) {
            set_error("DeviceError", error);
        }
    });
    py::class_<DeviceImage>(m, (prefix + "DeviceImage").c_str(), py::module_local(),
                            "An image (panel, slow, fast), or flat, in the memory of its device: photons as float32 or "
                            "float64, or counts as "
                            "int32.")
        .def_property_readonly("shape", [](const DeviceImage& image) { return py::tuple(py::cast(image.shape)); })
        .def("numpy", &to_numpy, "A copy on the host.")
        .def(
            "__array__",
            [](const DeviceImage& image, const py::object& dtype, const py::object&) {
                const py::array array = to_numpy(image);
                return dtype.is_none() ? py::object(array) : array.attr("astype")(dtype);
            },
            py::arg("dtype") = py::none(), py::arg("copy") = py::none())
        .def("noisy", &noisy, py::arg("seed"), py::kw_only(), py::arg("adc_offset") = 40.0, py::arg("roi") = py::none(),
             "Photons drawn by the fast generator, plus adc_offset, int32.")
        .def(
            "detector",
            [](const DeviceImage& image, const py::object& said, const py::sequence& panels) {
                return std::make_unique<DeviceDetector>(image, said, panels);
            },
            py::arg("said"), py::arg("panels"), "A detector on the device of this image.")
        .def("__dlpack_device__", &dlpack_device)
        .def(
            "__dlpack__",
            [](const DeviceImage& image, const py::object&, const py::object&, const py::object& dl_device,
               const py::object& copy) { return to_dlpack(image, dl_device, copy); },
            py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
            py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
        .def_property_readonly("__cuda_array_interface__", &cuda_array_interface);
    py::class_<DeviceDetector>(m, (prefix + "DeviceDetector").c_str(), py::module_local(),
                               "A detector whose maps lie on a device.")
        .def("counts", &DeviceDetector::counts, py::arg("image"), py::arg("factor"), py::arg("keys"),
             "The whole numbers, int32, that it makes of an image of photons.");
    py::class_<PythonRenderer>(m, (prefix + "Renderer").c_str(), py::module_local(),
                               "Renders scenes on one device, where structure factors and buffers stay.")
        .def(py::init([make](int number, double budget) {
                 const py::gil_scoped_release release;
                 return std::make_unique<PythonRenderer>(make(number), budget);
             }),
             py::arg("number") = 0, py::arg("budget") = gpu::kBudget)
        .def("load", &PythonRenderer::load, py::arg("scene"), py::arg("precision") = "double")
        .def("orient", &PythonRenderer::orient, py::arg("orientations"), py::arg("first_orientations") = py::none())
        .def("render", &PythonRenderer::render, py::arg("progress") = py::none(), py::arg("threads") = 0,
             "DeviceImage, solid angle (steradian), whether interpolation was left.");
    define_differentiator<DeviceDifferentiator>(m, (prefix + "Differentiator").c_str(),
                                                "Derivatives of images on one device.")
        .def(py::init([make](int number) {
                 const py::gil_scoped_release release;
                 return std::make_unique<DeviceDifferentiator>(make(number));
             }),
             py::arg("number") = 0)
        .def("image", &DeviceDifferentiator::image, py::arg("scene"), py::arg("threads") = 0,
             "The image as float64, which stays on the device.")
        .def("slopes", &DeviceDifferentiator::slopes, py::arg("scene"), py::arg("weights"), py::arg("threads") = 0,
             py::arg("grid") = true,
             "d(sum of weights x image)/d(each number of the scene); the weights are on the device.");
}

}  // namespace nanobragg
