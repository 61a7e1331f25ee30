// Derivatives of the image by the numbers of its Scene (specs/derivatives.md).
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/render.hpp"
#include "nanobragg/scene.hpp"

namespace nanobragg {

struct PanelChange {
    Vec3 origin;  // the first pixel's outer corner, also in a part of a larger raster
    Vec3 fast, slow, normal;
    double pixel_fast = 0, pixel_slow = 0, area = 0, close_distance = 0;
    double attenuation = 0, sensor_depth = 0;  // of a sensor of its own
};

struct SourceChange {
    Vec3 direction;
    double wavelength = 0, weight = 0;
};

// A number for each number of a Scene, under the same name: a direction in which the Scene changes, or how much a sum
// over the image depends on each of them.
struct SceneChange {
    std::vector<PanelChange> panels;
    double curved_distance = 0;
    Vec3 beam_direction;
    std::vector<Layer> layers;  // of the scene's sensor, and then of each panel's own
    double attenuation = 0, sensor_depth = 0;
    double kahn_factor = 0;
    Vec3 polarization_axis;
    std::vector<SourceChange> sources;
    std::vector<Orientation> orientations, first_orientations;
    double cells[3] = {0, 0, 0};  // N is a real number here
    double cells_off_diagonal[3] = {0, 0, 0};
    double fudge = 0;
    Vec3 a_star, b_star, c_star;
    std::vector<double> f_grid;  // (H, K, L)
    double default_F = 0;
    double background_sum = 0, background = 0;
    double scale = 0;
};

struct DerivativeOptions {
    int threads = 0;  // 0: one for each processor this process may use
    // mixed: indices and all that belongs to a pixel in double, shapes and their derivatives in float, but where
    // numbers might not fit in one: then everything is in double.
    Precision precision = Precision::full;
    bool grid = true;  // derivatives by structure factors are asked for (backward)
    // Numbers of the pixels of the image that are wanted, ascending; null: all. Others take no time and no memory:
    // weights, changes and the image have a value for each one that is wanted.
    const std::int64_t* pixels = nullptr;
    std::int64_t pixel_count = 0;
    double* image = nullptr;  // the image itself; null: not wanted
};

// Backward: d(sum of weights x image)/d(every number of the scene). `weights` has a value for each pixel that is
// wanted. All vectors of the result have the sizes of the scene's (f_grid is empty where it is not asked for). The
// result does not depend on the number of threads. Throws InputError for a scene that cannot be rendered or whose image
// has no derivatives, and for a pixel that there is not.
SceneChange render_vjp(const Scene& scene, const double* weights, const DerivativeOptions& options);

// Forward: how the image changes along each of some directions. `changes` gets a value for each pixel that is wanted,
// one direction after the other. A vector of a direction that is empty stands for zeros. Throws InputError as above,
// and for vectors of other sizes.
void render_jvp(const Scene& scene, const std::vector<SceneChange>& directions, double* changes,
                const DerivativeOptions& options);

}  // namespace nanobragg
