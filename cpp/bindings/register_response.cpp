// Scattering of what is around the crystal, and what a detector makes of photons.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <vector>

#include "nanobragg/amorphous.hpp"
#include "nanobragg/coarse_grid.hpp"
#include "nanobragg/detector_noise.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/measurement.hpp"
#include "nanobragg/psf.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace nanobragg {
namespace {

using Image = py::array_t<float, py::array::c_style>;
using Doubles = py::array_t<double, py::array::c_style>;
using Whole = py::array_t<std::int32_t, py::array::c_style>;
using Triple = std::array<double, 3>;

Vec3 vec3_of(const py::object& object, const char* name) {
    const auto v = object.attr(name).cast<Triple>();
    return {v[0], v[1], v[2]};
}

// From the attributes of nanobragg.records.amorphous.AmorphousScene.
AmorphousScene scene_of(const py::object& p) {
    AmorphousScene s;
    const auto shape = p.attr("shape").cast<std::array<std::size_t, 2>>();
    s.slow = shape[0];
    s.fast = shape[1];
    const auto roi = p.attr("roi").cast<std::array<std::int64_t, 4>>();
    std::copy(roi.begin(), roi.end(), s.roi);
    s.origin = vec3_of(p, "origin");
    s.fast_axis = vec3_of(p, "fast_axis");
    s.slow_axis = vec3_of(p, "slow_axis");
    s.beam = vec3_of(p, "beam");
    const auto pixel = p.attr("pixel_size").cast<std::array<double, 2>>();
    s.pixel_size = pixel[0];
    s.pixel_height = pixel[1];
    s.pixel_area = p.attr("pixel_area").cast<double>();
    s.close_distance = p.attr("close_distance").cast<double>();
    s.distance = p.attr("distance").cast<double>();
    s.oversample = p.attr("oversample").cast<std::int64_t>();
    s.curved = p.attr("curved").cast<bool>();
    s.point_pixel = p.attr("point_pixel").cast<bool>();
    const auto travel = p.attr("source_travel").cast<std::vector<Triple>>();
    const auto wavelength = p.attr("source_wavelength").cast<std::vector<double>>();
    const auto weight = p.attr("source_weight").cast<std::vector<double>>();
    for (std::size_t i = 0; i < travel.size(); ++i) {
        s.sources.push_back({{travel[i][0], travel[i][1], travel[i][2]}, wavelength.at(i), weight.at(i)});
    }
    s.polarized = p.attr("polarized").cast<bool>();
    s.kahn_factor = p.attr("kahn_factor").cast<double>();
    s.polarization_axis = vec3_of(p, "polarization_axis");
    s.cross_section = p.attr("cross_section").cast<double>();
    s.fluence = p.attr("fluence").cast<double>();
    s.molecules = p.attr("molecules").cast<double>();
    s.steps = p.attr("steps").cast<double>();
    s.signed_intensity = p.attr("signed_intensity").cast<bool>();
    s.show = static_cast<AmorphousScene::Show>(p.attr("show").cast<int>());
    return s;
}

Profile profile_of(const py::object& p) {
    return {p.attr("profile_stol").cast<std::vector<double>>(), p.attr("profile_amplitude").cast<std::vector<double>>(),
            p.attr("profile_held").cast<bool>()};
}

template <class Array>
auto data_of(const AmorphousScene& scene, Array& array, const char* name) {
    if (array.size() != static_cast<py::ssize_t>(scene.slow * scene.fast)) {
        throw InputError(std::string(name) + ": expected an array of the panel's shape");
    }
    return array.mutable_data();
}

template <class Pixel>
void render_rows(AmorphousRenderer& renderer, std::size_t first, std::size_t end,
                 py::array_t<Pixel, py::array::c_style>& image, int threads, const py::object& facts) {
    const AmorphousScene& scene = renderer.scene();
    Pixel* pixels = data_of(scene, image, "image");
    if (end > scene.slow || first > end) throw InputError("rows: expected a part of the panel");
    PixelFacts where;
    if (!facts.is_none()) {
        auto stol = facts.attr("stol").cast<Doubles>(), polar = facts.attr("polar").cast<Doubles>(),
             omega = facts.attr("omega").cast<Doubles>();
        auto point = facts.attr("point").cast<Whole>();
        where = {data_of(scene, stol, "stol"), data_of(scene, polar, "polar"), data_of(scene, omega, "omega"),
                 data_of(scene, point, "point"), facts.attr("means").cast<bool>()};
    }
    const py::gil_scoped_release release;
    renderer.rows(first, end, threads, pixels, facts.is_none() ? nullptr : &where);
}

py::tuple statistics_in_order(const Image& image, const std::array<std::int64_t, 4>& roi, std::int64_t count,
                              bool shifted) {
    if (image.ndim() != 2) throw InputError("image: expected an array (slow, fast)");
    const auto slow = static_cast<std::size_t>(image.shape(0)), fast = static_cast<std::size_t>(image.shape(1));
    const Frame frame{{{slow, fast, roi[0], roi[1], roi[2], roi[3]}}};
    const float* pixels = image.data();
    OrderedStatistics found;
    {
        const py::gil_scoped_release release;
        found = ordered_statistics(pixels, frame, count, shifted);
    }
    return py::make_tuple(found.mean, found.rms, found.rmsd, found.maximum, found.maximum_at);
}

py::tuple bins_of(const Image& amplitude, const Whole& bin, const std::vector<std::int64_t>& count) {
    if (bin.size() != amplitude.size()) throw InputError("bin: expected the image's shape");
    for (py::ssize_t i = 0; i < bin.size(); ++i) {
        if (bin.data()[i] < 0 || static_cast<std::size_t>(bin.data()[i]) >= count.size()) {
            throw InputError("bin: expected numbers of bins");
        }
    }
    const BinnedProfile found =
        binned_profile(amplitude.data(), bin.data(), static_cast<std::size_t>(amplitude.size()), count);
    return py::make_tuple(found.mean, found.deviation,
                          Image(static_cast<py::ssize_t>(found.values.size()), found.values.data()));
}

CountingModel counting_of(const py::object& p) {
    CountingModel m;
    m.flicker = p.attr("flicker").cast<double>();
    m.calibration = p.attr("calibration").cast<double>();
    m.flicker_per_pixel = p.attr("flicker_per_pixel").cast<bool>();
    m.shared_calibration = p.attr("shared_calibration").cast<bool>();
    m.calibration_first = p.attr("calibration_first").cast<bool>();
    m.may_be_negative = p.attr("may_be_negative").cast<bool>();
    m.exact_counting = p.attr("exact_counting").cast<bool>();
    m.whole = p.attr("whole").cast<bool>();
    m.minus_one_first = p.attr("minus_one_first").cast<bool>();
    return m;
}

ReadoutModel readout_of(const py::object& p) {
    ReadoutModel m;
    m.gain = p.attr("gain").cast<double>();
    m.offset = p.attr("offset").cast<double>();
    m.readout = p.attr("readout").cast<double>();
    m.bits = p.attr("bits").cast<int>();
    m.round = p.attr("round").cast<bool>();
    m.clamp = p.attr("clamp").cast<bool>();
    m.most = p.attr("most").cast<double>();
    return m;
}

std::vector<py::ssize_t> shape_of(const Image& image) { return {image.shape(), image.shape() + image.ndim()}; }

py::tuple draw_photons(DetectorNoise& noise, const Image& expected, const py::object& model, const py::object& map) {
    const CountingModel counting = counting_of(model);
    Image deviates;
    if (!map.is_none()) deviates = map.cast<Image>();
    const bool mapped = counting.calibration > 0.0 && counting.calibration_first && !counting.shared_calibration;
    if (mapped && deviates.size() != expected.size()) {
        throw InputError("map: expected the image's shape");
    }
    Image photons(shape_of(expected));
    const float *in = expected.data(), *z = map.is_none() ? nullptr : deviates.data();
    float* out = photons.mutable_data();
    double sum = 0;
    {
        const py::gil_scoped_release release;
        sum = noise.photons(in, static_cast<std::size_t>(expected.size()), counting, z, out);
    }
    return py::make_tuple(std::move(photons), sum);
}

// Calls convert(narrow, wide) with an array of whole numbers of the model's bits.
template <class Convert>
py::object with_numbers(const Image& image, const ReadoutModel& model, Convert convert) {
    if (model.bits == 16) {
        py::array_t<std::uint16_t> pixels(shape_of(image));
        convert(pixels.mutable_data(), nullptr);
        return pixels;
    }
    py::array_t<std::uint32_t> pixels(shape_of(image));
    convert(nullptr, pixels.mutable_data());
    return pixels;
}

py::tuple draw_counts(DetectorNoise& noise, const Image& photons, const py::object& model) {
    const ReadoutModel readout = readout_of(model);
    const float* in = photons.data();
    NoiseCounts found;
    const py::object pixels = with_numbers(photons, readout, [&](std::uint16_t* narrow, std::uint32_t* wide) {
        const py::gil_scoped_release release;
        found = noise.counts(in, static_cast<std::size_t>(photons.size()), readout, narrow, wide);
    });
    return py::make_tuple(pixels, found.photons, found.overloads);
}

py::object numbers_of(const Image& photons, const py::object& model, int threads) {
    const ReadoutModel readout = readout_of(model);
    const float* in = photons.data();
    return with_numbers(photons, readout, [&](std::uint16_t* narrow, std::uint32_t* wide) {
        const py::gil_scoped_release release;
        whole_numbers(in, static_cast<std::size_t>(photons.size()), readout, threads, narrow, wide);
    });
}

Image map_of(std::int64_t state, const std::vector<py::ssize_t>& shape) {
    Image deviates(shape);
    float* out = deviates.mutable_data();
    const auto pixels = static_cast<std::size_t>(deviates.size());
    const py::gil_scoped_release release;
    calibration_map(state, pixels, out);
    return deviates;
}

PsfShape psf_shape(const std::string& name) {
    if (name == "gauss") return PsfShape::gauss;
    if (name == "fiber") return PsfShape::fiber;
    throw InputError("psf: found " + name + ", expected gauss or fiber");
}

Doubles kernel_of(const std::string& shape, double width, std::int32_t radius, bool round, int threads) {
    const auto kernel = psf_kernel(psf_shape(shape), width, radius, round, threads);
    const auto size = 2 * static_cast<py::ssize_t>(radius) + 1;
    return Doubles({size, size}, kernel.data());
}

py::tuple spread_of(const Image& image, const std::string& shape, double width, std::int32_t radius,
                    const py::object& rules, int threads) {
    if (image.ndim() != 2) throw InputError("image: expected an array (slow, fast)");
    PsfRules r;
    r.wrap = rules.attr("wrap").cast<bool>();
    r.tail = rules.attr("tail").cast<bool>();
    r.drop_negative = rules.attr("drop_negative").cast<bool>();
    r.drop_faint = rules.attr("drop_faint").cast<bool>();
    r.spread_nan = rules.attr("spread_nan").cast<bool>();
    r.conserve = rules.attr("conserve").cast<bool>();
    const PsfShape kind = psf_shape(shape);
    Image out(shape_of(image));
    const float* in = image.data();
    float* to = out.mutable_data();
    const auto slow = static_cast<std::size_t>(image.shape(0)), fast = static_cast<std::size_t>(image.shape(1));
    PsfReport report;
    {
        const py::gil_scoped_release release;
        report = spread(in, slow, fast, kind, width, radius, r, threads, to);
    }
    return py::make_tuple(std::move(out), report.largest, report.radius, report.automatic, report.empty, report.lost);
}

Image coarsened(const Image& image, int threads) {
    if (image.ndim() != 2) throw InputError("image: expected an array (slow, fast)");
    const auto slow = static_cast<std::size_t>(image.shape(0)), fast = static_cast<std::size_t>(image.shape(1));
    Image coarse({coarse_nodes(slow), coarse_nodes(fast)});
    const float* in = image.data();
    float* out = coarse.mutable_data();
    const py::gil_scoped_release release;
    coarsen(in, slow, fast, threads, out);
    return coarse;
}

void refine_into(const Image& coarse, py::array_t<float>& image, int threads) {
    auto pixels = image.mutable_unchecked<2>();
    const auto slow = static_cast<std::size_t>(pixels.shape(0)), fast = static_cast<std::size_t>(pixels.shape(1));
    const auto has = [&](py::ssize_t axis, std::size_t nodes) {
        return coarse.ndim() == 2 && static_cast<std::size_t>(coarse.shape(axis)) == nodes;
    };
    if (!has(0, coarse_nodes(slow)) || !has(1, coarse_nodes(fast)) || (image.flags() & py::array::c_style) == 0) {
        throw InputError("refine: expected the nodes of the image, and an image in C order");
    }
    const float* from = coarse.data();
    float* to = image.mutable_data();
    const py::gil_scoped_release release;
    refine(from, slow, fast, threads, to);
}

Image normals_of(std::uint64_t key, const std::vector<py::ssize_t>& shape, int threads) {
    Image deviates(shape);
    float* out = deviates.mutable_data();
    const auto pixels = static_cast<std::size_t>(deviates.size());
    const py::gil_scoped_release release;
    normal_deviates(key, pixels, threads, out);
    return deviates;
}

py::tuple counted_moments_of(const Doubles& photons, double dead_time, bool paralyzable) {
    Doubles mean(photons.size()), variance(photons.size());
    for (py::ssize_t i = 0; i < photons.size(); ++i) {
        const CountedMoments of = counted_moments(photons.data()[i], dead_time, paralyzable);
        mean.mutable_data()[i] = of.mean;
        variance.mutable_data()[i] = of.variance;
    }
    return py::make_tuple(mean, variance);
}

Image with_dead_time(const Image& photons, double dead_time, bool paralyzable, std::uint64_t key, int threads) {
    Image counted(shape_of(photons));
    const float* in = photons.data();
    float* out = counted.mutable_data();
    const py::gil_scoped_release release;
    count_with_dead_time(in, static_cast<std::size_t>(photons.size()), {dead_time, paralyzable, key}, threads, out);
    return counted;
}

py::tuple digitize_image(const Image& photons, double gain, double offset, double noise, double lowest, double highest,
                         std::uint64_t key, const py::object& gain_map, const py::object& offset_map, int threads) {
    Digitizer digitizer{gain, offset, noise, lowest, highest, key, nullptr, nullptr};
    Image factors, offsets;
    const auto pixels_of = [&](const py::object& map, Image& kept) -> const float* {
        if (map.is_none()) return nullptr;
        kept = map.cast<Image>();
        if (kept.size() != photons.size()) throw InputError("map: expected the image's shape");
        return kept.data();
    };
    digitizer.gain_map = pixels_of(gain_map, factors);
    digitizer.offset_map = pixels_of(offset_map, offsets);
    if (!(lowest >= -2147483648.0 && lowest <= highest && highest <= 2147483647.0)) {
        throw InputError("digitize: expected whole numbers of 32 bits");
    }
    Whole counts(shape_of(photons));
    const float* in = photons.data();
    std::int32_t* out = counts.mutable_data();
    std::int64_t above = 0;
    {
        const py::gil_scoped_release release;
        above = digitize(in, static_cast<std::size_t>(photons.size()), digitizer, threads, out);
    }
    return py::make_tuple(std::move(counts), above);
}

}  // namespace
}  // namespace nanobragg

void register_response(py::module_& module) {
    using namespace nanobragg;
    py::class_<AmorphousRenderer>(module, "AmorphousRenderer", "Renders an AmorphousScene, rows at a time.")
        .def(py::init([](const py::object& scene) { return AmorphousRenderer(scene_of(scene), profile_of(scene)); }),
             py::arg("scene"))
        .def("rows", &render_rows<float>, py::arg("first"), py::arg("end"), py::arg("image").noconvert(),
             py::arg("threads") = 0, py::arg("facts") = py::none(),
             "Fills the rows first ... end - 1 of `image` (slow, fast), float32 or float64.")
        .def("rows", &render_rows<double>, py::arg("first"), py::arg("end"), py::arg("image").noconvert(),
             py::arg("threads") = 0, py::arg("facts") = py::none(), "The same.")
        .def_property_readonly("solid_angle", &AmorphousRenderer::solid_angle,
                               "Steradian, of all subpixels rendered so far.")
        .def_property_readonly("outside", &AmorphousRenderer::outside, "Evaluations so far outside the table.");
    module.def("ordered_statistics", &statistics_in_order, py::arg("image"), py::arg("roi"), py::arg("count"),
               py::arg("shifted"),
               "Mean, rms, rmsd, maximum and the flat index of its first pixel (-1: none), summed in reading order.");
    module.def("binned_profile", &bins_of, py::arg("amplitude"), py::arg("bin"), py::arg("count"),
               "Means and rms deviations, float32 numbers, of the amplitudes in every bin, and these, bin after bin.");

    py::class_<DetectorNoise>(module, "DetectorNoise", "noisify.c's two streams, with their table and spare deviate.")
        .def(py::init<std::int64_t, std::int64_t>(), py::arg("seed"), py::arg("calibration_state"))
        .def("photons", &draw_photons, py::arg("expected"), py::arg("model"), py::arg("map") = py::none(),
             "Photons (float32) for the expected ones, and their sum.")
        .def("counts", &draw_counts, py::arg("photons"), py::arg("model"),
             "Whole numbers (uint16 or uint32), sum of the photons, overloads.");
    module.def("calibration_map", &map_of, py::arg("state"), py::arg("shape"),
               "Deviates of mean 0 and rms 1, float32, from a stream of their own.");
    module.def("whole_numbers", &numbers_of, py::arg("photons"), py::arg("model"), py::arg("threads") = 0,
               "Whole numbers (uint16 or uint32) without noise.");
    module.def("psf_kernel", &kernel_of, py::arg("shape"), py::arg("width"), py::arg("radius"), py::arg("round"),
               py::arg("threads") = 0, "A point spread function integrated over pixels, (2 radius + 1, 2 radius + 1).");
    module.def("spread", &spread_of, py::arg("image"), py::arg("shape"), py::arg("width"), py::arg("radius"),
               py::arg("rules"), py::arg("threads") = 0,
               "The image (slow, fast) with every pixel spread; largest pixel, radius, whether that is automatic, "
               "whether there was nothing to spread, light beyond the radii.");

    module.attr("COARSE_STEP") = coarse_step;
    module.def("coarsen", &coarsened, py::arg("image"), py::arg("threads") = 0,
               "Every pixel's value, given to the nodes around it of a grid that is COARSE_STEP times as coarse.");
    module.def("refine", &refine_into, py::arg("coarse"), py::arg("image").noconvert(), py::arg("threads") = 0,
               "Adds to every pixel of `image`, float32 in C order, the value there of polynomials through the nodes.");

    module.def("measurement_key", &measurement_key, py::arg("seed"), py::arg("shot"), py::arg("stage"),
               py::arg("panel"), "The key of a stream of random numbers.");
    module.def("normal_deviates", &normals_of, py::arg("key"), py::arg("shape"), py::arg("threads") = 0,
               "Deviates of mean 0 and rms 1, float32: the same for a pixel whatever the shape and threads.");
    module.def(
        "counted_moments", &counted_moments_of, py::arg("photons"), py::arg("dead_time"), py::arg("paralyzable"),
        "Means and variances of the counts of numbers of photons, flat; the dead time is a part of the exposure.");
    module.def("with_dead_time", &with_dead_time, py::arg("photons"), py::arg("dead_time"), py::arg("paralyzable"),
               py::arg("key"), py::arg("threads") = 0, "What a counter with a dead time makes of photons, float32.");
    module.def("digitize", &digitize_image, py::arg("photons"), py::arg("gain"), py::arg("offset"), py::arg("noise"),
               py::arg("lowest"), py::arg("highest"), py::arg("key"), py::arg("gain_map") = py::none(),
               py::arg("offset_map") = py::none(), py::arg("threads") = 0,
               "Whole numbers (int32) of photons * gain + offset + noise, and how many are above the highest.");
}
