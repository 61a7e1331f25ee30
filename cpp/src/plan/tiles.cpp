#include "plan/tiles.hpp"

#include <algorithm>
#include <cmath>

#include "physics/rays.hpp"

namespace nanobragg {

// The directions within an angle below 90 degrees are a convex cone, so that the corners decide.
double reach_of(const KernelScene& k, const Tile& tile) {
    constexpr double kAny = 2.0;
    if (k.curved_distance != 0) return kAny;
    const double* beam = k.sources[0].direction;
    double longest = 0;
    for (const double slow : {static_cast<double>(tile.slow), static_cast<double>(tile.last_slow) + 1.0}) {
        for (const double fast : {static_cast<double>(tile.fast), static_cast<double>(tile.last_fast) + 1.0}) {
            for (std::int64_t layer = 0; layer <= k.layer_count; ++layer) {
                double at[3];
                flat_point(k, fast, slow, layer < k.layer_count ? k.layers[4 * layer] : 0.0, at);
                const Ray<double> ray = ray_through(k, at);
                if (!(ray.along(beam) > 0)) return kAny;
                const double x = ray.x - beam[0], y = ray.y - beam[1], z = ray.z - beam[2];
                longest = std::max(longest, std::sqrt(x * x + y * y + z * z));
            }
        }
    }
    return longest;
}

}  // namespace nanobragg
