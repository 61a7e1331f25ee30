#include "nanobragg/scene.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "nanobragg/error.hpp"

namespace nanobragg {

double Scene::evaluations() const {
    const double width = static_cast<double>(std::max<std::int64_t>(0, roi[1] - roi[0] + 1));
    const double height = static_cast<double>(std::max<std::int64_t>(0, roi[3] - roi[2] + 1));
    return width * height * static_cast<double>(panels.size() * layers.size()) * static_cast<double>(sources.size()) *
           static_cast<double>(orientations.size()) * static_cast<double>(oversample * oversample);
}

bool Scene::one_capture() const {
    for (const Layer& layer : layers) {
        const Layer& last = layers.back();
        if (layer.front != last.front || layer.back != last.back || layer.incidence_depth != last.incidence_depth) {
            return false;
        }
    }
    return true;
}

namespace {

void require(bool holds, const std::string& sentence) {
    if (!holds) throw InputError("Scene: " + sentence);
}

bool finite(Vec3 v) { return std::isfinite(v.x) && std::isfinite(v.y) && std::isfinite(v.z); }

}  // namespace

void validate(const Scene& scene) {
    require(!scene.panels.empty(), "panels: found none, expected at least one");
    for (const Panel& panel : scene.panels) {
        require(finite(panel.origin) && finite(panel.fast) && finite(panel.slow) && finite(panel.normal) &&
                    std::isfinite(panel.close_distance) && std::isfinite(scene.pixel_size),
                "panels: found a position, axis or size of pixels that is not finite, expected finite numbers");
    }
    require(scene.nslow > 0 && scene.nfast > 0, "shape: found " + std::to_string(scene.nslow) + " x " +
                                                    std::to_string(scene.nfast) + ", expected at least 1 x 1 pixels");
    require(!scene.layers.empty(), "layers: found none, expected at least one");
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
    require(scene.omega != Factor::off, "omega: found OFF, expected FIRST, CENTRE or EACH");
    const bool empty = scene.roi[1] < scene.roi[0] || scene.roi[3] < scene.roi[2];
    require(
        empty || (scene.roi[0] >= 0 && scene.roi[1] < scene.nfast && scene.roi[2] >= 0 && scene.roi[3] < scene.nslow),
        "roi: reaches outside the panel");
}

}  // namespace nanobragg
