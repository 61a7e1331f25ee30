// The one way from a Scene to an image on the CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nanobragg/scene.hpp"

namespace nanobragg {

enum class Precision {
    full,  // everything in double
    mixed  // fractional indices in double, the lattice transform in float
};

// What mixed precision makes of a scene's structure factors: worth keeping for a series of images.
struct SquaredFactors {
    std::vector<float> squares;  // F^2 of the grid, and default_F^2 behind the last; empty if all F are interpolated
    double largest = 0;          // |F| of grid and default_F
};
SquaredFactors squared_factors(const Scene& scene);

struct RenderOptions {
    int threads = 0;  // 0: one for each processor this process may use
    Precision precision = Precision::full;
    bool reference = false;  // the scalar reference renderer, in one thread
    // What was made of the same structure factors before, for mixed precision; null: not known yet.
    const SquaredFactors* factors = nullptr;
    bool only_if_faster = true;  // leave out terms (Scene::tolerance) only where that saves time
    // Called now and then from the calling thread with the fraction done; false stops the work.
    std::function<bool(double)> tick;
};

struct RenderResult {
    bool finished = true;             // false: stopped by tick
    double solid_angle = 0;           // steradian, of all rendered pixels
    bool interpolation_left = false;  // an evaluation was out of range (tricubic_sticky)
    std::int64_t evaluations = 0;     // evaluations made: fewer than the scene asks for where a spectrum was shortened,
                                      // and where terms were left out:
    std::int64_t left_out = 0;        // evaluations that cannot matter (Scene::tolerance)
    double error_bound = 0;           // photons that no pixel is wrong by for those, proved
    std::string all_terms;            // why none was left out in spite of a tolerance, or empty
};

// `image` has Scene::pixels() elements, panel after panel, (slow, fast); pixels that are not rendered become 0. The
// result does not depend on the number of threads, nor on how a raster is cut into panels (Panel::first_fast). Throws
// InputError for a scene that cannot be rendered.
RenderResult render(const Scene& scene, const RenderOptions& options, float* image);

// Instruction sets: those this processor and this build have, best last; and the one in use, which the environment
// variable NANOBRAGG_ISA can force (InputError where it is unknown or unsupported).
std::vector<std::string> available_instruction_sets();
std::string chosen_instruction_set();

// Floating-point operations per second that one core reaches at the chosen instruction set, in double or single
// precision, measured for about `seconds`.
double peak_rate(bool double_precision, double seconds);

}  // namespace nanobragg
