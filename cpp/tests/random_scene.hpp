// Scenes drawn at random, and the bar that images of them must pass.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"

namespace nanobragg {

// Every so many of the random scenes, 1 if nobody says otherwise: sanitizers and emulated GPUs take long.
inline const std::uint64_t kEvery = [] {
    const char* asked = std::getenv("NANOBRAGG_EVERY");
    return asked == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(asked, nullptr, 10));
}();

// Renders with this instruction set for as long as it lives.
struct ForcedIsa {
    explicit ForcedIsa(const std::string& name) { setenv("NANOBRAGG_ISA", name.c_str(), 1); }
    ForcedIsa(const ForcedIsa&) = delete;
    ForcedIsa& operator=(const ForcedIsa&) = delete;
    ~ForcedIsa() { unsetenv("NANOBRAGG_ISA"); }
};

// Leaves less beside the diagonal of N than makes it indefinite.
inline void keep_definite(Scene& s) {
    for (int i = 0; i < 3; ++i) {
        const double most = 0.45 * std::sqrt(s.cells[i] * s.cells[(i + 1) % 3]);
        s.cells_off_diagonal[i] = std::clamp(s.cells_off_diagonal[i], -most, most);
    }
}

// A scene with everything drawn at random, and the arrays it points to.
struct RandomScene {
    Scene scene;
    std::vector<double> grid;
    std::deque<std::vector<std::uint8_t>> masks;
    std::uint64_t seed;
    std::mt19937_64 random;

    explicit RandomScene(std::uint64_t number) : seed(number), random(number) {
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
    // Large pixels, and a sensor behind so thick a layer that some of their subpixels capture exactly 0, that is too
    // little for a double, and others do not.
    void thicken() {
        Scene& s = scene;
        for (Panel& panel : s.panels) {
            panel.pixel_fast = panel.pixel_slow = between(0.01, 0.05);
            panel.first_fast = panel.first_slow = 0;
        }
        for (Panel& panel : s.panels) panel.layers.clear();
        for (Layer& layer : s.layers) {
            layer.front = 1e-3;
            layer.back = 2e-3;
        }
        s.attenuation = 550e3;
        s.scale = 1e250;
        s.background = s.background_sum = 0;
        s.capture = Factor::first;
        s.running_product = false;
        s.oversample = 3;
    }

    // Beams from several directions with one spectrum, narrow or wide, cut finely; F constant, and blocks of few or
    // many cells: what may be summed over fewer wavelengths, and in fans.
    void spectra() {
        Scene& s = scene;
        s.f_grid = nullptr;
        s.f_shape[0] = s.f_shape[1] = s.f_shape[2] = 0;
        s.default_F = between(1, 50);
        s.interpolation = Interpolation::nearest;
        s.shape = Shape::square;
        s.fudge = 1;
        if (chance(0.8)) s.dmin = 0;
        if (chance(0.5)) {  // factors that may leave the sum
            s.omega = s.polar = Factor::first;
            s.capture = Factor::off;
        }
        s.running_product = false;
        const double width = between(0, 0.03) * between(0, 1);
        const std::int64_t directions = whole(1, 9), lines = whole(1, 60);
        std::vector<Source> lamp;
        for (std::int64_t i = 0; i < lines; ++i) {
            const double wavelength = 1e-10 * (1 + width * (static_cast<double>(i) / 60 - 0.5));
            lamp.push_back({{0, 0, 1}, chance(0.1) ? 1e-10 : wavelength, chance(0.05) ? 0 : between(0.1, 2)});
        }
        s.sources.clear();
        for (std::int64_t i = 0; i < directions; ++i) {
            const Vec3 from = unit({between(-0.01, 0.01), between(-0.01, 0.01), 1});
            for (Source source : lamp) {
                source.direction = from;
                s.sources.push_back(source);
            }
        }
        if (s.orientations.size() > 3) s.orientations.resize(3);
        s.first_orientations.clear();
        s.oversample = 1;
        keep_layers(s, 1);
        if (chance(0.1)) {  // enough pixels to be worth many nodes
            for (Panel& panel : s.panels) {
                panel.pixel_fast /= 4;
                panel.pixel_slow /= 4;
                resize(panel, 30, 40);
            }
        }
    }

    // A crystal that turns a little from step to step, with structure factors of its own for every index.
    void oscillate() {
        Scene& s = scene;
        fill_grid(20, 60);
        s.interpolation = Interpolation::nearest;
        s.shape = Shape::square;
        s.curved_distance = 0;
        for (Layer& layer : s.layers) layer.thickness = 0;
        for (Panel& panel : s.panels) {
            for (Layer& layer : panel.layers) layer.thickness = 0;
        }
        s.running_product = false;
        const Orientation first = s.orientations.front();
        const double step = between(0, 0.01);
        for (std::size_t i = 1; i < s.orientations.size(); ++i) {
            const double angle = step * static_cast<double>(i);
            s.orientations[i] = {rotate_axis(first.a, {1, 0, 0}, angle), rotate_axis(first.b, {1, 0, 0}, angle),
                                 rotate_axis(first.c, {1, 0, 0}, angle)};
        }
        s.first_orientations.clear();
    }

    // Nothing that depends on the order of pixels; rows of one piece or several, and factors and beams of all kinds.
    void regardless_of_order() {
        if (chance(0.3)) spectra();
        Scene& s = scene;
        s.first_orientations.clear();
        if (s.interpolation == Interpolation::tricubic_sticky) s.interpolation = Interpolation::tricubic;
        if (s.orientations.size() > 6) s.orientations.resize(6);
        s.oversample = std::min<std::int64_t>(s.oversample, 2);
        for (Orientation& o : s.orientations)
            o = {30.0 * o.a, 30.0 * o.b, 30.0 * o.c};  // the last bit of a place shows
        for (Panel& panel : s.panels) {
            panel.first_fast = panel.first_slow = 0;
            if (chance(0.5)) resize(panel, whole(1, 3), whole(1, 1500));
        }
    }

    bool chance(double p) { return between(0, 1) < p; }
    Vec3 direction() { return unit({between(-1, 1), between(-1, 1), between(-1, 1)}); }

    // All of its pixels, without a mask.
    static void resize(Panel& panel, std::int64_t nslow, std::int64_t nfast) {
        panel.nslow = nslow;
        panel.nfast = nfast;
        panel.roi[0] = panel.roi[2] = 0;
        panel.roi[1] = nfast - 1;
        panel.roi[3] = nslow - 1;
        panel.mask = nullptr;
    }

    // Tilted by up to some 15 degrees; one in ten behind the sample. Pixels are square and axes orthogonal unit
    // vectors, or neither.
    Panel panel() {
        Panel out;
        resize(out, whole(3, 9), whole(3, 40));
        out.pixel_fast = out.pixel_slow = between(1e-4, 2e-3);
        out.fast = unit({1, between(-0.2, 0.2), between(-0.2, 0.2)});
        out.normal = unit(cross(out.fast, unit({between(-0.2, 0.2), 1, between(-0.2, 0.2)})));
        out.slow = cross(out.normal, out.fast);
        if (chance(0.1)) {
            for (Vec3* axis : {&out.fast, &out.slow, &out.normal}) *axis = rotate_axis(*axis, {1, 0, 0}, between(2, 4));
        }
        out.close_distance = between(0.05, 0.2);
        const double along_fast = between(-0.02, 0.01), along_slow = between(-0.02, 0.01);
        out.origin = out.close_distance * out.normal + along_fast * out.fast + along_slow * out.slow;
        if (chance(0.5)) {
            out.pixel_slow *= between(0.3, 3);
            out.slow = between(0.8, 1.2) * (out.slow + between(-0.1, 0.1) * out.fast);
        }
        if (chance(0.2)) out.first_fast = whole(0, 200);
        if (chance(0.2)) out.first_slow = whole(0, 20);
        return out;
    }

    void detector() {
        Scene& s = scene;
        s.beam_direction = {0, 0, 1};
        for (std::int64_t i = whole(1, 3); i > 0; --i) s.panels.push_back(panel());
        const auto behind = [](const Panel& panel) { return panel.normal.z < 0; };
        if (chance(0.2) && std::none_of(s.panels.begin(), s.panels.end(), behind)) {
            s.curved_distance = s.panels[0].close_distance;
        }
        const std::int64_t layers = whole(1, 3);
        const double step = between(1e-5, 3e-4);
        const bool shared = chance(0.5), sunk = seed % 3 == 0;
        for (std::int64_t t = 0; t < layers; ++t) {
            const std::int64_t use = shared ? layers - 1 : t;
            s.layers.push_back({static_cast<double>(t) * step, static_cast<double>(use) * step,
                                static_cast<double>(use + 1) * step, static_cast<double>(use) * step,
                                sunk ? step : 0.0});
        }
        s.sensor_depth = static_cast<double>(layers) * step;
        s.attenuation = between(500, 5000);
        if (s.panels.size() > 1 && seed % 4 != 0) own_sensor(s.panels.back());
    }

    // Another thickness and attenuation. (Drawn from nothing else, so that scenes stay as they were without it.)
    void own_sensor(Panel& panel) const {
        const double times = 0.3 + 0.25 * static_cast<double>(seed % 7);
        panel.layers = scene.layers;
        for (Layer& layer : panel.layers) {
            for (double* depth : {&layer.depth, &layer.front, &layer.back, &layer.incidence_depth, &layer.thickness}) {
                *depth *= times;
            }
        }
        panel.sensor_depth = scene.sensor_depth * times;
        panel.attenuation = scene.attenuation * (0.4 + 0.3 * static_cast<double>(seed % 5));
    }

    static void keep_layers(Scene& s, std::size_t count) {
        s.layers.resize(count);
        for (Panel& panel : s.panels) {
            if (!panel.layers.empty()) panel.layers.resize(count);
        }
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

    // Structure factors for so many indices along each axis.
    void fill_grid(std::int64_t least, std::int64_t most) {
        for (int i = 0; i < 3; ++i) {
            scene.f_shape[i] = whole(least, most);
            scene.f_min[i] = -whole(0, scene.f_shape[i]);
        }
        grid.resize(static_cast<std::size_t>(scene.grid_points()));
        for (double& f : grid) f = between(0, 100);
        scene.f_grid = grid.data();
    }

    void crystal() {
        Scene& s = scene;
        for (std::int64_t i = whole(1, 40); i > 0; --i) s.orientations.push_back(orientation());
        if (chance(0.3)) {
            for (std::size_t i = 0; i < s.orientations.size(); ++i) s.first_orientations.push_back(orientation());
        }
        // Every second Gaussian is one in index space.
        const std::int64_t drawn = whole(0, std::size(kShapes) - 2);
        s.shape = kShapes[drawn < static_cast<int>(Shape::gauss_index) ? drawn : drawn + 1].value;
        if (s.shape == Shape::gauss && seed % 2 == 1) s.shape = Shape::gauss_index;
        const std::int64_t most_cells = chance(0.5) ? 8 : 300;  // few cells have kernels of their own
        for (double& n : s.cells) n = static_cast<double>(whole(1, most_cells));
        if (s.cells[0] == 5 || s.cells[1] > 250) s.cells[2] += 0.3;  // some that are not whole
        std::mt19937_64 beside(seed);
        for (double& n : s.cells_off_diagonal) n = std::uniform_real_distribution<double>(-300, 300)(beside);
        keep_definite(s);
        s.fudge = s.shape == Shape::gauss || s.shape == Shape::tophat ? between(1e-5, 1e-3) : between(0.5, 1.5);
        s.a_star = {0.02, 0, 0};
        s.b_star = {-0.003, 0.0167, 0};
        s.c_star = {0.001, -0.002, 0.0143};
        s.default_F = between(0, 50);
        if (chance(0.6)) {
            fill_grid(6, 40);
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
        const bool masked = chance(0.3);
        for (Panel& panel : s.panels) {
            panel.roi[0] = whole(0, 1);
            panel.roi[1] = panel.nfast - 1 - whole(0, 1);
            panel.roi[2] = whole(0, 1);
            panel.roi[3] = panel.nslow - 1 - whole(0, 1);
            if (s.panels.size() > 1 && chance(0.1)) panel.roi[3] = -1;  // nothing of it
            if (!masked || chance(0.2)) continue;
            auto& mask = masks.emplace_back(static_cast<std::size_t>(panel.pixels()));
            for (auto& m : mask) m = chance(0.8);
            panel.mask = mask.data();
        }
    }
};

// A scene whose panels are cut into tiles at random, told by their positions alone, and shuffled: what there is of
// panels that are parts of one raster.
struct CutScene {
    Scene scene;
    std::deque<std::vector<std::uint8_t>> masks;
    std::vector<std::int64_t> pixels;  // of the uncut image, in the order of the cut one

    explicit CutScene(RandomScene& from) : scene(from.scene) {
        scene.panels.clear();
        std::vector<std::pair<Panel, PixelPlace>> tiles;
        for (std::size_t i = 0; i < from.scene.panels.size(); ++i) {
            const Panel& panel = from.scene.panels[i];
            cut(from, panel, {static_cast<std::int64_t>(i), 0, 0}, panel.nslow, panel.nfast, tiles);
        }
        std::shuffle(tiles.begin(), tiles.end(), from.random);
        for (const auto& [tile, first] : tiles) {
            scene.panels.push_back(tile);
            for (std::int64_t slow = 0; slow < tile.nslow; ++slow) {
                for (std::int64_t fast = 0; fast < tile.nfast; ++fast) {
                    pixels.push_back(from.scene.index({first.panel, first.slow + slow, first.fast + fast}));
                }
            }
        }
        join_rasters(scene);
    }

    void cut(RandomScene& from, const Panel& panel, PixelPlace first, std::int64_t nslow, std::int64_t nfast,
             std::vector<std::pair<Panel, PixelPlace>>& tiles) {
        if (nslow > 1 && from.chance(0.5)) {
            const std::int64_t part = from.whole(1, nslow - 1);
            cut(from, panel, first, part, nfast, tiles);
            cut(from, panel, {first.panel, first.slow + part, first.fast}, nslow - part, nfast, tiles);
        } else if (nfast > 1 && from.chance(0.8)) {
            const std::int64_t part = from.whole(1, nfast - 1);
            cut(from, panel, first, nslow, part, tiles);
            cut(from, panel, {first.panel, first.slow, first.fast + part}, nslow, nfast - part, tiles);
        } else {
            tiles.emplace_back(tile(panel, first, nslow, nfast), first);
        }
    }

    Panel tile(const Panel& panel, PixelPlace first, std::int64_t nslow, std::int64_t nfast) {
        Panel out = panel;
        RandomScene::resize(out, nslow, nfast);
        out.origin = panel.origin + static_cast<double>(first.fast) * panel.pixel_fast * panel.fast +
                     static_cast<double>(first.slow) * panel.pixel_slow * panel.slow;
        out.roi[0] = std::max<std::int64_t>(panel.roi[0] - first.fast, 0);
        out.roi[1] = std::min(panel.roi[1] - first.fast, nfast - 1);
        out.roi[2] = std::max<std::int64_t>(panel.roi[2] - first.slow, 0);
        out.roi[3] = std::min(panel.roi[3] - first.slow, nslow - 1);
        if (panel.mask != nullptr) {
            auto& mask = masks.emplace_back();
            for (std::int64_t slow = first.slow; slow < first.slow + nslow; ++slow) {
                const std::uint8_t* row = panel.mask + slow * panel.nfast + first.fast;
                mask.insert(mask.end(), row, row + nfast);
            }
            out.mask = mask.data();
        }
        return out;
    }

    // The uncut image in the order of the cut one.
    std::vector<float> cut_image(const std::vector<float>& image) const {
        std::vector<float> out;
        for (const std::int64_t pixel : pixels) out.push_back(image[static_cast<std::size_t>(pixel)]);
        return out;
    }
};

// Bit for bit, NaN too.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline std::vector<float> image_of(const Scene& scene, const RenderOptions& options) {
    std::vector<float> image(static_cast<std::size_t>(scene.pixels()), -1.0f);
    render(scene, options, image.data());
    return image;
}

// Pixels outside the bar; a few may lie on a discontinuity (TOPHAT edge, half-integer index, dmin).
inline int outliers(const std::vector<float>& got, const std::vector<float>& expected, double relative,
                    double absolute) {
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

}  // namespace nanobragg
