// The SIMD renderer against the scalar reference renderer, over random scenes and every instruction set.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"
#include "random_scene.hpp"

using namespace nanobragg;

namespace {

// Against the reference renderer, with every instruction set and in both precisions.
void check_everywhere(const Scene& scene) {
    RenderOptions reference;
    reference.reference = true;
    const auto expected = image_of(scene, reference);
    for (const std::string& isa : available_instruction_sets()) {
        const ForcedIsa forced(isa);
        CAPTURE(isa);
        RenderOptions options;
        options.threads = 2;
        CHECK(outliers(image_of(scene, options), expected, 1e-6, 1e-9) == 0);
        options.precision = Precision::mixed;
        CHECK(outliers(image_of(scene, options), expected, 1e-5, 1e-7) == 0);
    }
}

}  // namespace

TEST_CASE("every instruction set and precision renders what the reference renders") {
    for (std::uint64_t seed = 1; seed <= 400; seed += kEvery) {
        const RandomScene random(seed);
        CAPTURE(seed);
        check_everywhere(random.scene);
    }
}

TEST_CASE("spectra and fans of beams give the image of all their sources") {
    for (std::uint64_t seed = 3000; seed < 3200; seed += kEvery) {
        RandomScene random(seed);
        random.spectra();
        CAPTURE(seed);
        check_everywhere(random.scene);
    }
}

TEST_CASE("an oscillation finds the structure factors of every step") {
    for (std::uint64_t seed = 4000; seed < 4100; seed += kEvery) {
        RandomScene random(seed);
        random.oscillate();
        CAPTURE(seed);
        check_everywhere(random.scene);
    }
}

TEST_CASE("a capture fraction of exactly 0 is computed again at the next subpixel") {
    for (std::uint64_t seed = 2000; seed < 2200; seed += kEvery) {
        RandomScene random(seed);
        random.thicken();
        RenderOptions reference, cpu;
        reference.reference = true;
        const auto expected = image_of(random.scene, reference);
        CAPTURE(seed);
        CHECK(outliers(image_of(random.scene, cpu), expected, 1e-6, 1e-9) == 0);
    }
}

TEST_CASE("a dark pixel stays dark where a capture fraction leaves the range of numbers") {
    std::size_t dark = 0;
    for (std::uint64_t seed = 2400; seed < 2440; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        s.shape = Shape::tophat;  // whose terms are 0 nearly everywhere
        s.fudge = 100;
        s.background = s.background_sum = 0;
        s.running_product = false;
        s.capture = Factor::each;
        s.attenuation = 1e6;  // from behind, exp(1000) is left of a ray
        s.layers = {{0, 0, 1e-3, 0, 0}};
        for (Panel& panel : s.panels) {
            panel.layers.clear();
            panel.normal = -1.0 * panel.normal;
        }
        RenderOptions reference, cpu;
        reference.reference = true;
        const auto expected = image_of(s, reference), got = image_of(s, cpu);
        CAPTURE(seed);
        for (std::size_t i = 0; i < got.size(); ++i) {
            CHECK(!std::isnan(got[i]));
            CHECK((got[i] == 0) == (expected[i] == 0));
            dark += got[i] == 0 ? 1 : 0;
        }
    }
    CHECK(dark > 1000);
}

TEST_CASE("few cells stay accurate in mixed precision where the whole image is dark") {
    for (std::uint64_t seed = 1000; seed < 1200; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        s.f_shape[0] = s.f_shape[1] = s.f_shape[2] = 0;
        s.default_F = 10;
        s.interpolation = Interpolation::nearest;
        s.shape = Shape::square;
        s.dmin = 0;
        s.omega = s.polar = Factor::first;
        s.capture = Factor::off;
        for (double& n : s.cells) n = static_cast<double>(random.whole(1, 6));
        s.orientations.resize(1);
        s.first_orientations.clear();
        for (Panel& panel : s.panels) panel.pixel_fast = panel.pixel_slow = 1e-6;  // a tiny window between the spots
        RenderOptions reference, mixed;
        reference.reference = true;
        mixed.precision = Precision::mixed;
        CAPTURE(seed);
        CHECK(outliers(image_of(s, mixed), image_of(s, reference), 1e-5, 1e-7) == 0);
    }
}

TEST_CASE("dark pixels around a masked bright one stay accurate in mixed precision") {
    RandomScene random(1);
    Scene& s = random.scene;
    s = Scene{};
    s.beam_direction = {0, 0, 1};
    Panel panel;
    RandomScene::resize(panel, 64, 64);  // about one reciprocal cell around the direct beam, which is masked
    panel.pixel_fast = panel.pixel_slow = 1.5e-5;
    panel.fast = {1, 0, 0};
    panel.slow = {0, 1, 0};
    panel.normal = {0, 0, 1};
    panel.close_distance = 0.1;
    panel.origin = {-32 * panel.pixel_fast, -32 * panel.pixel_slow, 0.1};
    s.panels = {panel};
    s.layers = {Layer{}};
    s.sources = {{{0, 0, 1}, 1e-10, 1}};
    s.orientations = {{{100e-10, 0, 0}, {0, 100e-10, 0}, {0, 0, 100e-10}}};
    s.default_F = 10;
    for (double& n : s.cells) n = 5;
    RenderOptions reference, mixed;
    reference.reference = true;
    mixed.precision = Precision::mixed;
    const auto bright = image_of(s, reference);
    const float limit = 1e-6f * *std::max_element(bright.begin(), bright.end());
    std::vector<std::uint8_t> mask(bright.size());
    for (std::size_t i = 0; i < bright.size(); ++i) mask[i] = bright[i] < limit;
    CHECK(std::count(mask.begin(), mask.end(), 1) > 20);
    s.panels[0].mask = mask.data();
    CHECK(outliers(image_of(s, mixed), image_of(s, reference), 1e-5, 1e-7) == 0);
}

TEST_CASE("the number of threads does not change a bit") {
    for (std::uint64_t seed = 200; seed < 220; seed += kEvery) {
        const RandomScene random(seed);
        RenderOptions one, many;
        one.threads = 1;
        many.threads = 4;
        one.precision = many.precision = seed % 2 ? Precision::full : Precision::mixed;
        CHECK(image_of(random.scene, one) == image_of(random.scene, many));
    }
}

TEST_CASE("how a detector is cut into panels does not change a bit") {
    for (std::uint64_t seed = 5000; seed < 5100; seed += kEvery) {
        RandomScene random(seed);
        random.regardless_of_order();
        const CutScene cut(random);
        CAPTURE(seed);
        RenderOptions options;
        options.threads = 2;
        for (const std::string& isa : available_instruction_sets()) {
            const ForcedIsa forced(isa);
            CAPTURE(isa);
            for (const Precision precision : {Precision::full, Precision::mixed}) {
                CAPTURE(static_cast<int>(precision));
                options.precision = precision;
                CHECK(same_bits(image_of(cut.scene, options), cut.cut_image(image_of(random.scene, options))));
            }
        }
        if (seed % 5 != 0) continue;  // the reference renderer takes most of the time, and goes pixel by pixel
        options.reference = true;
        CHECK(same_bits(image_of(cut.scene, options), cut.cut_image(image_of(random.scene, options))));
    }
}

TEST_CASE("panels are parts of one raster only where they continue it") {
    RandomScene random(1);
    Panel panel = random.panel();
    RandomScene::resize(panel, 10, 20);
    panel.first_fast = panel.first_slow = 0;
    const auto joined = [&](double fast, double slow, double out) {
        Scene scene;
        Panel other = panel;
        other.origin = panel.origin + fast * panel.pixel_fast * panel.fast + slow * panel.pixel_slow * panel.slow +
                       out * panel.pixel_fast * unit(cross(panel.fast, panel.slow));
        scene.panels = {panel, other};
        join_rasters(scene);
        return scene.panels;
    };
    CHECK(joined(20, 0, 0)[1].first_fast == 20);
    CHECK(joined(33, 7, 0)[1].first_slow == 7);
    const auto before = joined(-33, 5, 0);  // counted from the corner around both
    CHECK(before[0].first_fast == 33);
    CHECK(before[0].first_slow == 0);
    CHECK(before[1].first_fast == 0);
    CHECK(before[1].first_slow == 5);
    CHECK(norm(before[0].origin - before[1].origin) == 0);
    CHECK(joined(20 + 1e-7, 0, 0)[1].first_fast == 0);
    CHECK(joined(20, 1e-7, 0)[1].first_fast == 0);
    CHECK(joined(20, 0, 1e-7)[1].first_fast == 0);
    Scene turned;
    Panel other = joined(20, 0, 0)[1];
    other.first_fast = 0;
    other.fast = rotate_axis(other.fast, other.normal, 1e-12);
    turned.panels = {panel, other};
    join_rasters(turned);
    CHECK(turned.panels[1].first_fast == 0);
    Scene thicker;
    other = joined(20, 0, 0)[1];
    other.first_fast = 0;
    other.origin = panel.origin + 20 * panel.pixel_fast * panel.fast;
    other.layers = {{0, 0, 5e-4, 0, 5e-4}};
    thicker.panels = {panel, other};
    join_rasters(thicker);
    CHECK(thicker.panels[1].first_fast == 0);
}

TEST_CASE("a panel with a sensor of its own is as it is alone with that sensor") {
    for (std::uint64_t seed = 5200; seed < 5260; seed += kEvery) {
        RandomScene random(seed);
        random.regardless_of_order();
        const Scene& both = random.scene;
        if (both.panels.back().layers.empty()) continue;
        CAPTURE(seed);
        Scene alone = both;
        alone.panels = {both.panels.back()};
        const Sensor sensor = both.sensor(both.panels.back());
        alone.layers = sensor.layers;
        alone.attenuation = sensor.attenuation;
        alone.sensor_depth = sensor.depth;
        alone.panels[0].layers.clear();
        RenderOptions options;
        options.threads = 2;
        options.reference = true;
        const auto image = image_of(both, options), expected = image_of(alone, options);
        CHECK(same_bits({image.end() - static_cast<std::ptrdiff_t>(expected.size()), image.end()}, expected));
        options.reference = false;
        const auto fast = image_of(both, options);
        const std::vector<float> part(fast.end() - static_cast<std::ptrdiff_t>(expected.size()), fast.end());
        CHECK(outliers(part, expected, 1e-6, 1e-9) == 0);
    }
}

TEST_CASE("a stopped render says so") {
    RandomScene random(7);
    random.scene.orientations.assign(200000, random.scene.orientations.front());
    random.scene.first_orientations.clear();
    random.scene.running_product = false;
    std::vector<float> image(static_cast<std::size_t>(random.scene.pixels()), 7.0f);
    RenderOptions options;
    options.tick = [](double) { return false; };
    CHECK_FALSE(render(random.scene, options, image.data()).finished);
    CHECK(std::count(image.begin(), image.end(), 0.0f) == random.scene.pixels());
}

TEST_CASE("an unknown instruction set is refused by name") {
    const ForcedIsa forced("neon9000");
    CHECK_THROWS_AS(chosen_instruction_set(), InputError);
}

TEST_CASE("structure factors of another scene are refused") {
    const RandomScene random(7);
    Scene scene = random.scene;
    scene.interpolation = Interpolation::nearest;
    SquaredFactors factors = squared_factors(scene);
    factors.squares.push_back(0.0f);
    RenderOptions options;
    options.precision = Precision::mixed;
    options.factors = &factors;
    std::vector<float> image(static_cast<std::size_t>(scene.pixels()));
    CHECK_THROWS_AS(render(scene, options, image.data()), InputError);
    factors.squares.pop_back();
    CHECK(render(scene, options, image.data()).finished);
}

TEST_CASE("a scene without pixels, sources or orientations is refused") {
    RandomScene random(3);
    std::vector<float> image(static_cast<std::size_t>(random.scene.pixels()));
    Scene broken = random.scene;
    broken.sources.clear();
    CHECK_THROWS_AS(render(broken, {}, image.data()), InputError);
    broken = random.scene;
    broken.orientations.clear();
    CHECK_THROWS_AS(render(broken, {}, image.data()), InputError);
    broken = random.scene;
    RandomScene::resize(broken.panels[0], 5, 5);
    broken.panels[0].roi[1] = 5;
    CHECK_THROWS_AS(render(broken, {}, image.data()), InputError);
}
