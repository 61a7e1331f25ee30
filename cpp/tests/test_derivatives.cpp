// Derivatives of the image against differences of the formulas in extended precision, per pixel and per number of the
// scene; and one pass against the other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "exact_pixel.hpp"
#include "nanobragg/derivatives.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/render.hpp"
#include "random_scene.hpp"
#include "scene_numbers.hpp"

using namespace nanobragg;

namespace {

using exact::Exact;

using Image = std::vector<Exact>;

// In the state in which the run arrives at each pixel. (Where that is does not change with a tiny step.)
Image exact_image(const Scene& s, std::int64_t first, std::int64_t out_of_range) {
    Image image(static_cast<std::size_t>(s.pixels()), 0);
    for (const PixelRow& row : s.rows()) {
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        for (std::int64_t fast = panel.roi[0]; fast <= panel.roi[1]; ++fast) {
            if (!panel.unmasked(row.slow, fast)) continue;
            const std::int64_t pixel = row.start + fast;
            RunState state = state_at(s, pixel, first, out_of_range);
            if (s.interpolation != Interpolation::tricubic_sticky) {
                state.interpolating = s.has_grid() && s.interpolation == Interpolation::tricubic;
            }
            image[static_cast<std::size_t>(pixel)] = exact::Pixel(s, {row.panel, row.slow, fast}, state).value();
        }
    }
    return image;
}

double length(const Image& image) {
    Exact sum = 0;
    for (const Exact v : image) sum += v * v;
    return static_cast<double>(std::sqrt(sum));
}

void share_capture(Scene& s) {
    const auto share = [](std::vector<Layer>& layers) {
        for (Layer& layer : layers) {
            layer.front = layers[0].front;
            layer.back = layers[0].back;
            layer.incidence_depth = layers[0].incidence_depth;
        }
    };
    share(s.layers);
    for (Panel& panel : s.panels) share(panel.layers);
}

// d(image)/d(number), by the difference of two images.
Image difference(const Scene& scene, const Number& number, std::int64_t first, std::int64_t out_of_range) {
    Scene more = scene, less = scene;
    number.of(more) += number.step;
    number.of(less) -= number.step;
    if (shares_capture(scene)) {
        share_capture(more);
        share_capture(less);
    }
    const Image a = exact_image(more, first, out_of_range), b = exact_image(less, first, out_of_range);
    const Exact width = static_cast<Exact>(number.of(more)) - static_cast<Exact>(number.of(less));
    Image out(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) out[i] = (a[i] - b[i]) / width;
    return out;
}

// Relative L2 of what is wrong with a derivative; what differences cannot tell from nothing counts as right.
double wrong(const double* found, const Image& expected, const Image& image, double step) {
    Image off(expected.size());
    for (std::size_t i = 0; i < off.size(); ++i) off[i] = found[i] - expected[i];
    const double noise = 1e-17 * length(image) / step;
    const double size = std::max(length(expected), 1e7 * noise);
    return size == 0 ? length(off) : length(off) / size;
}

// How much may be wrong: relative L2 of the image, of its changes, and one pass beside the other.
struct Limits {
    Precision precision;
    double image, change, passes;
};

// Some numbers of a scene, drawn at random: forward against differences, backward against forward.
void check_numbers(RandomScene& random, int count) {
    Scene& s = random.scene;
    const std::int64_t first = locate_first_evaluation(s), out_of_range = locate_out_of_range(s, 1);
    const Image image = exact_image(s, first, out_of_range);
    const auto numbers = numbers_of(s);
    std::vector<Number> drawn;
    std::vector<SceneChange> directions;
    for (int i = 0; i < count; ++i) {
        drawn.push_back(
            numbers[static_cast<std::size_t>(random.whole(0, static_cast<std::int64_t>(numbers.size()) - 1))]);
        directions.push_back(zeros_like(s));
        drawn.back().change(directions.back()) = 1;
    }
    const auto pixels = static_cast<std::size_t>(s.pixels());
    std::vector<double> changes(pixels * directions.size()), found(pixels), weights(pixels);
    std::vector<Image> expected;
    for (const Number& number : drawn) expected.push_back(difference(s, number, first, out_of_range));
    for (double& w : weights) w = random.between(-1, 1);
    for (const Limits& at : {Limits{Precision::full, 1e-9, 1e-7, 1e-11}, Limits{Precision::mixed, 1e-5, 1e-4, 1e-6}}) {
        CAPTURE(static_cast<int>(at.precision));
        DerivativeOptions options;
        options.precision = at.precision;
        options.image = found.data();
        render_jvp(s, directions, changes.data(), options);
        CHECK(wrong(found.data(), image, image, 1) < at.image);
        std::fill(found.begin(), found.end(), 0.0);
        SceneChange gradient = render_vjp(s, weights.data(), options);
        CHECK(wrong(found.data(), image, image, 1) < at.image);
        for (std::size_t i = 0; i < drawn.size(); ++i) {
            CAPTURE(drawn[i].name);
            const double* change = changes.data() + i * pixels;
            CHECK(wrong(change, expected[i], image, drawn[i].step) < at.change);
            const double forward = weighted(weights, change), backward = drawn[i].change(gradient);
            CHECK(std::abs(forward - backward) <= at.passes * weighted_size(weights, change));
        }
    }
}

}  // namespace

TEST_CASE("every number of a scene has the derivatives that differences in extended precision give") {
    const std::string isas[] = {available_instruction_sets().back(), available_instruction_sets().front()};
    for (std::uint64_t seed = 5000; seed < 5080; seed += kEvery) {
        RandomScene random(seed);
        make_differentiable(random.scene);
        const ForcedIsa forced(isas[seed % 8 == 0]);
        CAPTURE(seed);
        check_numbers(random, 6);
    }
}

TEST_CASE("both passes agree along any direction, whatever the scene and the instruction set") {
    for (std::uint64_t seed = 6000; seed < 6030; seed += kEvery) {
        RandomScene random(seed);
        make_differentiable(random.scene);
        CAPTURE(seed);
        BothPasses passes(random);
        const std::vector<std::string> sets = available_instruction_sets();
        for (const std::string& isa : {sets.front(), sets.back()}) {
            const ForcedIsa forced(isa);
            SceneChange gradient = passes.gradient();
            CHECK(passes.agree(gradient, 1e-11));
        }
    }
}

TEST_CASE("directions that strain all orientations alike give what each orientation's change gives") {
    for (std::uint64_t seed = 6500; seed < 6520; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        make_differentiable(s);
        CAPTURE(seed);
        double b[9];
        for (double& x : b) x = random.between(-1, 1);
        const SceneChange alike = strained(s, b);
        // Two halves that are not alike.
        SceneChange one = alike, other = alike;
        one.orientations.front() = {};
        other = zeros_like(s);
        other.orientations.front() = alike.orientations.front();
        const auto pixels = static_cast<std::size_t>(s.pixels());
        std::vector<double> changes(3 * pixels);
        render_jvp(s, {alike, one, other}, changes.data(), {});
        double largest = 0, off = 0;
        for (std::size_t i = 0; i < pixels; ++i) {
            largest = std::max(largest, std::abs(changes[i]));
            off = std::max(off, std::abs(changes[i] - changes[pixels + i] - changes[2 * pixels + i]));
        }
        CHECK(off <= 1e-10 * largest);
    }
}

TEST_CASE("structure factors of a grid have their derivatives, nearest and interpolated") {
    for (std::uint64_t seed = 7000; seed < 7020; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        make_differentiable(s);
        give_grid(random, seed % 2 ? Interpolation::tricubic : Interpolation::nearest);
        s.first_orientations.clear();
        CAPTURE(seed);
        const auto pixels = static_cast<std::size_t>(s.pixels());
        const std::vector<double> weights(pixels, 1.0), grid = random.grid;
        const SceneChange gradient = render_vjp(s, weights.data(), {});
        const auto most = std::max_element(gradient.f_grid.begin(), gradient.f_grid.end());
        const auto place = static_cast<std::size_t>(most - gradient.f_grid.begin());
        SceneChange direction = zeros_like(s);
        direction.f_grid[place] = 1;
        std::vector<double> change(pixels);
        render_jvp(s, {direction}, change.data(), {});
        random.grid[place] = grid[place] + 1e-3;
        const Image more = exact_image(s, -1, -1);
        random.grid[place] = grid[place] - 1e-3;
        const Image less = exact_image(s, -1, -1);
        random.grid = grid;
        Image expected(pixels);
        for (std::size_t i = 0; i < pixels; ++i) expected[i] = (more[i] - less[i]) / 2e-3L;
        CHECK(wrong(change.data(), expected, more, 1e-3) < 1e-7);
        CHECK(std::abs(weighted(weights, change.data()) - *most) <= 1e-11 * std::abs(*most));
    }
}

namespace {

// One pixel of a crystal in a known place: at 0.1 m along z from the sample.
struct Lonely {
    RandomScene random{1};
    Scene& s = random.scene;

    explicit Lonely(Shape shape) {
        s = Scene{};
        Panel panel;
        panel.nslow = panel.nfast = 3;
        panel.pixel_fast = panel.pixel_slow = 1e-4;
        panel.fast = {1, 0, 0};
        panel.slow = {0, 1, 0};
        panel.normal = {0, 0, 1};
        panel.close_distance = 0.1;
        panel.origin = {-1.5e-4, -1.5e-4, 0.1};
        panel.roi[1] = panel.roi[3] = 2;
        s.panels = {panel};
        s.beam_direction = {0, 0, 1};
        s.layers = {Layer{}};
        s.polar = Factor::each;
        s.kahn_factor = 0.9;
        s.polarization_axis = {1, 0, 0};
        s.sources = {{{0, 0, 1}, 1e-10, 1}};
        s.orientations = {{{100e-10, 0, 0}, {0, 100e-10, 0}, {0, 0, 100e-10}}};
        s.default_F = 10;
        s.shape = shape;
        s.a_star = {0.01, 0, 0};
        s.b_star = {0, 0.01, 0};
        s.c_star = {0, 0, 0.01};
        for (double& n : s.cells) n = 5;
    }
};

}  // namespace

TEST_CASE("derivatives are right and finite at the direct beam, and at the top of a Bragg peak") {
    for (const auto& shape : kShapes) {
        CAPTURE(shape.name);
        Lonely beam(shape.value);
        beam.s.fudge = shape.value == Shape::gauss || shape.value == Shape::tophat ? 1e-3 : 1;
        // The middle pixel is where the beam hits.
        for (int i = 0; i < 3; ++i) check_numbers(beam.random, 12);
        // And then on a reflection: the axes are turned so that each of their indices is whole there.
        const Vec3 d = unit({0.3, 0.2, 1}), q = 1e10 * (d - Vec3{0, 0, 1});
        beam.s.panels[0].origin = 0.1 * d - Vec3{1.5e-4, 1.5e-4, 0};
        beam.s.orientations[0] = {(30 / q.x) * Vec3{1, 0, 0}, (20 / q.y) * Vec3{0, 1, 0}, (-8 / q.z) * Vec3{0, 0, -1}};
        for (int i = 0; i < 3; ++i) check_numbers(beam.random, 12);
    }
}

TEST_CASE("N is a real number, and 1 is a crystal of one cell") {
    for (const double cells : {1.0, 1.25, 7.5, 12.0 + 1e-9}) {
        for (const auto& shape : kShapes) {
            Lonely lonely(shape.value);
            lonely.s.fudge = shape.value == Shape::gauss || shape.value == Shape::tophat ? 1e-3 : 1;
            lonely.s.panels[0].origin.x += 0.0133;
            for (double& n : lonely.s.cells) n = cells;
            std::vector<double> image(9);
            DerivativeOptions options;
            options.image = image.data();
            SceneChange direction = zeros_like(lonely.s);
            direction.cells[1] = 1;
            std::vector<double> change(9);
            render_jvp(lonely.s, {direction}, change.data(), options);
            const Image expected = exact_image(lonely.s, -1, -1);
            CHECK(wrong(image.data(), expected, expected, 1) < 1e-9);
            Scene more = lonely.s;
            more.cells[1] += 1e-6;
            Image slope = exact_image(more, -1, -1);
            const Exact width = static_cast<Exact>(more.cells[1]) - cells;
            for (std::size_t i = 0; i < 9; ++i) slope[i] = (slope[i] - expected[i]) / width;
            CHECK(wrong(change.data(), slope, expected, 1e-6) < 1e-4);  // a difference to one side
        }
    }
}

TEST_CASE("the number of threads changes no bit of the derivatives, and how a raster is cut only the last ones") {
    for (std::uint64_t seed = 8000; seed < 8020; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        s.running_product = false;
        CAPTURE(seed);
        std::vector<double> weights(static_cast<std::size_t>(s.pixels()));
        for (double& w : weights) w = random.between(-1, 1);
        DerivativeOptions one, many;
        one.threads = 1;
        many.threads = 3;
        SceneChange a = render_vjp(s, weights.data(), one), b = render_vjp(s, weights.data(), many);
        Scene own = s;
        make_differentiable(own);
        own.orientations = s.orientations;
        own.first_orientations = s.first_orientations;
        std::copy(s.cells, s.cells + 3, own.cells);
        std::copy(s.cells_off_diagonal, s.cells_off_diagonal + 3, own.cells_off_diagonal);
        SceneChange c = render_vjp(own, weights.data(), one);
        for (Number& number : numbers_of(s)) {
            CAPTURE(number.name);
            CHECK(number.change(a) == number.change(b));
            CHECK(number.change(c) == doctest::Approx(number.change(a)).epsilon(1e-6));
        }
    }
}

TEST_CASE("chosen pixels have the numbers that they have in the whole image") {
    for (std::uint64_t seed = 9000; seed < 9030; seed += kEvery) {
        RandomScene random(seed);
        Scene& s = random.scene;
        s.running_product = false;
        make_differentiable(s);
        CAPTURE(seed);
        SceneChange direction = zeros_like(s);
        for (Number& number : numbers_of(s)) number.change(direction) = number.step * random.between(-1, 1);
        const auto pixels = static_cast<std::size_t>(s.pixels());
        std::vector<double> image(pixels), change(pixels), weights(pixels);
        DerivativeOptions all;
        all.image = image.data();
        render_jvp(s, {direction}, change.data(), all);
        std::vector<std::int64_t> chosen;
        std::vector<double> own;
        for (std::size_t i = 0; i < pixels; ++i) {
            if (random.between(0, 1) < 0.6) continue;
            chosen.push_back(static_cast<std::int64_t>(i));
            weights[i] = random.between(-1, 1);
            own.push_back(weights[i]);
        }
        std::vector<double> some(chosen.size()), changes(2 * chosen.size());
        DerivativeOptions few;
        few.pixels = chosen.data();
        few.pixel_count = static_cast<std::int64_t>(chosen.size());
        few.image = some.data();
        render_jvp(s, {direction, direction}, changes.data(), few);
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            const auto pixel = static_cast<std::size_t>(chosen[i]);
            CHECK(some[i] == image[pixel]);
            CHECK(changes[i] == change[pixel]);
            CHECK(changes[chosen.size() + i] == change[pixel]);
        }
        SceneChange found = render_vjp(s, own.data(), few), expected = render_vjp(s, weights.data(), {});
        double ours = 0, theirs = 0;
        for (Number& number : numbers_of(s)) {
            ours += number.change(found) * number.change(direction);
            theirs += number.change(expected) * number.change(direction);
        }
        CHECK(std::abs(ours - theirs) <= 1e-11 * weighted_size(weights, change.data()));
        few.pixels = nullptr;
        chosen.assign({1, 1});
        few.pixels = chosen.data();
        few.pixel_count = 2;
        CHECK_THROWS_AS(render_jvp(s, {}, nullptr, few), InputError);
        chosen.assign({0, s.pixels()});
        CHECK_THROWS_AS(render_jvp(s, {}, nullptr, few), InputError);
    }
}

TEST_CASE("what has no derivatives, and what does not fit, is refused in a sentence") {
    RandomScene random(3);
    Scene& s = random.scene;
    make_differentiable(s);
    const std::vector<double> weights(static_cast<std::size_t>(s.pixels()), 1.0);
    std::vector<double> change(weights.size());
    Scene running = s;
    running.running_product = true;
    running.omega = Factor::each;
    CHECK_THROWS_AS(render_vjp(running, weights.data(), {}), InputError);
    CHECK_THROWS_AS(render_jvp(running, {}, change.data(), {}), InputError);
    Scene broken = s;
    broken.cells[0] = 0.5;
    CHECK_THROWS_AS(render_vjp(broken, weights.data(), {}), InputError);
    SceneChange direction = zeros_like(s);
    direction.sources.resize(s.sources.size() + 1);
    CHECK_THROWS_AS(render_jvp(s, {direction}, change.data(), {}), InputError);
}
