// The SIMD renderer against the scalar reference renderer, over random scenes and every instruction set.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"

using namespace nanobragg;

namespace {

// A scene with everything drawn at random, and the arrays it points to.
struct RandomScene {
    Scene scene;
    std::vector<double> grid;
    std::vector<std::uint8_t> mask;
    std::mt19937_64 random;

    explicit RandomScene(std::uint64_t seed) : random(seed) {
        detector();
        factors();
        beam();
        crystal();
        sampling();
    }

    double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
    std::int64_t whole(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>(low, high)(random);
    }
    bool chance(double p) { return between(0, 1) < p; }
    Vec3 direction() { return unit({between(-1, 1), between(-1, 1), between(-1, 1)}); }

    void detector() {
        Scene& s = scene;
        s.nslow = whole(3, 9);
        s.nfast = whole(3, 40);
        s.pixel_size = between(1e-4, 2e-3);
        s.beam_direction = {0, 0, 1};
        for (std::int64_t i = whole(1, 2); i > 0; --i) {
            Panel panel;
            panel.fast = unit({1, between(-0.2, 0.2), between(-0.2, 0.2)});
            panel.normal = unit(cross(panel.fast, unit({between(-0.2, 0.2), 1, between(-0.2, 0.2)})));
            panel.slow = cross(panel.normal, panel.fast);
            panel.close_distance = between(0.05, 0.2);
            panel.origin = panel.close_distance * panel.normal + between(-0.02, 0.01) * panel.fast +
                           between(-0.02, 0.01) * panel.slow;
            s.panels.push_back(panel);
        }
        if (chance(0.2)) s.curved_distance = s.panels[0].close_distance;
        const std::int64_t layers = whole(1, 3);
        const double step = between(1e-5, 3e-4);
        const bool shared = chance(0.5);
        for (std::int64_t t = 0; t < layers; ++t) {
            const std::int64_t use = shared ? layers - 1 : t;
            s.layers.push_back({static_cast<double>(t) * step, static_cast<double>(use) * step,
                                static_cast<double>(use + 1) * step, static_cast<double>(use) * step});
        }
        s.sensor_depth = static_cast<double>(layers) * step;
        s.attenuation = between(500, 5000);
    }

    Factor factor(bool may_be_off) { return static_cast<Factor>(whole(may_be_off ? 0 : 1, 3)); }

    void factors() {
        scene.omega = factor(false);
        scene.polar = factor(true);
        scene.capture = factor(true);
        scene.point_pixel = chance(0.2);
        scene.running_product = chance(0.2);
        scene.kahn_factor = chance(0.3) ? 0.0 : between(-1, 1);
        scene.polarization_axis = unit({1, between(-0.1, 0.1), 0});
    }

    void beam() {
        for (std::int64_t i = whole(1, 4); i > 0; --i) {
            scene.sources.push_back(
                {unit({between(-0.01, 0.01), between(-0.01, 0.01), 1}), between(0.8e-10, 1.2e-10), between(0.5, 1.5)});
        }
    }

    Orientation orientation() {
        const Vec3 axis = direction();
        const double angle = between(0, 3);
        const Orientation cell{{50e-10, 0, 0}, {8e-10, 60e-10, 0}, {-5e-10, 9e-10, 70e-10}};
        return {rotate_axis(cell.a, axis, angle), rotate_axis(cell.b, axis, angle), rotate_axis(cell.c, axis, angle)};
    }

    void crystal() {
        Scene& s = scene;
        for (std::int64_t i = whole(1, 40); i > 0; --i) s.orientations.push_back(orientation());
        if (chance(0.3)) {
            for (std::size_t i = 0; i < s.orientations.size(); ++i) s.first_orientations.push_back(orientation());
        }
        s.shape = static_cast<Shape>(whole(0, 3));
        const std::int64_t most_cells = chance(0.5) ? 8 : 300;  // few cells have kernels of their own
        for (double& n : s.cells) n = static_cast<double>(whole(1, most_cells));
        s.fudge = s.shape == Shape::gauss || s.shape == Shape::tophat ? between(1e-5, 1e-3) : between(0.5, 1.5);
        s.a_star = {0.02, 0, 0};
        s.b_star = {-0.003, 0.0167, 0};
        s.c_star = {0.001, -0.002, 0.0143};
        s.default_F = between(0, 50);
        if (chance(0.6)) {
            for (int i = 0; i < 3; ++i) {
                s.f_shape[i] = whole(6, 40);
                s.f_min[i] = -whole(0, s.f_shape[i]);
            }
            grid.resize(static_cast<std::size_t>(s.f_shape[0] * s.f_shape[1] * s.f_shape[2]));
            for (double& f : grid) f = between(0, 100);
            s.f_grid = grid.data();
            s.interpolation = static_cast<Interpolation>(whole(0, 2));
        }
    }

    void sampling() {
        Scene& s = scene;
        s.oversample = whole(1, 3);
        s.dmin = chance(0.3) ? between(1e-10, 4e-10) : 0;
        s.background_sum = chance(0.3) ? between(0, 1e4) : 0;
        s.background = chance(0.3) ? between(0, 1e4) : 0;
        s.scale = between(0.1, 10);
        s.steps = static_cast<double>(s.sources.size() * s.orientations.size()) *
                  static_cast<double>(s.oversample * s.oversample);
        s.roi[0] = whole(0, 1);
        s.roi[1] = s.nfast - 1 - whole(0, 1);
        s.roi[2] = whole(0, 1);
        s.roi[3] = s.nslow - 1 - whole(0, 1);
        if (chance(0.3)) {
            mask.resize(static_cast<std::size_t>(s.pixels()));
            for (auto& m : mask) m = chance(0.8);
            s.mask = mask.data();
        }
    }
};

std::vector<float> image_of(const Scene& scene, const RenderOptions& options) {
    std::vector<float> image(static_cast<std::size_t>(scene.pixels()), -1.0f);
    render(scene, options, image.data());
    return image;
}

// Pixels outside the bar; a few may lie on a discontinuity (TOPHAT edge, half-integer index, dmin).
int outliers(const std::vector<float>& got, const std::vector<float>& expected, double relative, double absolute) {
    double largest = 0;
    for (const float v : expected) {
        if (std::isfinite(v)) largest = std::max(largest, std::abs(static_cast<double>(v)));
    }
    int bad = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
        const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
        if (!(error <= relative * std::abs(static_cast<double>(expected[i])) + absolute * largest)) ++bad;
    }
    return bad;
}

struct ForcedIsa {
    explicit ForcedIsa(const std::string& name) { setenv("NANOBRAGG_ISA", name.c_str(), 1); }
    ~ForcedIsa() { unsetenv("NANOBRAGG_ISA"); }
};

}  // namespace

TEST_CASE("every instruction set and precision renders what the reference renders") {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        const RandomScene random(seed);
        RenderOptions reference;
        reference.reference = true;
        const auto expected = image_of(random.scene, reference);
        for (const std::string& isa : available_instruction_sets()) {
            const ForcedIsa forced(isa);
            CAPTURE(seed);
            CAPTURE(isa);
            RenderOptions options;
            options.threads = 2;
            CHECK(outliers(image_of(random.scene, options), expected, 1e-6, 1e-9) == 0);
            options.precision = Precision::mixed;
            CHECK(outliers(image_of(random.scene, options), expected, 1e-5, 1e-7) == 0);
        }
    }
}

TEST_CASE("few cells stay accurate in mixed precision where the whole image is dark") {
    for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
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
        s.pixel_size = 1e-6;  // a tiny window somewhere between the spots
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
    s.nslow = s.nfast = 64;  // about one reciprocal cell around the direct beam, which is masked
    s.pixel_size = 1.5e-5;
    s.beam_direction = {0, 0, 1};
    Panel panel;
    panel.fast = {1, 0, 0};
    panel.slow = {0, 1, 0};
    panel.normal = {0, 0, 1};
    panel.close_distance = 0.1;
    panel.origin = {-32 * s.pixel_size, -32 * s.pixel_size, 0.1};
    s.panels = {panel};
    s.layers = {Layer{}};
    s.sources = {{{0, 0, 1}, 1e-10, 1}};
    s.orientations = {{{100e-10, 0, 0}, {0, 100e-10, 0}, {0, 0, 100e-10}}};
    s.default_F = 10;
    for (double& n : s.cells) n = 5;
    s.roi[1] = s.roi[3] = 63;
    RenderOptions reference, mixed;
    reference.reference = true;
    mixed.precision = Precision::mixed;
    const auto bright = image_of(s, reference);
    const float limit = 1e-6f * *std::max_element(bright.begin(), bright.end());
    random.mask.resize(bright.size());
    for (std::size_t i = 0; i < bright.size(); ++i) random.mask[i] = bright[i] < limit;
    CHECK(std::count(random.mask.begin(), random.mask.end(), 1) > 20);
    s.mask = random.mask.data();
    CHECK(outliers(image_of(s, mixed), image_of(s, reference), 1e-5, 1e-7) == 0);
}

TEST_CASE("the number of threads does not change a bit") {
    for (std::uint64_t seed = 200; seed < 220; ++seed) {
        const RandomScene random(seed);
        RenderOptions one, many;
        one.threads = 1;
        many.threads = 4;
        one.precision = many.precision = seed % 2 ? Precision::full : Precision::mixed;
        CHECK(image_of(random.scene, one) == image_of(random.scene, many));
    }
}

TEST_CASE("a stopped render says so") {
    RandomScene random(7);
    random.scene.orientations.assign(20000, random.scene.orientations.front());
    random.scene.first_orientations.clear();
    random.scene.running_product = false;
    std::vector<float> image(static_cast<std::size_t>(random.scene.pixels()));
    RenderOptions options;
    options.tick = [](double) { return false; };
    CHECK_FALSE(render(random.scene, options, image.data()).finished);
}

TEST_CASE("an unknown instruction set is refused by name") {
    const ForcedIsa forced("neon9000");
    CHECK_THROWS_AS(chosen_instruction_set(), InputError);
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
    broken.roi[1] = broken.nfast;
    CHECK_THROWS_AS(render(broken, {}, image.data()), InputError);
}
