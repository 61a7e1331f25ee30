#include "nanobragg/scene.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nanobragg/error.hpp"

namespace nanobragg {

std::int64_t Scene::pixels() const {
    std::int64_t all = 0;
    for (const Panel& panel : panels) all += panel.pixels();
    return all;
}

std::int64_t Scene::roi_pixels() const {
    std::int64_t all = 0;
    for (const Panel& panel : panels) all += panel.roi_width() * panel.roi_height();
    return all;
}

std::int64_t Scene::index(PixelPlace at) const {
    std::int64_t start = 0;
    for (std::int64_t i = 0; i < at.panel; ++i) start += panels[static_cast<std::size_t>(i)].pixels();
    return start + at.slow * panels[static_cast<std::size_t>(at.panel)].nfast + at.fast;
}

PixelPlace Scene::place(std::int64_t pixel) const {
    PixelPlace at;
    for (const Panel& panel : panels) {
        if (pixel < panel.pixels()) return {at.panel, pixel / panel.nfast, pixel % panel.nfast};
        pixel -= panel.pixels();
        ++at.panel;
    }
    throw InputError("Scene: found a pixel outside the image, expected one of it");
}

std::vector<PixelRow> Scene::rows() const {
    std::vector<PixelRow> out;
    std::int64_t start = 0, number = 0;
    for (const Panel& panel : panels) {
        const std::int64_t end = panel.roi[2] + panel.roi_height();
        for (std::int64_t slow = panel.roi[2]; slow < end; ++slow) {
            out.push_back({number, slow, start + slow * panel.nfast});
        }
        start += panel.pixels();
        ++number;
    }
    return out;
}

double Scene::evaluations() const {
    return static_cast<double>(roi_pixels()) * static_cast<double>(layers.size()) *
           static_cast<double>(sources.size()) * static_cast<double>(orientations.size()) *
           static_cast<double>(oversample * oversample);
}

std::vector<Layer> Scene::all_layers() const {
    std::vector<Layer> all = layers;
    for (const Panel& panel : panels) all.insert(all.end(), panel.layers.begin(), panel.layers.end());
    return all;
}

double Scene::block_size() const {
    const double a = cells[0], b = cells[1], c = cells[2];
    if (shape != Shape::gauss_index) return a * b * c;
    const double ab = cells_off_diagonal[0], bc = cells_off_diagonal[1], ac = cells_off_diagonal[2];
    return a * b * c + 2 * ab * bc * ac - (a * bc * bc + b * ac * ac + c * ab * ab);
}

bool Scene::one_capture() const {
    const auto one = [](const std::vector<Layer>& of_sensor) {
        return std::all_of(of_sensor.begin(), of_sensor.end(), [&](const Layer& layer) {
            const Layer& last = of_sensor.back();
            return layer.front == last.front && layer.back == last.back &&
                   layer.incidence_depth == last.incidence_depth;
        });
    };
    return one(layers) &&
           std::all_of(panels.begin(), panels.end(), [&](const Panel& panel) { return one(panel.layers); });
}

namespace {

void require(bool holds, const std::string& sentence) {
    if (!holds) throw InputError("Scene: " + sentence);
}

bool finite(Vec3 v) { return std::isfinite(v.x) && std::isfinite(v.y) && std::isfinite(v.z); }

void validate(const Panel& panel, std::size_t number) {
    const std::string name = "panels[" + std::to_string(number) + "]";
    require(finite(panel.origin) && finite(panel.fast) && finite(panel.slow) && finite(panel.normal) &&
                std::isfinite(panel.close_distance) && std::isfinite(panel.pixel_fast) &&
                std::isfinite(panel.pixel_slow),
            name + ": found a position, axis or size of pixels that is not finite, expected finite numbers");
    require(panel.nslow > 0 && panel.nfast > 0, name + ".shape: found " + std::to_string(panel.nslow) + " x " +
                                                    std::to_string(panel.nfast) + ", expected at least 1 x 1 pixels");
    const bool empty = panel.roi_width() == 0;
    require(
        empty || (panel.roi[0] >= 0 && panel.roi[1] < panel.nfast && panel.roi[2] >= 0 && panel.roi[3] < panel.nslow),
        name + ".roi: reaches outside the panel");
}

// ---- rasters ----------------------------------------------------------------------------------------------

bool equal(const Layer& a, const Layer& b) {
    return a.depth == b.depth && a.front == b.front && a.back == b.back && a.incidence_depth == b.incidence_depth &&
           a.thickness == b.thickness;
}

bool same_sensor(const Panel& a, const Panel& b) {
    return a.attenuation == b.attenuation && a.sensor_depth == b.sensor_depth &&
           std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                      [](const Layer& one, const Layer& other) { return equal(one, other); });
}

bool equal(Vec3 a, Vec3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; }

// Pixels from one panel's origin to another's, along both axes; whether they are whole numbers, and the planes one.
struct Offset {
    bool whole;
    std::int64_t fast, slow;
};

Offset offset_between(const Panel& from, const Panel& to) {
    constexpr double kClose = 1e-9;    // pixels
    constexpr double kFarthest = 1e6;  // pixels
    if (!equal(from.fast, to.fast) || !equal(from.slow, to.slow) || !equal(from.normal, to.normal) ||
        from.pixel_fast != to.pixel_fast || from.pixel_slow != to.pixel_slow || from.area != to.area ||
        !same_sensor(from, to) || !(std::abs(from.close_distance - to.close_distance) <= kClose * from.pixel_fast)) {
        return {false, 0, 0};
    }
    const Vec3 along = to.origin - from.origin, across = cross(from.fast, from.slow);
    const double square = dot(across, across);
    const double fast = dot(along, cross(from.slow, across)) / square / from.pixel_fast,
                 slow = dot(along, cross(across, from.fast)) / square / from.pixel_slow,
                 out = dot(along, across) / std::sqrt(square) / from.pixel_fast;
    const bool close = std::abs(fast - std::round(fast)) <= kClose && std::abs(slow - std::round(slow)) <= kClose &&
                       std::abs(out) <= kClose && std::abs(fast) <= kFarthest && std::abs(slow) <= kFarthest;
    if (!close) return {false, 0, 0};  // NaN, too, for axes that span no plane
    return {true, static_cast<std::int64_t>(std::llround(fast)), static_cast<std::int64_t>(std::llround(slow))};
}

struct Part {
    std::size_t panel;
    std::int64_t fast, slow;  // pixels from the first part's origin
};

// Counts all parts from the corner of the smallest rectangle around them.
void count_from_corner(std::vector<Panel>& panels, const std::vector<Part>& parts) {
    std::int64_t fast = 0, slow = 0;
    for (const Part& part : parts) {
        fast = std::min(fast, part.fast);
        slow = std::min(slow, part.slow);
    }
    const Panel first = panels[parts.front().panel];
    Vec3 corner = first.origin + static_cast<double>(fast) * first.pixel_fast * first.fast +
                  static_cast<double>(slow) * first.pixel_slow * first.slow;
    double close_distance = first.close_distance;
    for (const Part& part : parts) {
        if (part.fast != fast || part.slow != slow) continue;
        corner = panels[part.panel].origin;
        close_distance = panels[part.panel].close_distance;
    }
    for (const Part& part : parts) {
        Panel& panel = panels[part.panel];
        panel.origin = corner;
        panel.close_distance = close_distance;
        panel.first_fast = part.fast - fast;
        panel.first_slow = part.slow - slow;
    }
}

}  // namespace

void join_rasters(Scene& scene) {
    std::vector<std::vector<Part>> rasters;
    for (std::size_t i = 0; i < scene.panels.size(); ++i) {
        const Panel& panel = scene.panels[i];
        if (panel.first_fast != 0 || panel.first_slow != 0) continue;  // it is a part already
        bool found = false;
        for (std::vector<Part>& parts : rasters) {
            const Offset offset = offset_between(scene.panels[parts.front().panel], panel);
            if (!offset.whole) continue;
            parts.push_back({i, offset.fast, offset.slow});
            found = true;
            break;
        }
        if (!found) rasters.push_back({{i, 0, 0}});
    }
    for (const std::vector<Part>& parts : rasters) {
        if (parts.size() > 1) count_from_corner(scene.panels, parts);
    }
}

namespace {

// Whether N is, of a Gaussian in index space.
bool positive_definite(const Scene& s) {
    const double between = s.cells_off_diagonal[0];
    return s.cells[0] > 0 && s.cells[0] * s.cells[1] - between * between > 0 && s.block_size() > 0;
}

}  // namespace

void validate(const Scene& scene) {
    require(!scene.panels.empty(), "panels: found none, expected at least one");
    for (std::size_t i = 0; i < scene.panels.size(); ++i) validate(scene.panels[i], i);
    require(!scene.layers.empty(), "layers: found none, expected at least one");
    for (std::size_t i = 0; i < scene.panels.size(); ++i) {
        const std::size_t own = scene.panels[i].layers.size();
        require(own == 0 || own == scene.layers.size(),
                "panels[" + std::to_string(i) + "].sensor.layers: found " + std::to_string(own) +
                    " layers, expected as many as the scene's (" + std::to_string(scene.layers.size()) + ")");
    }
    require(!scene.sources.empty(), "source_direction: found no source, expected at least one");
    for (const Source& source : scene.sources) {
        require(finite(source.direction) && std::isfinite(source.wavelength) && std::isfinite(source.weight),
                "sources: found a direction, wavelength or weight that is not finite, expected finite numbers");
    }
    require(!scene.orientations.empty(), "orientations: found none, expected at least one");
    require(scene.first_orientations.empty() || scene.first_orientations.size() == scene.orientations.size(),
            "first_orientations: found " + std::to_string(scene.first_orientations.size()) +
                ", expected none or as many as orientations (" + std::to_string(scene.orientations.size()) + ")");
    require(scene.oversample >= 1, "oversample: found " + std::to_string(scene.oversample) + ", expected at least 1");
    require(scene.tolerance >= 0 && std::isfinite(scene.tolerance),
            "tolerance: found a number below 0 or not finite, expected photons, 0 or more");
    require(scene.shape != Shape::gauss_index || positive_definite(scene),
            "cells_off_diagonal: found numbers with which N is not positive definite, expected a symmetric matrix that "
            "is");
    require(scene.omega != Factor::off, "omega: found OFF, expected FIRST, CENTRE or EACH");
}

}  // namespace nanobragg
