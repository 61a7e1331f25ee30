// The Scene: everything the render loop needs, explicit, in SI units, and nothing else. The twin of
// python/nanobragg/records/scene.py, where every field is described. Conventions, files and flags are unknown here.
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/enumerations.hpp"
#include "nanobragg/vec3.hpp"

namespace nanobragg {

struct Panel {
    Vec3 origin, fast, slow, normal;
    double close_distance = 0;
};

struct Layer {
    double depth = 0;            // the layer's pixel plane is this deep, m
    double front = 0, back = 0;  // the slab whose absorption multiplies the layer's terms, m
    double incidence_depth = 0;  // where the angle of incidence is taken under Factor::first, m
};

struct Source {
    Vec3 direction;  // unit vector of travel
    double wavelength = 0, weight = 1;
};

struct Orientation {
    Vec3 a, b, c;  // direct cell, m
};

struct Scene {
    // detector
    std::int64_t nslow = 0, nfast = 0;
    double pixel_size = 0;
    std::vector<Panel> panels;
    double curved_distance = 0;
    Vec3 beam_direction;
    std::vector<Layer> layers;
    double attenuation = 0;
    double sensor_depth = 0;  // all layers together
    // factors
    Factor omega = Factor::first, polar = Factor::off, capture = Factor::off;
    bool point_pixel = false, running_product = false;
    double kahn_factor = 0;
    Vec3 polarization_axis;
    // beam
    std::vector<Source> sources;
    // crystal
    std::vector<Orientation> orientations, first_orientations;
    Shape shape = Shape::square;
    double cells[3] = {1, 1, 1};
    double fudge = 1;
    Vec3 a_star, b_star, c_star;  // 1/Å, without rotation
    // structure factors; the grid belongs to the caller
    const double* f_grid = nullptr;
    std::int64_t f_shape[3] = {0, 0, 0};
    std::int64_t f_min[3] = {0, 0, 0};
    double default_F = 0;
    Interpolation interpolation = Interpolation::nearest;
    // sampling
    std::int64_t oversample = 1;
    double dmin = 0;
    double background_sum = 0, background = 0;
    double scale = 1;
    double steps = 1;
    std::int64_t roi[4] = {0, -1, 0, -1};  // fast first, fast last, slow first, slow last
    const std::uint8_t* mask = nullptr;    // (panel, slow, fast); belongs to the caller

    std::int64_t grid_points() const { return f_shape[0] * f_shape[1] * f_shape[2]; }
    bool has_grid() const { return grid_points() > 0; }
    std::int64_t pixels() const { return static_cast<std::int64_t>(panels.size()) * nslow * nfast; }
    std::int64_t index(std::int64_t panel, std::int64_t slow, std::int64_t fast) const {
        return (panel * nslow + slow) * nfast + fast;
    }
    // Pixels of the region of interest x subpixels x layers x sources x orientations.
    double evaluations() const;
    bool rendered(std::int64_t pixel) const { return mask == nullptr || mask[pixel] != 0; }
    // Factors that multiply the running sum make a pixel depend on the order of its evaluations.
    bool order_dependent() const {
        return running_product && (capture == Factor::each || polar == Factor::each || omega == Factor::each);
    }
    // All layers are multiplied by one and the same capture fraction, so that it can leave the sum.
    bool one_capture() const;
};

// Throws InputError naming the first field that cannot be rendered.
void validate(const Scene& scene);

}  // namespace nanobragg
