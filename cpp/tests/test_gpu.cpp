// The GPU renderer against the reference renderer: its threads played by the host, which leaves out CUDA's own calls;
// or on a real or an emulated device (tested_device.hpp).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "gpu_renderer.hpp"
#include "nanobragg/error.hpp"
#include "random_scene.hpp"
#include "tested_device.hpp"

using namespace nanobragg;
using gpu::DeviceError;
using gpu::GpuRenderer;
using gpu::HostDevice;

namespace {

std::vector<float> fetched(const gpu::DeviceResult& result) {
    std::vector<float> image(result.image->bytes() / sizeof(float));
    result.image->device().download(image.data(), result.image->as<void>(), result.image->bytes());
    return image;
}

std::vector<float> gpu_image(const Scene& scene, Precision precision, std::shared_ptr<gpu::Device> on = device()) {
    GpuRenderer renderer(std::move(on));
    renderer.load(scene, precision, false);
    return fetched(renderer.render({}));
}

// One team does all the rays and orientations of its pixels, one after the other.
std::vector<float> unsliced_image(const Scene& scene, Precision precision) {
    GpuRenderer renderer(device(), gpu::kBudget, 1);
    renderer.load(scene, precision, false);
    return fetched(renderer.render({}));
}

RandomScene suitable(std::uint64_t seed) {
    RandomScene random(seed);
    random.scene.running_product = false;
    return random;
}

RenderOptions by_reference() {
    RenderOptions options;
    options.reference = true;
    return options;
}

}  // namespace

TEST_CASE("the GPU's threads render what the reference renders") {
    for (std::uint64_t seed = 1; seed <= 300; seed += kEvery) {
        const RandomScene random = suitable(seed);
        const auto expected = image_of(random.scene, by_reference());
        CAPTURE(seed);
        CHECK(outliers(gpu_image(random.scene, Precision::full), expected, 1e-6, 1e-9) == 0);
        CHECK(outliers(gpu_image(random.scene, Precision::mixed), expected, 1e-5, 1e-7) == 0);
    }
}

#ifdef NANOBRAGG_CUDA_DEVICE
TEST_CASE("every device renders") {
    for (const gpu::CudaInfo& info : gpu::cuda_system().devices) {
        CAPTURE(info.number);
        for (std::uint64_t seed = 100; seed < 120; seed += kEvery) {
            const RandomScene random = suitable(seed);
            const auto image = gpu_image(random.scene, Precision::full, gpu::cuda_device(info.number));
            CAPTURE(seed);
            CHECK(outliers(image, image_of(random.scene, by_reference()), 1e-6, 1e-9) == 0);
        }
    }
}
#endif

TEST_CASE("the GPU's threads compute a capture fraction of exactly 0 again, too") {
    for (std::uint64_t seed = 2000; seed < 2200; seed += kEvery) {
        RandomScene random = suitable(seed);
        random.thicken();
        CAPTURE(seed);
        CHECK(outliers(gpu_image(random.scene, Precision::full), image_of(random.scene, by_reference()), 1e-6, 1e-9) ==
              0);
    }
}

TEST_CASE("how a detector is cut into panels does not change a bit of a GPU's image") {
    for (std::uint64_t seed = 5000; seed < 5060; seed += kEvery) {
        RandomScene random = suitable(seed);
        random.regardless_of_order();
        random.scene.running_product = false;
        const CutScene cut(random);
        CAPTURE(seed);
        for (const Precision precision : {Precision::full, Precision::mixed}) {
            CHECK(same_bits(gpu_image(cut.scene, precision), cut.cut_image(gpu_image(random.scene, precision))));
        }
    }
}

TEST_CASE("many wavelengths of one direction are rendered like as many sources") {
    for (std::uint64_t seed = 500; seed < 560; seed += kEvery) {
        RandomScene random = suitable(seed);
        Scene& s = random.scene;
        const Source first = s.sources.front();
        for (int i = 0; i < 300; ++i) {  // more than one beam may have
            s.sources.push_back({first.direction, random.between(0.8e-10, 1.2e-10), random.between(0.5, 1.5)});
        }
        s.orientations.resize(2, s.orientations.front());
        s.first_orientations.clear();
        s.oversample = 1;
        RandomScene::keep_layers(s, 1);
        const auto expected = image_of(s, by_reference());
        CAPTURE(seed);
        CHECK(outliers(gpu_image(s, Precision::full), expected, 1e-6, 1e-9) == 0);
        CHECK(outliers(gpu_image(s, Precision::mixed), expected, 1e-5, 1e-7) == 0);
        CHECK(outliers(unsliced_image(s, Precision::mixed), expected, 1e-5, 1e-7) == 0);
    }
}

TEST_CASE("the GPU's threads render spectra like as many sources, also after turning to a larger cell") {
    for (std::uint64_t seed = 3000; seed < 3100; seed += kEvery) {
        RandomScene random = suitable(seed);
        random.spectra();
        Scene s = random.scene;
        CAPTURE(seed);
        GpuRenderer renderer(device());
        renderer.load(s, Precision::full, false);
        CHECK(outliers(fetched(renderer.render({})), image_of(s, by_reference()), 1e-6, 1e-9) == 0);
        // Its wavelengths do not suffice for a larger cell.
        for (Orientation& o : s.orientations) o = {4.0 * o.a, 4.0 * o.b, 4.0 * o.c};
        renderer.orient(s.orientations, {});
        const auto right = image_of(s, by_reference());
        CHECK(outliers(fetched(renderer.render({})), right, 1e-6, 1e-9) == 0);
        CHECK(outliers(gpu_image(s, Precision::mixed), right, 1e-5, 1e-7) == 0);
    }
}

TEST_CASE("more orientations than a team keeps at hand are all rendered") {
    for (std::uint64_t seed = 600; seed < 620; seed += kEvery) {
        RandomScene random = suitable(seed);
        Scene& s = random.scene;
        while (s.orientations.size() < 5000) s.orientations.push_back(random.orientation());
        s.first_orientations.clear();
        s.oversample = 1;
        RandomScene::keep_layers(s, 1);
        for (Panel& panel : s.panels) RandomScene::resize(panel, 3, panel.nfast);
        CAPTURE(seed);
        CHECK(outliers(gpu_image(s, Precision::full), image_of(s, by_reference()), 1e-6, 1e-9) == 0);
    }
}

TEST_CASE("orientations in several tiles of one team are all rendered") {
    for (std::uint64_t seed = 620; seed < 640; seed += kEvery) {
        RandomScene random = suitable(seed);
        Scene& s = random.scene;
        while (s.orientations.size() < 300) s.orientations.push_back(random.orientation());
        s.first_orientations.clear();
        CAPTURE(seed);
        CHECK(outliers(unsliced_image(s, Precision::full), image_of(s, by_reference()), 1e-6, 1e-9) == 0);
    }
}

TEST_CASE("a load that fails half-way leaves no scene behind") {
    int failed = 0;
    for (std::size_t memory = 100; memory < 20000; memory = memory * 5 / 4) {
        const RandomScene random = suitable(5);
        GpuRenderer renderer(std::make_shared<HostDevice>(memory));
        try {
            renderer.load(random.scene, Precision::full, false);
        } catch (const DeviceError&) {
            ++failed;
            CHECK_THROWS_AS(renderer.render({}), InputError);
            CHECK_THROWS_AS(renderer.orient(random.scene.orientations, {}), InputError);
        }
    }
    CHECK(failed > 3);
}

TEST_CASE("work in many short launches gives the same image") {
    for (std::uint64_t seed = 700; seed < 730; seed += kEvery) {
        const RandomScene random = suitable(seed);
        const auto expected = image_of(random.scene, by_reference());
        // A large scene is not cut into more launches than show that they follow each other.
        const double evaluations = static_cast<double>(random.scene.pixels()) * random.scene.steps;
        GpuRenderer renderer(device(), std::max(50.0, evaluations / 20));
        renderer.load(random.scene, Precision::full, false);
        int ticks = 0;
        double last = 0;
        bool forward = true;
        const auto result = renderer.render([&](double done) {
            forward &= done >= last && done <= 1;
            last = done;
            return ++ticks > 0;
        });
        CAPTURE(seed);
        CHECK(outliers(fetched(result), expected, 1e-6, 1e-9) == 0);
        CHECK(forward);
        if (evaluations > 2000) CHECK(ticks > 1);
    }
}

TEST_CASE("a renderer that stays renders new orientations, scenes and precisions") {
    GpuRenderer renderer(device());
    for (std::uint64_t seed = 800; seed < 840; seed += kEvery) {
        RandomScene random = suitable(seed);
        random.scene.first_orientations.clear();
        const Precision precision = seed % 2 != 0 ? Precision::full : Precision::mixed;
        const double relative = seed % 2 != 0 ? 1e-6 : 1e-5, absolute = seed % 2 != 0 ? 1e-9 : 1e-7;
        renderer.load(random.scene, precision, false);
        CAPTURE(seed);
        CHECK(outliers(fetched(renderer.render({})), image_of(random.scene, by_reference()), relative, absolute) == 0);
        Scene turned = random.scene;
        for (Orientation& o : turned.orientations) o = random.orientation();
        turned.orientations.push_back(random.orientation());
        turned.steps = static_cast<double>(turned.sources.size() * turned.orientations.size()) *
                       static_cast<double>(turned.oversample * turned.oversample);
        renderer.orient(turned.orientations, {});
        const auto image = fetched(renderer.render({}));
        CHECK(outliers(image, image_of(turned, by_reference()), relative, absolute) == 0);
        // The same structure factors and another beam.
        turned.sources.front().wavelength *= 1.1;
        renderer.load(turned, precision, true);
        CHECK(outliers(fetched(renderer.render({})), image_of(turned, by_reference()), relative, absolute) == 0);
    }
}

TEST_CASE("the solid angle and the out-of-range flag are the CPU's") {
    for (std::uint64_t seed = 900; seed < 960; seed += kEvery) {
        const RandomScene random = suitable(seed);
        std::vector<float> image(static_cast<std::size_t>(random.scene.pixels()));
        const RenderResult cpu = render(random.scene, {}, image.data());
        GpuRenderer renderer(device());
        renderer.load(random.scene, Precision::full, false);
        const auto result = renderer.render({});
        CAPTURE(seed);
        CHECK(result.solid_angle == doctest::Approx(cpu.solid_angle).epsilon(1e-12));
        CHECK(result.interpolation_left == cpu.interpolation_left);
        CHECK(result.finished);
    }
}

TEST_CASE("order-dependent scenes, missing scenes and missing memory are refused in a sentence") {
    RandomScene random = suitable(5);
    GpuRenderer renderer(device());
    CHECK_THROWS_AS(renderer.render({}), InputError);
    CHECK_THROWS_AS(renderer.orient(random.scene.orientations, {}), InputError);
    random.scene.running_product = true;
    random.scene.omega = Factor::each;
    CHECK_THROWS_AS(renderer.load(random.scene, Precision::full, false), InputError);
    random.scene.running_product = false;
    GpuRenderer small(std::make_shared<HostDevice>(100));
    CHECK_THROWS_AS(small.load(random.scene, Precision::full, false); small.render({}), DeviceError);
    renderer.load(random.scene, Precision::full, false);
    CHECK_THROWS_AS(renderer.orient({}, {}), InputError);
    // ... and the renderer is as it was.
    CHECK(renderer.render({}).finished);
}

TEST_CASE("a stopped GPU render says so") {
    const RandomScene random = suitable(7);
    GpuRenderer renderer(device(), 10);
    renderer.load(random.scene, Precision::full, false);
    CHECK_FALSE(renderer.render([](double) { return false; }).finished);
}
