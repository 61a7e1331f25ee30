// Images within a tolerance: no pixel is wrong by more, whatever is left out (specs/physics.md, "Within a stated
// error").
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/render.hpp"
#include "plan/plan.hpp"
#include "plan/precision.hpp"
#include "plan/spots.hpp"
#include "plan/term_bounds.hpp"
#include "random_scene.hpp"

using namespace nanobragg;

namespace {

float brightest_of(const std::vector<float>& image) {
    float most = 0;
    for (const float v : image) most = std::isfinite(v) ? std::max(most, std::abs(v)) : most;
    return most;
}

// The largest error of a pixel beyond what single-precision images (and mixed precision) are good for, in tolerances.
// `exact`: the full image in double, since a pixel may also be nearer to it than the full image in mixed precision is.
double worst_of(const std::vector<float>& got, const std::vector<float>& full, const std::vector<float>& exact,
                double tolerance, Precision precision) {
    const bool mixed = precision == Precision::mixed;
    const double relative = mixed ? 1e-5 : 2e-7, absolute = (mixed ? 1e-7 : 1e-9) * brightest_of(full);
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i] == full[i] || (std::isnan(got[i]) && std::isnan(full[i]))) continue;
        const double value = got[i];
        const double error =
            std::min(std::abs(value - static_cast<double>(full[i])), std::abs(value - static_cast<double>(exact[i])));
        const double own = error - relative * std::abs(static_cast<double>(full[i])) - absolute;
        worst = std::max(worst, std::isfinite(own) ? own / tolerance : 1e9);
    }
    return worst;
}

struct Found {
    double worst = 0, left_out = 0, error_bound = 0;
};

// With every instruction set, in both precisions.
Found check_within(Scene scene, double tolerance) {
    Found found;
    for (const std::string& isa : available_instruction_sets()) {
        const ForcedIsa forced(isa);
        CAPTURE(isa);
        std::vector<float> exact;
        for (const Precision precision : {Precision::full, Precision::mixed}) {
            CAPTURE(static_cast<int>(precision));
            RenderOptions options;
            options.precision = precision;
            options.threads = 2;
            options.only_if_faster = false;
            scene.tolerance = 0;
            const auto full = image_of(scene, options);
            if (exact.empty()) exact = full;
            scene.tolerance = tolerance;
            std::vector<float> got(full.size(), -1.0f);
            const RenderResult result = render(scene, options, got.data());
            const double worst = worst_of(got, full, exact, tolerance, precision);
            CHECK(worst <= 1.0);
            CHECK(result.error_bound <= tolerance);
            CHECK(result.left_out >= 0);
            found.worst = std::max(found.worst, worst);
            found.left_out = std::max(found.left_out, static_cast<double>(result.left_out));
            found.error_bound = std::max(found.error_bound, result.error_bound);
        }
    }
    return found;
}

double brightest(const Scene& scene) { return brightest_of(image_of(scene, {})); }

// A crystal whose domains are alike.
void align(RandomScene& random) {
    Scene& s = random.scene;
    const double spread = random.between(0, 0.01);
    const Orientation first = s.orientations.front();
    for (Orientation& o : s.orientations) {
        const Vec3 axis = random.direction();
        const double angle = spread * random.between(-1, 1);
        o = {rotate_axis(first.a, axis, angle), rotate_axis(first.b, axis, angle), rotate_axis(first.c, axis, angle)};
    }
}

void give_spectrum(RandomScene& random) {
    Scene& s = random.scene;
    const double width = random.between(0, 0.02);
    const std::int64_t lines = random.whole(2, 40);
    const Vec3 from = s.sources.front().direction;
    s.sources.clear();
    for (std::int64_t i = 0; i < lines; ++i) {
        s.sources.push_back({from, 1e-10 * (1 + width * static_cast<double>(i) / 40), random.between(0, 2)});
    }
    if (random.chance(0.5)) s.dmin = 0;
}

// What bounds may go wrong with.
void make_odd(RandomScene& random) {
    Scene& s = random.scene;
    if (random.chance(0.3)) {  // axes that nearly coincide, or at right angles
        const double angle = random.chance(0.5) ? random.between(1e-4, 0.1) : 1.5707963267948966;
        s.b_star = rotate_axis(0.9 * s.a_star, {0, 0, 1}, angle);
        s.c_star = rotate_axis(1.1 * s.a_star, {0, 1, 0}, random.chance(0.5) ? 3.1415 : angle);
        s.fudge *= random.between(1, 1000);
    }
    if (random.chance(0.2)) {
        for (double& n : s.cells) n = static_cast<double>(random.whole(1, 2000));
        keep_definite(s);
    }
    if (random.chance(0.2)) {  // N with hardly any width along one direction
        const double most = std::sqrt(s.cells[0] * s.cells[1]);
        s.cells_off_diagonal[0] = most * (1 - std::pow(10.0, random.between(-6, 0)));
        s.cells_off_diagonal[1] = s.cells_off_diagonal[2] = 0;
    }
    if (!random.grid.empty() && s.has_grid()) {
        const auto at = static_cast<std::size_t>(random.whole(0, s.grid_points() - 1));
        if (random.chance(0.3)) random.grid[at] = 1e6;
        if (random.chance(0.3)) random.grid[at] = -1e3;
    }
    if (random.chance(0.2)) {  // whole and half indices: the beam, an axis and the pixels' centres are in one plane
        s.orientations.resize(1);
        s.orientations[0] = {{50e-10, 0, 0}, {0, 60e-10, 0}, {0, 0, 70e-10}};
        for (Source& source : s.sources) source.direction = {0, 0, 1};
        for (Panel& panel : s.panels) {
            panel.fast = {1, 0, 0};
            panel.slow = {0, 1, 0};
            panel.normal = {0, 0, 1};
            panel.origin = {-2.5 * panel.pixel_fast, -3.5 * panel.pixel_slow, 0.1};
            panel.first_fast = panel.first_slow = 0;
            panel.close_distance = 0.1;
        }
    }
    if (random.chance(0.1)) {  // next to the sample, and behind it
        for (Panel& panel : s.panels) panel.origin = 1e-3 * panel.origin;
    }
}

// Nothing that the bounds do not know, else everything: layers, subpixels, masks, factors inside and outside the sum.
void make_bounded(RandomScene& random) {
    Scene& s = random.scene;
    s.running_product = false;
    s.first_orientations.clear();
    if (random.chance(0.7)) align(random);
    if (random.chance(0.5)) give_spectrum(random);
    if (random.chance(0.5)) make_odd(random);
}

// Round spots or so of some pixels, on thin flat panels, of domains that have nothing in common or are alike.
void make_compact(RandomScene& random) {
    Scene& s = random.scene;
    s.running_product = false;
    s.first_orientations.clear();
    s.curved_distance = s.background = s.background_sum = 0;
    if (s.interpolation == Interpolation::tricubic_sticky) s.interpolation = Interpolation::tricubic;
    s.orientations.resize(std::min<std::size_t>(s.orientations.size(), 12));
    s.sources.resize(std::min<std::size_t>(s.sources.size(), 2));
    s.oversample = std::min<std::int64_t>(s.oversample, 2);
    RandomScene::keep_layers(s, 1);
    s.layers[0].depth = s.layers[0].thickness = 0;
    double step = 0;  // of a pixel, as an angle
    for (Panel& panel : s.panels) {
        for (Layer& layer : panel.layers) layer.depth = layer.thickness = 0;
        panel.first_fast = panel.first_slow = 0;
        const double smaller = random.between(0.05, 0.3);
        panel.pixel_fast *= smaller;
        panel.pixel_slow *= smaller;
        if (random.chance(0.7)) RandomScene::resize(panel, random.whole(1, 30), random.whole(1, 90));
        step = std::max(step, panel.pixel_fast / panel.close_distance);
    }
    if (random.chance(0.3)) align(random);
    if (random.chance(0.5)) {  // the cell that the axes are of
        const Orientation& o = s.orientations.front();
        const double volume = dot(o.a, cross(o.b, o.c));
        s.a_star = (1e-10 / volume) * cross(o.b, o.c);
        s.b_star = (1e-10 / volume) * cross(o.c, o.a);
        s.c_star = (1e-10 / volume) * cross(o.a, o.b);
    }
    const double width = random.between(0.3, 4) * step;  // of a spot, 1/A
    for (double& n : s.cells) n = random.chance(0.5) ? 20 : static_cast<double>(random.whole(5, 60));
    keep_definite(s);
    const Shape shapes[] = {Shape::gauss, Shape::gauss_index, Shape::tophat};
    s.shape = shapes[random.whole(0, 2)];
    const double size = s.shape == Shape::gauss_index ? 60 * 20 : s.block_size();
    s.fudge = 0.63 / (width * width * size * size);
}

// Crystals that have nothing in common, more than are tested together.
void make_powder(RandomScene& random) {
    Scene& s = random.scene;
    s.running_product = false;
    s.first_orientations.clear();
    if (s.interpolation == Interpolation::tricubic_sticky) s.interpolation = Interpolation::tricubic;
    s.sources.resize(std::min<std::size_t>(s.sources.size(), 2));
    s.oversample = std::min<std::int64_t>(s.oversample, 2);
    RandomScene::keep_layers(s, 1);
    const Orientation first = s.orientations.front();
    s.orientations.resize(static_cast<std::size_t>(random.whole(200, 600)));
    for (Orientation& o : s.orientations) {
        const Vec3 axis = random.direction();
        const double angle = random.between(-3, 3);
        o = {rotate_axis(first.a, axis, angle), rotate_axis(first.b, axis, angle), rotate_axis(first.c, axis, angle)};
    }
    for (Panel& panel : s.panels) {
        const double smaller = random.between(0.01, 0.3);
        panel.pixel_fast *= smaller;
        panel.pixel_slow *= smaller;
        panel.first_fast = panel.first_slow = 0;
        if (random.chance(0.5)) RandomScene::resize(panel, random.whole(1, 12), random.whole(1, 40));
    }
    if (random.chance(0.2)) {  // too far for a table of maxima
        s.f_min[0] = 2'000'000;
        s.default_F = 10;
        s.interpolation = Interpolation::nearest;
    }
    for (double& n : s.cells) n = static_cast<double>(random.whole(5, 60));
    keep_definite(s);
}

bool lists_spots(const Scene& scene, double tolerance) {
    Scene own = scene;
    own.tolerance = tolerance;
    const Plan plan(own, false, nullptr);
    const double largest = largest_structure_factor(own);
    if (reason_for_reference(own) != nullptr || reason_for_all_terms(own, largest) != nullptr) return false;
    const TermBounds bounds(own, plan.scene(), largest);
    return Spots(own, plan, bounds.bounds(), 1024, 1, false).known();
}

// How many scenes: 10,000 take a night.
std::uint64_t scenes() {
    const char* asked = std::getenv("NANOBRAGG_TOLERANCE_SCENES");
    return asked == nullptr ? 150 : std::strtoull(asked, nullptr, 10);
}

}  // namespace

TEST_CASE("bounds of lattice metrics are below their least eigenvalues") {
    const double none[3] = {0, 0, 0}, hexagonal[3] = {0.5, 0, 0}, flat[3] = {1, 1, 1}, both[3] = {-0.5, -0.5, -0.5};
    CHECK(least_eigenvalue(none) == doctest::Approx(1 - 1e-5));
    CHECK(least_eigenvalue(hexagonal) == doctest::Approx(0.5 - 1e-5));
    CHECK(least_eigenvalue(flat) == 0);
    CHECK(least_eigenvalue(both) == 0);
}

TEST_CASE("no pixel is wrong by more than the tolerance") {
    double left_out = 0, worst = 0;
    for (std::uint64_t seed = 1; seed <= scenes(); seed += kEvery) {
        RandomScene random(seed);
        make_bounded(random);
        CAPTURE(seed);
        const double most = brightest(random.scene);
        if (!(most > 0)) continue;
        const double tolerance = most * std::pow(10.0, random.between(-7, 0));
        CAPTURE(tolerance);
        const Found found = check_within(random.scene, tolerance);
        left_out += found.left_out;
        worst = std::max(worst, found.worst);
    }
    CHECK(left_out > 1e5);
    MESSAGE("largest error / tolerance: " << worst << ", left out: " << left_out);
}

TEST_CASE("no pixel is wrong by more where spots are listed, however the raster is cut") {
    double listed = 0, left_out = 0, worst = 0;
    std::vector<std::uint64_t> seeds{21110, 21115};  // spots much narrower than pixels
    for (std::uint64_t i = 1; i <= scenes() / 2; i += kEvery) seeds.push_back(20000 + i);
    for (const std::uint64_t seed : seeds) {
        RandomScene random(seed);
        make_compact(random);
        CAPTURE(seed);
        const double most = brightest(random.scene);
        if (!(most > 0)) continue;
        const double tolerance = most * std::pow(10.0, random.between(-9, 0));
        CAPTURE(tolerance);
        const bool lists = lists_spots(random.scene, tolerance);
        CAPTURE(lists);
        listed += lists ? 1 : 0;
        const Found found = check_within(random.scene, tolerance);
        left_out += found.left_out;
        worst = std::max(worst, found.worst);
        random.scene.tolerance = tolerance;
        const CutScene cut(random);
        RenderOptions options;
        options.precision = random.chance(0.5) ? Precision::full : Precision::mixed;
        options.only_if_faster = false;
        options.threads = 1;
        const auto image = image_of(random.scene, options);
        options.threads = 4;
        CHECK(same_bits(image, image_of(random.scene, options)));
        CHECK(same_bits(cut.cut_image(image), image_of(cut.scene, options)));
    }
    CHECK(listed > 0.1 * static_cast<double>(scenes()) / static_cast<double>(kEvery));
    CHECK(left_out > 1e5);
    MESSAGE("scenes with lists: " << listed << ", largest error / tolerance: " << worst);
}

TEST_CASE("no pixel of a powder is wrong by more, however the raster is cut") {
    double left_out = 0, worst = 0;
    for (std::uint64_t seed = 40001; seed <= 40000 + scenes() / 4; seed += kEvery) {
        RandomScene random(seed);
        make_powder(random);
        CAPTURE(seed);
        const double most = brightest(random.scene);
        if (!(most > 0)) continue;
        const double tolerance = most * std::pow(10.0, random.between(-6, 0));
        CAPTURE(tolerance);
        const Found found = check_within(random.scene, tolerance);
        left_out += found.left_out;
        worst = std::max(worst, found.worst);
        random.scene.tolerance = tolerance;
        const CutScene cut(random);
        for (const std::string& isa : available_instruction_sets()) {
            const ForcedIsa forced(isa);
            CAPTURE(isa);
            RenderOptions options;
            options.precision = random.chance(0.5) ? Precision::full : Precision::mixed;
            options.only_if_faster = false;
            const auto image = image_of(random.scene, options);
            options.threads = 1;
            CHECK(same_bits(image, image_of(random.scene, options)));
            CHECK(same_bits(cut.cut_image(image), image_of(cut.scene, options)));
        }
    }
    CHECK(left_out > 1e5);
    MESSAGE("largest error / tolerance: " << worst << ", left out: " << left_out);
}

TEST_CASE("an image within a tolerance is the same for any number of threads and any cut into panels") {
    for (std::uint64_t seed = 6000; seed < 6060; seed += kEvery) {
        RandomScene random(seed);
        random.regardless_of_order();
        CAPTURE(seed);
        random.scene.tolerance = 1e-3 * brightest(random.scene);
        const CutScene cut(random);
        for (const Precision precision : {Precision::full, Precision::mixed}) {
            RenderOptions one, many;
            one.precision = many.precision = precision;
            one.only_if_faster = many.only_if_faster = false;
            one.threads = 1;
            many.threads = 4;
            const auto image = image_of(random.scene, one);
            CHECK(same_bits(image, image_of(random.scene, many)));
            CHECK(same_bits(cut.cut_image(image), image_of(cut.scene, many)));
        }
    }
}

TEST_CASE("of round crystals half of the bounds is given back, unless weights below 0 turn it round") {
    double brighter = 0;
    for (std::uint64_t seed = 30001; seed <= 30040; seed += kEvery) {
        RandomScene random(seed);
        make_bounded(random);
        CAPTURE(seed);
        Scene& s = random.scene;
        s.shape = Shape::round;
        const double most = brightest(s);
        if (!(most > 0)) continue;
        const double tolerance = most * std::pow(10.0, random.between(-4, 0));
        check_within(s, tolerance);
        RenderOptions options;
        options.only_if_faster = false;
        s.tolerance = 0;
        const auto full = image_of(s, options);
        s.tolerance = tolerance;
        const auto got = image_of(s, options);
        for (std::size_t i = 0; i < got.size(); ++i) {
            brighter = std::max(brighter, (static_cast<double>(got[i]) - static_cast<double>(full[i])) / tolerance);
        }
        for (Source& source : s.sources) source.weight = -source.weight;
        check_within(s, tolerance);
    }
    CHECK(brighter > 0.5);
}

TEST_CASE("what is left out is counted, and where nothing is, it is said why") {
    RandomScene random(11);
    make_bounded(random);
    Scene& s = random.scene;
    std::vector<float> image(static_cast<std::size_t>(s.pixels()));
    RenderOptions options;
    options.only_if_faster = false;
    s.tolerance = 1e30;  // all may go
    RenderResult result = render(s, options, image.data());
    CHECK(result.all_terms.empty());
    CHECK(result.left_out > 0);
    s.default_F = std::nan("");
    CHECK(render(s, options, image.data()).all_terms == "not all of its numbers are finite");
    s.default_F = 1;
    options.reference = true;
    CHECK(render(s, options, image.data()).all_terms == "the reference renderer leaves none out");
    s.tolerance = -1;
    CHECK_THROWS_AS(render(s, options, image.data()), InputError);
}
