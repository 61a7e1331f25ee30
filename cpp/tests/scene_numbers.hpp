// The numbers of a scene that its image has derivatives by, for tests of these.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "derivatives/parts.hpp"
#include "nanobragg/derivatives.hpp"
#include "random_scene.hpp"

namespace nanobragg {

// A number of a scene, the same of a change, and how far it may be moved: so little that indices move by 1e-8.
struct Number {
    std::string name;
    std::function<double&(Scene&)> of;
    std::function<double&(SceneChange&)> change;
    double step;
};

inline SceneChange zeros_like(const Scene& s) { return zeros(s, true); }

inline double& part(Vec3& v, int i) { return i == 0 ? v.x : i == 1 ? v.y : v.z; }

constexpr double kAngle = 1e-10, kLength = 1e-11, kCell = 1e-18;

inline void add_panel(std::vector<Number>& out, std::size_t i) {
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

inline void add_source(std::vector<Number>& out, std::size_t i) {
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

inline void add_orientation(std::vector<Number>& out, std::size_t i, bool first) {
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

inline void add_crystal(std::vector<Number>& out) {
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

inline bool shares_capture(const Scene& s) { return s.one_capture() && s.capture != Factor::each; }

// Of one sensor, whose layers are those from `begin` on in a change.
inline void add_layers(std::vector<Number>& out, const Scene& scene,
                       const std::function<std::vector<Layer>&(Scene&)>& layers, std::size_t begin) {
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
inline std::vector<Number> numbers_of(const Scene& scene) {
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

// Panels from their own corners, and what keeps a scene from having derivatives taken away.
inline void make_differentiable(Scene& s) {
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

// A grid of structure factors about 0 0 0, looked up at the nearest point or interpolated.
inline void give_grid(RandomScene& random, Interpolation interpolation) {
    random.fill_grid(20, 60);
    for (std::int64_t& least : random.scene.f_min) least = -15;
    random.scene.interpolation = interpolation;
}

// A direction in which a, b and c change to b's rows times a, b, c, in every orientation.
inline SceneChange strained(const Scene& s, const double (&b)[9]) {
    SceneChange out = zeros_like(s);
    const auto strain = [&](const std::vector<Orientation>& from, std::vector<Orientation>& to) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            const Orientation& o = from[i];
            to[i] = {b[0] * o.a + b[1] * o.b + b[2] * o.c, b[3] * o.a + b[4] * o.b + b[5] * o.c,
                     b[6] * o.a + b[7] * o.b + b[8] * o.c};
        }
    };
    strain(s.orientations, out.orientations);
    strain(s.first_orientations, out.first_orientations);
    return out;
}

// A step along all of them, drawn at random, so small that indices hardly move; and how much a sum depends on it.
inline SceneChange random_step(RandomScene& random, std::vector<Number>& numbers) {
    SceneChange out = zeros_like(random.scene);
    for (Number& number : numbers) number.change(out) = number.step * random.between(-1, 1);
    for (double& f : out.f_grid) f = random.between(-1e-6, 1e-6);
    return out;
}
inline double along(std::vector<Number>& numbers, SceneChange& gradient, SceneChange& step) {
    double sum = 0;
    for (Number& number : numbers) sum += number.change(gradient) * number.change(step);
    for (std::size_t i = 0; i < step.f_grid.size(); ++i) sum += gradient.f_grid[i] * step.f_grid[i];
    return sum;
}

inline double weighted(const std::vector<double>& weights, const double* image) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * image[i];
    return sum;
}
inline double weighted_size(const std::vector<double>& weights, const double* image) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += std::abs(weights[i] * image[i]);
    return sum;
}

// Both passes over a scene, along a direction and by weights drawn at random.
struct BothPasses {
    const Scene& scene;
    std::vector<Number> numbers;
    SceneChange direction;
    std::vector<double> change, weights;

    explicit BothPasses(RandomScene& random)
        : scene(random.scene),
          numbers(numbers_of(scene)),
          direction(random_step(random, numbers)),
          change(static_cast<std::size_t>(scene.pixels())),
          weights(change.size()) {
        for (double& w : weights) w = random.between(-1, 1);
    }

    // What the weighted sum depends on the numbers, by the backward pass.
    SceneChange gradient() const { return render_vjp(scene, weights.data(), {}); }
    // Whether the other pass says the same, to this part of the sum of all weighted changes.
    bool agree(SceneChange& gradient, double limit) {
        render_jvp(scene, {direction}, change.data(), {});
        const double backward = along(numbers, gradient, direction), forward = weighted(weights, change.data());
        return std::abs(forward - backward) <= limit * weighted_size(weights, change.data());
    }
};

}  // namespace nanobragg
