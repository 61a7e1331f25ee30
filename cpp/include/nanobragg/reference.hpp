// The reference renderer: scalar, double, in the original's loop order, every quirk. It is the oracle of the
// other renderers, and, watching one pixel, the tracer.
#pragma once

#include <cstdint>

#include "nanobragg/scene.hpp"

namespace nanobragg {

// What one evaluation (subpixel, layer, source, orientation) went through.
struct Evaluation {
    std::int64_t layer = 0, sub_slow = 0, sub_fast = 0, source = 0, orientation = 0;
    Vec3 position, diffracted, incident, scattering;  // m, unit, unit, 1/m
    double airpath = 0, wavelength = 0;               // m
    double stol = 0;                                  // sin(theta)/lambda, 1/m
    double omega = 0, capture = 0, polar = 0;         // as they stand at this evaluation
    Vec3 a, b, c;                                     // m
    double h = 0, k = 0, l = 0;
    std::int64_t h0 = 0, k0 = 0, l0 = 0;
    double F_cell = 0, F_latt = 0;
    double term = 0, sum = 0;   // what was added, and the running sum after it
    bool interpolated = false;  // tricubic
    bool skipped = false;       // F_latt is 0 and nothing was added
};

struct PixelResult {
    double sum = 0;       // running sum after the last evaluation
    double per_step = 0;  // sum / steps
    double omega = 0, capture = 0, polar = 0;
    double central_omega = 0;  // solid angle at the pixel's centre, steradian
    double value = 0;          // photons, before it is stored as float32
};

class Observer {
  public:
    virtual ~Observer() = default;
    virtual void evaluation(const Evaluation&) = 0;
};

// What is carried from one evaluation to the next through the whole run.
struct RunState {
    bool first_pending = false;  // the very first evaluation is still to come
    bool interpolating = false;  // no tricubic evaluation fell out of range so far
};

RunState initial_state(const Scene& scene);
PixelResult reference_pixel(const Scene& scene, PixelPlace at, RunState& state, Observer* observer = nullptr);

// Pixel of the image (Scene::index) of the run's very first evaluation, if it differs from all others; else -1.
std::int64_t locate_first_evaluation(const Scene& scene);
// First pixel in the image's order in which a tricubic evaluation is out of range and counts; -1: none.
std::int64_t locate_out_of_range(const Scene& scene, int threads);

// The state in which the run arrives at `pixel`, given the two pixels above.
RunState state_at(const Scene& scene, std::int64_t pixel, std::int64_t first_evaluation, std::int64_t out_of_range);

// One pixel as the run would leave it, given the two pixels above.
PixelResult reference_alone(const Scene& scene, std::int64_t pixel, std::int64_t first_evaluation,
                            std::int64_t out_of_range);

// The whole image in one thread, pixel after pixel: the definition that everything else is tested against.
// `image` has Scene::pixels() elements. Returns whether interpolation was left (tricubic_sticky).
bool render_reference(const Scene& scene, float* image);

}  // namespace nanobragg
