// The Scene: everything the render loop needs, explicit, in SI units, and nothing else. The twin of
// python/nanobragg/records/scene.py, where every field is described. Conventions, files and flags are unknown here.
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/enumerations.hpp"
#include "nanobragg/layer.hpp"
#include "nanobragg/vec3.hpp"

namespace nanobragg {

// A raster of pixels on a plane. The first pixel's outer corner is at
// origin + first_fast pixel_fast fast + first_slow pixel_slow slow.
struct Panel {
    std::int64_t nslow = 0, nfast = 0;
    double pixel_fast = 0, pixel_slow = 0;  // m, along each axis
    Vec3 origin, fast, slow, normal;        // the axes need be neither unit vectors nor at right angles
    double close_distance = 0;
    double area = 0;                       // m^2 of a pixel, for its solid angle; 0: what its edges span
    std::int64_t roi[4] = {0, -1, 0, -1};  // fast first, fast last, slow first, slow last
    const std::uint8_t* mask = nullptr;    // (slow, fast), 0: not rendered; null: none. Belongs to the caller
    // Of a part of a larger raster, the pixels between that one's origin and this one's first: then what is computed
    // for a pixel does not depend on how the raster was cut.
    std::int64_t first_fast = 0, first_slow = 0;
    // A sensor of its own, of as many layers as the scene's; no layers: the scene's sensor.
    std::vector<Layer> layers;
    double attenuation = 0, sensor_depth = 0;

    std::int64_t pixels() const { return nslow * nfast; }
    std::int64_t roi_width() const { return roi[1] < roi[0] || roi[3] < roi[2] ? 0 : roi[1] - roi[0] + 1; }
    std::int64_t roi_height() const { return roi[1] < roi[0] || roi[3] < roi[2] ? 0 : roi[3] - roi[2] + 1; }
    bool unmasked(std::int64_t slow_, std::int64_t fast_) const {
        return mask == nullptr || mask[slow_ * nfast + fast_] != 0;
    }
    double pixel_area() const { return area > 0 ? area : pixel_fast * pixel_slow * norm(cross(fast, slow)); }
};

// A pixel, counted from the first one of its panel.
struct PixelPlace {
    std::int64_t panel = 0, slow = 0, fast = 0;
};

// A row of a panel's region of interest.
struct PixelRow {
    std::int64_t panel, slow, start;  // start: where the panel's row begins in the image
};

struct Source {
    Vec3 direction;  // unit vector of travel
    double wavelength = 0, weight = 1;
};

struct Orientation {
    Vec3 a, b, c;  // direct cell, m
};

// What absorbs in a panel. It refers to the scene.
struct Sensor {
    const std::vector<Layer>& layers;
    double attenuation, depth;
};

struct Scene {
    // detector
    std::vector<Panel> panels;  // in the image one after the other, each (slow, fast)
    double curved_distance = 0;
    Vec3 beam_direction;
    std::vector<Layer> layers;  // of the sensor of all panels that have none of their own
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
    double cells_off_diagonal[3] = {0, 0, 0};  // N_ab, N_bc, N_ac of Shape::gauss_index
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
    double tolerance =
        0;  // photons that no pixel of the image may be wrong by, for terms that are left out; 0: none is

    std::int64_t grid_points() const { return f_shape[0] * f_shape[1] * f_shape[2]; }
    bool has_grid() const { return grid_points() > 0; }
    // Of the whole image, and of all regions of interest.
    std::int64_t pixels() const;
    std::int64_t roi_pixels() const;
    // F_latt at a reflection, but for ROUND's constant: the cells of a block, det N of Shape::gauss_index.
    double block_size() const;
    // Where a pixel is in the image, and the other way round.
    std::int64_t index(PixelPlace at) const;
    PixelPlace place(std::int64_t pixel) const;
    // The rows of all regions of interest, in the image's order.
    std::vector<PixelRow> rows() const;
    // Pixels of the regions of interest x subpixels x layers x sources x orientations.
    double evaluations() const;
    // Factors that multiply the running sum make a pixel depend on the order of its evaluations.
    bool order_dependent() const {
        return running_product && (capture == Factor::each || polar == Factor::each || omega == Factor::each);
    }
    Sensor sensor(const Panel& panel) const {
        if (panel.layers.empty()) return {layers, attenuation, sensor_depth};
        return {panel.layers, panel.attenuation, panel.sensor_depth};
    }
    // Layers of the scene's sensor, and then of each panel's own.
    std::vector<Layer> all_layers() const;
    // All layers of a sensor are multiplied by one and the same capture fraction, so that it can leave the sum.
    bool one_capture() const;
};

// Throws InputError naming the first field that cannot be rendered.
void validate(const Scene& scene);

// Makes panels that continue each other's rows and columns (within 1e-9 pixels) parts of one raster.
void join_rasters(Scene& scene);

}  // namespace nanobragg
