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

using namespace nanobragg;

namespace {

using exact::Exact;

// A number of a scene, the same of a change, and how far it may be moved: so little that indices move by 1e-8.
struct Number {
    std::string name;
    std::function<double&(Scene&)> of;
    std::function<double&(SceneChange&)> change;
    double step;
};

SceneChange zeros_like(const Scene& s) {
    SceneChange out;
    out.panels.resize(s.panels.size());
    out.layers.resize(s.all_layers().size());
    out.sources.resize(s.sources.size());
    out.orientations.resize(s.orientations.size());
    out.first_orientations.resize(s.first_orientations.size());
    out.f_grid.resize(static_cast<std::size_t>(s.grid_points()));
    return out;
}

double& part(Vec3& v, int i) { return i == 0 ? v.x : i == 1 ? v.y : v.z; }

constexpr double kAngle = 1e-10, kLength = 1e-11, kCell = 1e-18;

void add_panel(std::vector<Number>& out, std::size_t i) {
    const auto name = [&](const std::string& field) { return "panels[" + std::to_string(i) + "]." + field; };
    for (int c = 0; c < 3; ++c) {
        out.push_back({name("origin"), [=](Scene& s) -> double& { return part(s.panels[i].origin, c); },
                       [=](SceneChange& d) -> double& { return part(d.panels[i].origin, c); }, kLength});
        out.push_back({name("fast"), [=](Scene& s) -> double& { return part(s.panels[i].fast, c); },
                       [=](SceneChange& d) -> double& { return part(d.panels[i].fast, c); }, 1e-9});
        out.push_back({name("slow"), [=](Scene& s) -> double& { return part(s.panels[i].slow, c); },
                       [=](SceneChange& d) -> double& { return part(d.panels[i].slow, c); }, 1e-9});
        out.push_back({name("normal"), [=](Scene& s) -> double& { return part(s.panels[i].normal, c); },
                       [=](SceneChange& d) -> double& { return part(d.panels[i].normal, c); }, 1e-8});
    }
    out.push_back({name("pixel_fast"), [=](Scene& s) -> double& { return s.panels[i].pixel_fast; },
                   [=](SceneChange& d) -> double& { return d.panels[i].pixel_fast; }, 1e-12});
    out.push_back({name("pixel_slow"), [=](Scene& s) -> double& { return s.panels[i].pixel_slow; },
                   [=](SceneChange& d) -> double& { return d.panels[i].pixel_slow; }, 1e-12});
    out.push_back({name("close_distance"), [=](Scene& s) -> double& { return s.panels[i].close_distance; },
                   [=](SceneChange& d) -> double& { return d.panels[i].close_distance; }, 1e-5});
}

void add_source(std::vector<Number>& out, std::size_t i) {
    const auto name = [&](const std::string& field) { return "sources[" + std::to_string(i) + "]." + field; };
    for (int c = 0; c < 3; ++c) {
        out.push_back({name("direction"), [=](Scene& s) -> double& { return part(s.sources[i].direction, c); },
                       [=](SceneChange& d) -> double& { return part(d.sources[i].direction, c); }, kAngle});
    }
    out.push_back({name("wavelength"), [=](Scene& s) -> double& { return s.sources[i].wavelength; },
                   [=](SceneChange& d) -> double& { return d.sources[i].wavelength; }, 1e-20});
    out.push_back({name("weight"), [=](Scene& s) -> double& { return s.sources[i].weight; },
                   [=](SceneChange& d) -> double& { return d.sources[i].weight; }, 1e-6});
}

void add_orientation(std::vector<Number>& out, std::size_t i, bool first) {
    for (int c = 0; c < 9; ++c) {
        const auto cell = [=](Orientation& o) -> double& {
            return part(c / 3 == 0 ? o.a : c / 3 == 1 ? o.b : o.c, c % 3);
        };
        out.push_back(
            {first ? "first_orientations" : "orientations",
             [=](Scene& s) -> double& { return cell((first ? s.first_orientations : s.orientations)[i]); },
             [=](SceneChange& d) -> double& { return cell((first ? d.first_orientations : d.orientations)[i]); },
             kCell});
    }
}

void add_crystal(std::vector<Number>& out) {
    for (int c = 0; c < 3; ++c) {
        out.push_back({"cells", [=](Scene& s) -> double& { return s.cells[c]; },
                       [=](SceneChange& d) -> double& { return d.cells[c]; }, 1e-6});
        out.push_back({"cells_off_diagonal", [=](Scene& s) -> double& { return s.cells_off_diagonal[c]; },
                       [=](SceneChange& d) -> double& { return d.cells_off_diagonal[c]; }, 1e-6});
        out.push_back({"a_star", [=](Scene& s) -> double& { return part(s.a_star, c); },
                       [=](SceneChange& d) -> double& { return part(d.a_star, c); }, 1e-9});
        out.push_back({"b_star", [=](Scene& s) -> double& { return part(s.b_star, c); },
                       [=](SceneChange& d) -> double& { return part(d.b_star, c); }, 1e-9});
        out.push_back({"c_star", [=](Scene& s) -> double& { return part(s.c_star, c); },
                       [=](SceneChange& d) -> double& { return part(d.c_star, c); }, 1e-9});
    }
}

bool shares_capture(const Scene& s) { return s.one_capture() && s.capture != Factor::each; }

// Of one sensor, whose layers are those from `begin` on in a change.
void add_layers(std::vector<Number>& out, const Scene& scene, const std::function<std::vector<Layer>&(Scene&)>& layers,
                std::size_t begin) {
    // Layers that share a capture fraction change together (share_capture).
    const std::size_t depths = shares_capture(scene) ? 1 : scene.layers.size();
    const auto add = [&](const char* name, std::size_t i, double Layer::* field, double step) {
        out.push_back({name, [=](Scene& s) -> double& { return layers(s)[i].*field; },
                       [=](SceneChange& d) -> double& { return d.layers[begin + i].*field; }, step});
    };
    for (std::size_t i = 0; i < scene.layers.size(); ++i) {
        add("layers.depth", i, &Layer::depth, kLength);
        if (scene.layers[i].thickness != 0) add("layers.thickness", i, &Layer::thickness, kLength);
        if (i >= depths) continue;
        add("layers.front", i, &Layer::front, 1e-9);
        add("layers.back", i, &Layer::back, 1e-9);
        add("layers.incidence_depth", i, &Layer::incidence_depth, 1e-9);
    }
}

// All but the structure factors, of which the grid's are not those of a Scene.
std::vector<Number> numbers_of(const Scene& scene) {
    std::vector<Number> out;
    for (std::size_t i = 0; i < scene.panels.size(); ++i) add_panel(out, i);
    for (std::size_t i = 0; i < scene.sources.size(); ++i) add_source(out, i);
    for (std::size_t i = 0; i < scene.orientations.size(); ++i) add_orientation(out, i, false);
    for (std::size_t i = 0; i < scene.first_orientations.size(); ++i) add_orientation(out, i, true);
    add_crystal(out);
    add_layers(out, scene, [](Scene& s) -> std::vector<Layer>& { return s.layers; }, 0);
    std::size_t behind = scene.layers.size();
    for (std::size_t i = 0; i < scene.panels.size(); ++i) {
        if (scene.panels[i].layers.empty()) continue;
        add_layers(out, scene, [=](Scene& s) -> std::vector<Layer>& { return s.panels[i].layers; }, behind);
        behind += scene.layers.size();
        out.push_back({"panels.attenuation", [=](Scene& s) -> double& { return s.panels[i].attenuation; },
                       [=](SceneChange& d) -> double& { return d.panels[i].attenuation; }, 1e-3});
        out.push_back({"panels.sensor_depth", [=](Scene& s) -> double& { return s.panels[i].sensor_depth; },
                       [=](SceneChange& d) -> double& { return d.panels[i].sensor_depth; }, 1e-9});
    }
    for (int c = 0; c < 3; ++c) {
        out.push_back({"beam_direction", [=](Scene& s) -> double& { return part(s.beam_direction, c); },
                       [=](SceneChange& d) -> double& { return part(d.beam_direction, c); }, kAngle});
        out.push_back({"polarization_axis", [=](Scene& s) -> double& { return part(s.polarization_axis, c); },
                       [=](SceneChange& d) -> double& { return part(d.polarization_axis, c); }, 1e-6});
    }
    const auto add = [&](const char* name, double Scene::* field, double SceneChange::* change, double step) {
        out.push_back({name, [=](Scene& s) -> double& { return s.*field; },
                       [=](SceneChange& d) -> double& { return d.*change; }, step});
    };
    if (scene.curved_distance != 0)
        add("curved_distance", &Scene::curved_distance, &SceneChange::curved_distance, kLength);
    add("attenuation", &Scene::attenuation, &SceneChange::attenuation, 1e-3);
    add("sensor_depth", &Scene::sensor_depth, &SceneChange::sensor_depth, 1e-9);
    add("kahn_factor", &Scene::kahn_factor, &SceneChange::kahn_factor, 1e-6);
    add("fudge", &Scene::fudge, &SceneChange::fudge, 1e-6 * scene.fudge);
    add("default_F", &Scene::default_F, &SceneChange::default_F, 1e-5);
    add("background_sum", &Scene::background_sum, &SceneChange::background_sum, 1e-3);
    add("background", &Scene::background, &SceneChange::background, 1e-3);
    add("scale", &Scene::scale, &SceneChange::scale, 1e-6);
    return out;
}

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

// Panels from their own corners, and what keeps a scene from having derivatives taken away.
void make_differentiable(Scene& s) {
    s.running_product = false;
    for (Panel& p : s.panels) {
        p.origin = p.origin + (static_cast<double>(p.first_fast) * p.pixel_fast) * p.fast +
                   (static_cast<double>(p.first_slow) * p.pixel_slow) * p.slow;
        p.first_fast = p.first_slow = 0;
    }
    if (s.orientations.size() > 4) {
        s.orientations.resize(4);
        if (!s.first_orientations.empty()) s.first_orientations.resize(4);
    }
    for (double& n : s.cells) n = std::min(n, 40.0);
    keep_definite(s);
}

double weighted(const std::vector<double>& weights, const double* image) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * image[i];
    return sum;
}
double weighted_size(const std::vector<double>& weights, const double* image) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += std::abs(weights[i] * image[i]);
    return sum;
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
        Scene& s = random.scene;
        make_differentiable(s);
        CAPTURE(seed);
        SceneChange direction = zeros_like(s);
        for (Number& number : numbers_of(s)) number.change(direction) = number.step * random.between(-1, 1);
        for (double& f : direction.f_grid) f = random.between(-1e-6, 1e-6);
        const auto pixels = static_cast<std::size_t>(s.pixels());
        std::vector<double> change(pixels), weights(pixels);
        for (double& w : weights) w = random.between(-1, 1);
        const std::vector<std::string> sets = available_instruction_sets();
        for (const std::string& isa : {sets.front(), sets.back()}) {
            const ForcedIsa forced(isa);
            render_jvp(s, {direction}, change.data(), {});
            SceneChange gradient = render_vjp(s, weights.data(), {});
            double backward = 0;
            for (Number& number : numbers_of(s)) backward += number.change(gradient) * number.change(direction);
            for (std::size_t i = 0; i < direction.f_grid.size(); ++i) {
                backward += gradient.f_grid[i] * direction.f_grid[i];
            }
            const double forward = weighted(weights, change.data());
            CHECK(std::abs(forward - backward) <= 1e-11 * weighted_size(weights, change.data()));
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
        SceneChange alike = zeros_like(s);
        const auto strain = [&](const std::vector<Orientation>& from, std::vector<Orientation>& to) {
            for (std::size_t i = 0; i < from.size(); ++i) {
                const Orientation& o = from[i];
                to[i] = {b[0] * o.a + b[1] * o.b + b[2] * o.c, b[3] * o.a + b[4] * o.b + b[5] * o.c,
                         b[6] * o.a + b[7] * o.b + b[8] * o.c};
            }
        };
        strain(s.orientations, alike.orientations);
        strain(s.first_orientations, alike.first_orientations);
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
        random.fill_grid(20, 60);
        s.f_min[0] = s.f_min[1] = s.f_min[2] = -15;
        s.interpolation = seed % 2 ? Interpolation::tricubic : Interpolation::nearest;
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
