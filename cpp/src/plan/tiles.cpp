#include "plan/tiles.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "physics/rays.hpp"

namespace nanobragg {

namespace {

// Calls visit(ray) for the corners of all layers; of one with a thickness, at its front and back.
template <class Visit>
void each_corner(const KernelScene& k, const KernelPanel& panel, const Tile& tile, Visit visit) {
    std::vector<double> depths{0.0};
    for (std::int64_t i = 0; i < k.layer_count; ++i) {
        const Layer& layer = layer_of(k, panel, i);
        depths.push_back(layer.depth);
        if (layer.thickness != 0) depths.push_back(layer.depth + layer.thickness);
    }
    for (const double slow : {static_cast<double>(tile.slow), static_cast<double>(tile.last_slow) + 1.0}) {
        for (const double fast : {static_cast<double>(tile.fast), static_cast<double>(tile.last_fast) + 1.0}) {
            for (const double depth : depths) {
                double at[3];
                flat_point(panel, fast, slow, depth, at);
                visit(ray_through(k, panel, at));
            }
        }
    }
}

double cosine_between(const Ray<double>& ray, const double direction[3]) {
    return std::clamp(ray.along(direction), -1.0, 1.0);
}

}  // namespace

bool is_ahead(const KernelScene& k, const KernelPanel& panel, const Tile& tile) {
    bool ahead = k.curved_distance == 0;
    each_corner(k, panel, tile, [&](const Ray<double>& ray) { ahead &= ray.along(k.sources[0].direction) > 0; });
    return ahead;
}

// The directions within an angle below 90 degrees are a convex cone, so that the corners decide: of the angles from the
// beam where they are ahead, and of those from the middle of the tile elsewhere.
double reach_of(const KernelScene& k, const KernelPanel& panel, const Tile& tile) {
    constexpr double kAny = 2.0;
    if (k.curved_distance != 0) return kAny;
    const double* beam = k.sources[0].direction;
    if (is_ahead(k, panel, tile)) {
        double longest = 0;
        each_corner(k, panel, tile, [&](const Ray<double>& ray) {
            const double x = ray.x - beam[0], y = ray.y - beam[1], z = ray.z - beam[2];
            longest = std::max(longest, std::sqrt(x * x + y * y + z * z));
        });
        return longest;
    }
    double at[3];
    flat_point(panel, 0.5 * static_cast<double>(tile.fast + tile.last_fast + 1),
               0.5 * static_cast<double>(tile.slow + tile.last_slow + 1), 0.0, at);
    const Ray<double> middle = ray_through(k, panel, at);
    const double axis[3] = {middle.x, middle.y, middle.z};
    double least = 1;
    each_corner(k, panel, tile, [&](const Ray<double>& ray) { least = std::min(least, cosine_between(ray, axis)); });
    if (!(least > 0)) return kAny;
    const double farthest = std::acos(cosine_between(middle, beam)) + std::acos(least);
    return farthest < 3.14159 ? 2.0 * std::sin(farthest / 2.0) * (1.0 + 1e-12) : kAny;
}

}  // namespace nanobragg
