// Gradients of large images, which sum along rows of pixels what smaller ones sum pixel by pixel (specs/derivatives.md,
// "By structure").
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "nanobragg/derivatives.hpp"
#include "random_scene.hpp"
#include "scene_numbers.hpp"

using namespace nanobragg;

namespace {

// Each factor once, and none but the sources' weights in the sum of terms.
void leave_factors(Scene& s) {
    s.dmin = 0;
    s.omega = s.polar = Factor::first;
    s.capture = Factor::off;
    RandomScene::keep_layers(s, 1);
    for (Layer& layer : s.layers) layer.depth = 2e-4;
    for (Panel& panel : s.panels) {
        for (Layer& layer : panel.layers) layer.depth = 3e-4;
    }
}

// As most scenes are: one source and one subpixel, too.
void make_plain(Scene& s) {
    leave_factors(s);
    s.background = s.background_sum = 0;
    s.oversample = 1;
    s.sources.resize(1);
    for (Layer& layer : s.layers) layer.depth = layer.incidence_depth = 0;
    for (Panel& panel : s.panels) {
        for (Layer& layer : panel.layers) layer.depth = layer.incidence_depth = 0;
    }
}

// Rows of pixels in straight lines, of more pixels than 1024 pieces have.
void straighten(RandomScene& random) {
    Scene& s = random.scene;
    make_differentiable(s);
    s.running_product = s.point_pixel = false;
    s.curved_distance = 0;
    s.oversample = std::min<std::int64_t>(s.oversample, 2);
    if (s.sources.size() > 2) s.sources.resize(2);
    s.first_orientations.clear();
    if (s.orientations.size() > 3) s.orientations.resize(3);
    RandomScene::keep_layers(s, std::min<std::size_t>(s.layers.size(), 2));
    for (Layer& layer : s.layers) layer.thickness = 0;
    for (Panel& panel : s.panels) {
        for (Layer& layer : panel.layers) layer.thickness = 0;
        panel.pixel_fast /= 40;
        panel.pixel_slow /= 20;
        RandomScene::resize(panel, 180, random.whole(1500, 1700));
        panel.roi[0] = random.whole(0, 9);
        if (random.chance(0.5)) continue;
        auto& mask = random.masks.emplace_back(static_cast<std::size_t>(panel.pixels()), std::uint8_t{1});
        for (std::size_t i = 0; i < mask.size(); i += 997) mask[i] = 0;
        panel.mask = mask.data();
    }
    if (random.seed % 3 == 0) make_plain(s);
    if (random.seed % 3 == 1) leave_factors(s);
}

// The sum of gradients of some pixels each, and of their sizes.
struct Banded {
    std::vector<double> sums, sizes;

    Banded(const Scene& s, const std::vector<double>& weights, std::vector<Number>& numbers)
        : sums(numbers.size()), sizes(numbers.size()) {
        constexpr std::int64_t most = 50000;
        for (std::int64_t begin = 0; begin < s.pixels(); begin += most) {
            std::vector<std::int64_t> chosen;
            for (std::int64_t i = begin; i < std::min(begin + most, s.pixels()); ++i) chosen.push_back(i);
            DerivativeOptions some;
            some.pixels = chosen.data();
            some.pixel_count = static_cast<std::int64_t>(chosen.size());
            SceneChange part = render_vjp(s, weights.data() + begin, some);
            for (std::size_t i = 0; i < numbers.size(); ++i) {
                sums[i] += numbers[i].change(part);
                sizes[i] += std::abs(numbers[i].change(part));
            }
        }
    }
};

}  // namespace

TEST_CASE("the gradient of a large image is that of its bands, and fits the changes along a direction") {
    for (std::uint64_t seed = 100; seed < 109; seed += kEvery) {
        RandomScene random(seed);
        straighten(random);
        CAPTURE(seed);
        BothPasses passes(random);
        const std::vector<std::string> sets = available_instruction_sets();
        const ForcedIsa forced(sets[seed % sets.size()]);
        SceneChange gradient = passes.gradient();
        const Banded banded(random.scene, passes.weights, passes.numbers);
        for (std::size_t i = 0; i < passes.numbers.size(); ++i) {
            CAPTURE(passes.numbers[i].name);
            CHECK(std::abs(passes.numbers[i].change(gradient) - banded.sums[i]) <= 1e-11 * banded.sizes[i]);
        }
        CHECK(passes.agree(gradient, 1e-11));
    }
}
