// Random numbers, Poisson noise, and what follows the image.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/photons.hpp"
#include "nanobragg/random.hpp"
#include "physics/philox.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace nanobragg {
namespace {

using Image = py::array_t<float, py::array::c_style>;
template <class Pixel>
using Pixels = py::array_t<Pixel, py::array::c_style>;
using Mask = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;
using Matrices = py::array_t<double, py::array::c_style>;
// Of each panel: slow and fast pixels; fast first, fast last, slow first, slow last of its region of interest.
using Regions = std::vector<std::array<std::int64_t, 6>>;

Frame frame_of(const Image& image, const Regions& regions) {
    Frame frame;
    for (const auto& panel : regions) {
        frame.panels.push_back({static_cast<std::size_t>(panel[0]), static_cast<std::size_t>(panel[1]), panel[2],
                                panel[3], panel[4], panel[5]});
    }
    if (frame.pixels() != static_cast<std::size_t>(image.size())) {
        throw InputError("image: found " + std::to_string(image.size()) + " pixels, expected " +
                         std::to_string(frame.pixels()) + " of its panels");
    }
    return frame;
}

template <class Pixel>
Pixels<Pixel> pixels_like(const Image& image) {
    return Pixels<Pixel>(std::vector<py::ssize_t>(image.shape(), image.shape() + image.ndim()));
}

template <class Pixel>
py::tuple noise_exact(const Image& image, double adc_offset, const Regions& regions, Stream stream, RandomTable& table,
                      double gain) {
    const Frame frame = frame_of(image, regions);
    Pixels<Pixel> pixels = pixels_like<Pixel>(image);
    const float* in = image.data();
    Pixel* out = pixels.mutable_data();
    NoiseCounts counts;
    {
        py::gil_scoped_release release;
        counts = noise_image_exact(in, frame, adc_offset, stream, table, out, gain);
    }
    return py::make_tuple(std::move(pixels), counts.photons, counts.overloads);
}

template <class Pixel>
py::tuple noise_fast(const Image& image, double adc_offset, const Regions& regions, std::uint64_t seed, int threads) {
    const Frame frame = frame_of(image, regions);
    Pixels<Pixel> pixels = pixels_like<Pixel>(image);
    const float* in = image.data();
    Pixel* out = pixels.mutable_data();
    NoiseCounts counts;
    {
        py::gil_scoped_release release;
        counts = noise_image_fast(in, frame, adc_offset, seed, threads, out);
    }
    return py::make_tuple(std::move(pixels), counts.photons, counts.overloads);
}

py::tuple statistics_of(const Image& image, const Regions& regions, const py::object& mask, int threads) {
    const Frame frame = frame_of(image, regions);
    Mask bytes;
    if (!mask.is_none()) {
        bytes = Mask::ensure(mask);
        if (!bytes || bytes.size() != image.size()) throw InputError("mask: expected the image's shape");
    }
    const float* in = image.data();
    const std::uint8_t* used = mask.is_none() ? nullptr : bytes.data();
    ImageStatistics found;
    {
        py::gil_scoped_release release;
        found = image_statistics(in, frame, used, threads);
    }
    return py::make_tuple(found.mean, found.rms, found.rmsd, found.maximum, found.maximum_at);
}

template <class Pixel>
Pixels<Pixel> integers_of(const Image& image, double scale, double offset, const Regions& regions, int threads) {
    const Frame frame = frame_of(image, regions);
    Pixels<Pixel> pixels = pixels_like<Pixel>(image);
    const float* in = image.data();
    Pixel* out = pixels.mutable_data();
    const py::gil_scoped_release release;
    image_integers(in, frame, scale, offset, threads, out);
    return pixels;
}

Matrices mosaic_matrices(float spread, std::size_t count, Stream& stream, RandomTable& table) {
    Matrices matrices({static_cast<py::ssize_t>(count), py::ssize_t{3}, py::ssize_t{3}});
    mosaic_rotations(spread, count, stream, table, matrices.mutable_data());
    return matrices;
}

Matrices one_rotation(float spread, Stream& stream, RandomTable& table) {
    Matrices matrix({py::ssize_t{3}, py::ssize_t{3}});
    random_rotation(spread, stream, table, matrix.mutable_data());
    return matrix;
}

std::array<double, 3> angles_of(const Matrices& matrix) {
    if (matrix.size() != 9) {
        throw InputError("rotation matrix: found " + std::to_string(matrix.size()) + " numbers, expected (3, 3)");
    }
    return rotation_angles(matrix.data());
}

std::vector<double> philox_poisson(double mean, std::uint64_t seed, std::uint64_t first, std::size_t count) {
    std::vector<double> deviates(count);
    for (std::size_t i = 0; i < count; ++i) deviates[i] = pixel_poisson(mean, seed, first + i);
    return deviates;
}

}  // namespace
}  // namespace nanobragg

void register_random(py::module_& module) {
    using namespace nanobragg;
    py::class_<Stream>(module, "Stream", "A stream of uniform deviates, from a seed as the user writes it.")
        .def(py::init(&Stream::from_user_seed), py::arg("seed"))
        .def_readonly("state", &Stream::seed);

    py::class_<RandomTable>(module, "RandomTable", "The shuffle table that all streams share.")
        .def(py::init<>())
        .def(py::init<const RandomTable::State&>(), py::arg("state"))
        .def("state", &RandomTable::state, "33 integers: the table and its output register.")
        .def("uniform", &RandomTable::uniform, py::arg("stream"), "Next deviate in [0, 1), a float32 number.");

    module.def("random_rotation", &one_rotation, py::arg("spread"), py::arg("stream"), py::arg("table"),
               "Rotation matrix (3, 3) float64 within a spherical cap of `spread` radians.");
    module.def("mosaic_rotations", &mosaic_matrices, py::arg("spread"), py::arg("count"), py::arg("stream"),
               py::arg("table"), "Matrices (count, 3, 3) float64 of mosaic domains, the first the identity.");
    module.def("rotation_angles", &angles_of, py::arg("matrix"), "Missetting angles (radians) of a matrix (3, 3).");

    module.def("noise_exact", &noise_exact<std::uint16_t>, py::arg("image"), py::arg("adc_offset"), py::arg("regions"),
               py::arg("stream"), py::arg("table"), py::arg("gain") = 1.0,
               "Pixels (uint16), sum of the deviates, overloads; nanoBragg.c's generator.");
    module.def("noise_exact_wide", &noise_exact<std::int32_t>, py::arg("image"), py::arg("adc_offset"),
               py::arg("regions"), py::arg("stream"), py::arg("table"), py::arg("gain") = 1.0,
               "The same in 32 bits (int32).");
    module.def("noise_fast", &noise_fast<std::uint16_t>, py::arg("image"), py::arg("adc_offset"), py::arg("regions"),
               py::arg("seed"), py::arg("threads"),
               "Pixels (uint16), sum of the deviates, overloads; the counter-based generator.");
    module.def("noise_fast_wide", &noise_fast<std::int32_t>, py::arg("image"), py::arg("adc_offset"),
               py::arg("regions"), py::arg("seed"), py::arg("threads"), "The same in 32 bits (int32).");
    module.def("noise_fast_photons", &noise_fast<float>, py::arg("image"), py::arg("adc_offset"), py::arg("regions"),
               py::arg("seed"), py::arg("threads"), "The same as photons (float32).");
    module.def("statistics", &statistics_of, py::arg("image"), py::arg("regions"), py::arg("mask"), py::arg("threads"),
               "Mean, rms, rmsd, maximum and the flat index of its first pixel (-1: none).");
    module.def("integers", &integers_of<std::uint16_t>, py::arg("image"), py::arg("scale"), py::arg("offset"),
               py::arg("regions"), py::arg("threads"), "floor(float32(p scale + offset + 1/2)) as uint16.");
    module.def("integers_wide", &integers_of<std::int32_t>, py::arg("image"), py::arg("scale"), py::arg("offset"),
               py::arg("regions"), py::arg("threads"), "The same in 32 bits (int32).");
    module.def("pixel_poisson", &philox_poisson, py::arg("mean"), py::arg("seed"), py::arg("first"), py::arg("count"),
               "Deviates of the counter-based generator for `count` pixels of one mean, before offset and rounding.");
}
