#include "plan/spots.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "physics/inlined.hpp"
#include "physics/lattice.hpp"
#include "physics/lookup.hpp"
#include "physics/rays.hpp"
#include "plan/eigenvalues.hpp"
#include "plan/tiles.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

using Basis = std::array<Vec3, 3>;

constexpr double kMostBox = 3e7, kMostReflections = 4e6, kMostSpots = 1e6;
constexpr std::size_t kMostEntries = std::size_t{1} << 24;  // spots of tiles
constexpr int kMostAlike = 4;                               // wavelengths of a beam
constexpr std::int64_t kTogether = 64;                      // orientations that a thread takes at a time
constexpr double kMostCost = 0.25;                          // of all evaluations
constexpr double kFarthest = 1e9;                           // pixels
constexpr double kSingleGrid = 1.5 * (1 << 30);             // added, it leaves multiples of 2^-22: singles up to 2
constexpr std::int32_t kRegister = 16;                      // pixels that are computed together, at most

Vec3 vec(const double v[3]) { return {v[0], v[1], v[2]}; }

// a, b, c of one of the orientations.
Basis axes_of(const Bounds& bounds, std::int64_t number) {
    const double* o = bounds.orientations + 9 * number;
    return {vec(o), vec(o + 3), vec(o + 6)};
}

// a*, b*, c*.
Basis reciprocal(const Basis& axes) {
    const auto [a, b, c] = axes;
    Basis out{cross(b, c), cross(c, a), cross(a, b)};
    const double volume = dot(a, out[0]);
    for (Vec3& each : out) each = each / volume;
    return out;
}

// Of each with each.
void products(const Basis& v, double out[3][3]) {
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) out[i][j] = dot(v[i], v[j]);
    }
}

// The triangle of weighted distances times three vectors.
Basis transformed(const double m[6], const Basis& vectors) {
    const auto [a, b, c] = vectors;
    return {m[0] * a + m[3] * b + m[5] * c, m[1] * b + m[4] * c, m[2] * c};
}

// Pixels as far as kFarthest. (Without SSE4 std::floor is a call, and there are four of them for each spot.)
std::int32_t floor_of(double x) {
    const double near = std::clamp(x, -kFarthest, kFarthest);
    const auto whole = static_cast<std::int32_t>(near);
    return whole - (static_cast<double>(whole) > near ? 1 : 0);
}

// F^2 at most where this index is the nearest one.
double largest_factor(const Bounds& b, std::int32_t h, std::int32_t k, std::int32_t l) {
    if (b.maxima == nullptr) return b.largest;
    const std::int32_t at[3] = {h - b.first[0], k - b.first[1], l - b.first[2]};
    bool inside = true;
    for (int i = 0; i < 3; ++i) inside &= at[i] >= 0 && at[i] < b.shape[i];
    const float most = b.maxima[inside ? (at[0] * b.shape[1] + at[1]) * b.shape[2] + at[2] : 0];
    return most * (1 + 1e-6);  // which was rounded
}

// F^2 of an index.
float structure_of(const KernelScene& k, const std::int32_t at[3]) {
    const std::int32_t place = has_grid(k) ? grid_place(k, 1.0 * at[0], 1.0 * at[1], 1.0 * at[2]) : -1;
    const double f = place < 0 ? k.default_F : k.f_grid[place];
    return static_cast<float>(f * f);
}

}  // namespace

// `square`: of its length; `most`: that of the distance in the transform beyond which it does not matter.
void Spots::Reflections::add(const std::int32_t at[3], double square, double most, double stretch, const Vec3 star[3]) {
    h.push_back(static_cast<float>(at[0]));
    k.push_back(static_cast<float>(at[1]));
    l.push_back(static_cast<float>(at[2]));
    length_squared.push_back(static_cast<float>(square));
    limit.push_back(static_cast<float>(most));
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += std::abs(at[i]) * norm(star[i]);
    rounding.push_back(static_cast<float>(sum));
    width.push_back(static_cast<float>(std::sqrt(most) / stretch * (1 + 1e-5)));
}

Spots::Spots(const Scene& scene, const Plan& plan, const Bounds& bounds, std::int64_t piece, int threads,
             bool only_if_faster)
    : shape_(plan.scene().shape), piece_(piece), orientations_(plan.scene().orientation_count) {
    if (!compact(scene, plan) || !view_panels(scene, plan) || !allow(scene, plan, bounds)) return;
    if (!view_crystal(plan, bounds)) return;
    const double reach = reach_of_reflections(plan);
    if (!worthwhile(plan.scene(), bounds, reach, only_if_faster)) return;
    known_ = list_reflections(plan.scene(), bounds, reach) && gather(plan.scene(), bounds, threads);
}

// Scenes whose spots are round or so, and whose rays go from one point to the places of pixels.
bool Spots::compact(const Scene& scene, const Plan& plan) {
    const KernelScene& k = plan.scene();
    const std::vector<Layer> layers = scene.all_layers();
    const bool thin = k.layer_count == 1 && std::all_of(layers.begin(), layers.end(), [](const Layer& l) {
                          return l.thickness == 0 && l.depth == 0;
                      });
    const bool plain = k.background_sum == 0 && k.background == 0 && k.curved_distance == 0 && thin;
    int alike = 1, most_alike = 1;  // wavelengths of a beam: many are evaluated together
    for (std::int64_t i = 1; i < k.source_count; ++i) {
        const double *one = k.sources[i - 1].direction, *other = k.sources[i].direction;
        alike = std::equal(one, one + 3, other) ? alike + 1 : 1;
        most_alike = std::max(most_alike, alike);
    }
    const bool few = most_alike <= kMostAlike && k.source_count == static_cast<std::int64_t>(scene.sources.size()) &&
                     static_cast<double>(k.source_count) * static_cast<double>(orientations_) < 1e9;
    offset_low_ = 0.5 / static_cast<double>(k.oversample);
    offset_high_ = 1 - offset_low_;
    return (shape_ == Shape::gauss || shape_ == Shape::tophat) && plain && few;
}

// What F^2 of a term of each source and orientation may be at the peak if all together are to stay within the
// tolerance.
bool Spots::allow(const Scene& scene, const Plan& plan, const Bounds& bounds) {
    const KernelScene& k = plan.scene();
    double allowed = 1e300;
    for (std::size_t i = 0; i < rasters_.size(); ++i) {
        if (rasters_[i].tiles == 0) continue;
        const KernelPanel& g = plan.panel(i);
        const double reach =
            0.5 * (std::abs(g.pixel_fast) * norm(vec(g.fast)) + std::abs(g.pixel_slow) * norm(vec(g.slow)));
        const double near = 1 / (rasters_[i].distance - reach);
        const double solid =
            k.point_pixel ? near * near : near * near * near * std::abs(g.pixel_area * g.close_distance);
        allowed = std::min(allowed, bounds.tolerance * (1 - 2e-3) / (bounds.photons * solid));
        if (!(reach / rasters_[i].distance < 0.25) || !(bounds.photons * solid >= 0)) return false;
        if (k.capture == Factor::off) continue;
        double farthest = 0;
        for (const std::int64_t slow : {rasters_[i].first_slow, rasters_[i].last_slow + 1}) {
            for (const std::int64_t fast : {rasters_[i].first_fast, rasters_[i].last_fast + 1}) {
                double at[3];
                flat_point(g, static_cast<double>(fast), static_cast<double>(slow), 0.0, at);
                farthest = std::max(farthest, norm(vec(at)));
            }
        }
        // Rays enter from the front.
        const double across = dot(rasters_[i].normal, vec(g.normal)) * rasters_[i].distance / farthest;
        if (!(across > 8 * reach / rasters_[i].distance * (1 + norm(vec(g.normal))))) return false;
    }
    double weight = 0;
    for (const Source& source : scene.sources) weight += std::abs(source.weight);
    const double all = weight * static_cast<double>(orientations_ * k.oversample * k.oversample);
    threshold_ = allowed / std::max(all * k.block_size * k.block_size, 1e-300);
    return threshold_ > 0 && threshold_ < 1e300;
}

bool Spots::view_panels(const Scene& scene, const Plan& plan) {
    for (std::size_t i = 0; i < scene.panels.size(); ++i) {
        const Panel& panel = scene.panels[i];
        const KernelPanel& g = plan.panel(i);
        const Tile seen = tile_of(panel);
        Raster raster{};
        const Vec3 u = g.pixel_fast * vec(g.fast), v = g.pixel_slow * vec(g.slow), n = cross(u, v);
        const double square = dot(n, n), distance = dot(vec(g.origin), n) / std::sqrt(square);
        const double side = distance < 0 ? -1 : 1;
        raster.origin = vec(g.origin);
        raster.along_fast = cross(v, n) / square;
        raster.along_slow = cross(n, u) / square;
        raster.normal = side * n / std::sqrt(square);
        raster.distance = side * distance;
        raster.width_fast = norm(raster.along_fast);
        raster.width_slow = norm(raster.along_slow);
        if (!(raster.distance > 0) || !(raster.distance < 1e30) || !(raster.width_fast < 1e30) ||
            !(raster.width_slow < 1e30)) {
            return false;
        }
        raster.first_slow = seen.slow;
        raster.last_slow = seen.last_slow;
        raster.first_fast = seen.fast;
        raster.last_fast = seen.last_fast;
        if (std::max(seen.last_slow, seen.last_fast) > 1'000'000'000) return false;
        raster.first_tile = seen.fast / piece_;
        raster.first_band = seen.slow / kSpotRows;
        const bool any = seen.last_slow >= seen.slow && seen.last_fast >= seen.fast;
        raster.tiles = any ? seen.last_fast / piece_ - raster.first_tile + 1 : 0;
        raster.first = tiles_;
        const std::int64_t bands = any ? seen.last_slow / kSpotRows - raster.first_band + 1 : 0;
        tiles_ += static_cast<std::size_t>(bands * raster.tiles);
        rasters_.push_back(raster);
    }
    return true;
}

// The square of the distance, in the transform of the block, from which on terms are below the threshold, or a little
// more; negative if all are.
double Spots::limit_of(double factor) const {
    const double ratio = factor / threshold_;
    if (!(ratio > 1)) return -1;
    if (shape_ == Shape::tophat) return 1 + 1e-4;
    return std::log2(ratio) * (1 + 1e-4) + 1e-3;
}

bool Spots::view_crystal(const Plan& plan, const Bounds& bounds) {
    const KernelScene& view = plan.scene();
    const bool tophat = shape_ == Shape::tophat;
    const double scale = std::sqrt(tophat ? view.fudge / 0.3969 : -kGaussPower * view.fudge);
    double transform[6], gram[3][3], square[3][3], most_axis = 0;
    for (int i = 0; i < 6; ++i) transform[i] = scale * view.miss[i];
    // All orientations are of one cell: so are distances in the transform.
    products(axes_of(bounds, 0), gram);
    for (std::int64_t m = 0; m < orientations_; ++m) {
        double own[3][3];
        products(axes_of(bounds, m), own);
        for (int i = 0; i < 3; ++i) {
            for (int j = 0; j < 3; ++j) {
                if (!(std::abs(own[i][j] - gram[i][j]) <= 1e-9 * std::sqrt(gram[i][i] * gram[j][j]))) return false;
            }
        }
    }
    products(transformed(transform, axes_of(bounds, 0)), square);
    for (int i = 0; i < 3; ++i) most_axis = std::max(most_axis, std::sqrt(gram[i][i]));
    const auto [least, most] = eigenvalues(square);
    if (!(least > 1e-3 * most) || !(most < 1e100)) return false;
    least_stretch_ = std::sqrt(least) * (1 - 1e-5);
    const double limit = limit_of(bounds.largest);
    widest_ = limit > 0 ? std::sqrt(limit) / least_stretch_ : 0;
    double shortest = 1e300;
    for (std::int64_t i = 0; i < view.source_count; ++i) {
        shortest = std::min(shortest, view.sources[i].inverse_wavelength);
        longest_ = std::max(longest_, view.sources[i].inverse_wavelength);
    }
    if (!(widest_ < 0.1 * shortest) || !(limit < 120 || shape_ != Shape::gauss)) return false;
    // Round ones are the same in any orientation, and no other index is the nearest one within their reach.
    if (!tophat && most - least < 1e-7 * most && widest_ * most_axis < 0.49) sharpness_ = most;
    return true;
}

// Judged by the spots that there are on average, as if all were as wide as the widest: nothing is lost in trying then.
bool Spots::worthwhile(const KernelScene& view, const Bounds& bounds, double reach, bool only_if_faster) const {
    double pixels = 0, rows = 0, columns = 0;
    const auto [a, b, c] = axes_of(bounds, 0);
    const double volume = std::abs(dot(cross(a, b), c));
    const double pairs = static_cast<double>(view.source_count) * static_cast<double>(orientations_);
    const double reflections = 4.2 * reach * reach * reach * volume;
    const double spots = pairs * 2 * kPi * reach * reach * widest_ * volume;
    for (const Raster& r : rasters_) {
        if (r.tiles == 0) continue;
        const double size = 2 * widest_ / longest_ * r.distance;
        pixels +=
            static_cast<double>(r.last_slow - r.first_slow + 1) * static_cast<double>(r.last_fast - r.first_fast + 1);
        rows = std::max(rows, size * r.width_slow + 1);
        columns = std::max(columns, size * r.width_fast / kRegister + 1);
    }
    // In evaluations.
    const double around = rows * columns * (sharpness_ > 0 ? 0.5 : 1.3) * kRegister;
    const double cost = 10 * reflections + pairs * (100 + 0.7 * reflections) + spots * (30 + around);
    const double full = pairs * pixels * static_cast<double>(view.oversample * view.oversample);
    const bool few = reflections < kMostReflections && spots < kMostSpots;
    return few && cost < (only_if_faster ? kMostCost * full : full + 1e7);
}

// How long the scattering vectors of reflections may be that can matter.
double Spots::reach_of_reflections(const Plan& plan) const {
    const KernelScene& view = plan.scene();
    double beside = 0, away = 0;
    for (std::size_t i = 0; i < rasters_.size(); ++i) {
        const Raster& r = rasters_[i];
        if (r.tiles == 0) continue;
        // Of parts of a raster, taken together, the same as of all of it.
        const Tile tile{r.first_slow, r.last_slow, r.first_fast, r.last_fast};
        const bool ahead = is_ahead(view, plan.panel(i), tile);
        away = std::max(away, ahead ? reach_of(view, plan.panel(i), tile) : 2.0);
    }
    for (std::int64_t i = 0; i < view.source_count; ++i) {
        beside = std::max(beside, norm(vec(view.sources[i].direction) - vec(view.sources[0].direction)));
    }
    return (std::min(away + beside, 2.0) * longest_ + widest_) * (1 + 1e-6);
}

bool Spots::list_reflections(const KernelScene& view, const Bounds& bounds, double reach) {
    const Basis axes = axes_of(bounds, 0), star = reciprocal(axes);
    std::int32_t most[3];
    double box = 1;
    for (int i = 0; i < 3; ++i) {
        const double farthest = reach * norm(axes[i]) * (1 + 1e-6) + 1;
        if (!(farthest < 1e6)) return false;
        most[i] = static_cast<std::int32_t>(farthest);
        box *= 2 * farthest + 1;
    }
    if (!(box < kMostBox)) return false;
    double lost = 0;
    const double far = reach * reach;
    for (std::int32_t h = -most[0]; h <= most[0]; ++h) {
        for (std::int32_t k = -most[1]; k <= most[1]; ++k) {
            const Vec3 row = h * star[0] + k * star[1];
            const double own = dot(row, row), along = dot(row, star[2]), step = dot(star[2], star[2]);
            // Of l, those within the sphere.
            const double half = along * along - step * (own - far);
            if (half < 0) continue;
            const double middle = -along / step, wide = std::sqrt(half) / step;
            const auto first = std::max(-most[2], static_cast<std::int32_t>(std::ceil(middle - wide - 1e-3))),
                       last = std::min(most[2], static_cast<std::int32_t>(std::floor(middle + wide + 1e-3)));
            for (std::int32_t l = first; l <= last; ++l) {
                const double factor = largest_factor(bounds, h, k, l), limit = limit_of(factor);
                if (limit < 0) {
                    lost = std::max(lost, factor / threshold_);
                    continue;
                }
                const std::int32_t at[3] = {h, k, l};
                reflections_.add(at, own + l * (2 * along + l * step), limit, least_stretch_, star.data());
                reflections_.f_squared.push_back(structure_of(view, at));
            }
        }
        if (static_cast<double>(reflections_.h.size()) > kMostReflections) return false;
    }
    used_up_ = (1 - 2e-3) * (shape_ == Shape::tophat ? std::min(lost, 1.0) : 1.0);
    return true;
}

// Of one source and one orientation. Directions d for which |nu (d - i) - g| may be within a reflection's reach rho:
// nu d is then as near to nu i + g, whose length hence differs from nu by no more. `most`: what the difference of their
// squares may be, for each reflection.
void Spots::find(const KernelScene& view, const Bounds& bounds, std::int64_t source, std::int64_t orientation,
                 const std::vector<float>& most, std::vector<Found>& out) const {
    const double nu = view.sources[source].inverse_wavelength;
    const Vec3 incident = vec(view.sources[source].direction);
    Basis star = reciprocal(axes_of(bounds, orientation));
    const Reflections& r = reflections_;
    float along[3];
    for (int i = 0; i < 3; ++i) along[i] = static_cast<float>(2 * nu * dot(star[i], incident));
    for (Vec3& each : star) each = each / nu;
    constexpr std::size_t kBlock = 256;
    float beyond[kBlock];
    std::size_t near_sphere[kBlock];
    for (std::size_t from = 0; from < r.h.size(); from += kBlock) {
        const std::size_t count = std::min(kBlock, r.h.size() - from);
        const float *h = r.h.data() + from, *k = r.k.data() + from, *l = r.l.data() + from,
                    *squared = r.length_squared.data() + from, *own = most.data() + from;
#pragma omp simd
        for (std::size_t i = 0; i < count; ++i) {
            // |nu i + g|^2 - nu^2
            const float off = squared[i] + (h[i] * along[0] + (k[i] * along[1] + l[i] * along[2]));
            beyond[i] = (off < 0 ? -off : off) - own[i];
        }
        // Listed without a branch that no processor foresees.
        std::size_t hits = 0;
        for (std::size_t i = 0; i < count; ++i) {
            near_sphere[hits] = i;
            hits += beyond[i] > 0 ? 0 : 1;
        }
        for (std::size_t hit = 0; hit < hits; ++hit) {
            const std::size_t i = near_sphere[hit];
            // From here on in units of nu.
            const Vec3 node = static_cast<double>(h[i]) * star[0] +
                              (static_cast<double>(k[i]) * star[1] + static_cast<double>(l[i]) * star[2]);
            const Vec3 there = incident + node;
            const double longer = norm(there), off = longer - 1, rho = static_cast<double>(r.width[from + i]) / nu;
            const double inverse = 1 / longer, versine = (rho * rho - off * off) * (0.5 * inverse);
            if (!(versine >= 0)) continue;
            Found found{};
            Spot& spot = found.spot;
            spot.source = static_cast<std::int32_t>(source);
            spot.orientation = static_cast<std::int32_t>(orientation);
            const double nodes[3] = {node.x, node.y, node.z};
            for (int axis = 0; axis < 3; ++axis) {
                // (GCC 12 takes a number for the same as what single precision makes of it when it vectorises that.)
                const double near = (nodes[axis] + kSingleGrid) - kSingleGrid;
                spot.node[axis] = static_cast<float>(near);
                spot.rest[axis] = static_cast<float>(nodes[axis] - near);
            }
            spot.f_squared = r.f_squared[from + i];
            spot.limit = r.limit[from + i];
            project(inverse * there, versine, found, out);
        }
    }
}

// Where the cone of directions around one meets the panels.
void Spots::project(Vec3 towards, double versine, Found found, std::vector<Found>& out) const {
    const double cosine = 1 - versine, sine = std::sqrt(versine * (2 - versine));
    for (std::size_t i = 0; i < rasters_.size(); ++i) {
        const Raster& r = rasters_[i];
        if (r.tiles == 0) continue;
        const double up = dot(towards, r.normal), flat = std::sqrt(std::max(0.0, 1 - up * up));
        if (up * cosine + flat * sine <= 0) continue;  // away from it
        double fast = 0, slow = 0, wide_fast = kFarthest, wide_slow = kFarthest;
        const double steep = up * cosine - flat * sine;
        if (up > 1e-3 && steep > 0.1 * up) {
            // The sine law, in the triangle of the sample, the spot's centre and a point of its rim.
            const Vec3 at = (r.distance / up) * towards - r.origin;
            const double radius = r.distance / up * sine / steep;
            fast = dot(at, r.along_fast);
            slow = dot(at, r.along_slow);
            wide_fast = radius * r.width_fast;
            wide_slow = radius * r.width_slow;
        }
        const auto first = [&](double middle, double wide) { return -floor_of(offset_high_ + 1e-3 + wide - middle); };
        const auto last = [&](double middle, double wide) { return floor_of(middle + wide - offset_low_ + 1e-3); };
        Spot& spot = found.spot;
        found.panel = static_cast<std::int32_t>(i);
        spot.first_fast = first(fast, wide_fast);
        spot.last_fast = last(fast, wide_fast);
        found.first_slow = first(slow, wide_slow);
        found.last_slow = last(slow, wide_slow);
        const bool seen = spot.last_fast >= spot.first_fast && found.last_slow >= found.first_slow &&
                          (spot.last_fast | (kRegister - 1)) >= r.first_fast &&
                          spot.first_fast - kRegister < r.last_fast && found.last_slow >= r.first_slow &&
                          found.first_slow <= r.last_slow;
        if (seen) out.push_back(found);
    }
}

bool Spots::gather(const KernelScene& view, const Bounds& bounds, int threads) {
    const std::int64_t parts = (orientations_ + kTogether - 1) / kTogether, rounds = view.source_count * parts;
    std::vector<std::vector<Found>> found(static_cast<std::size_t>(rounds));
#pragma omp parallel num_threads(threads)
    {
        std::vector<Found> own;
        std::vector<float> most(reflections_.h.size());
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t i = 0; i < rounds; ++i) {
            const std::int64_t source = i / parts, first = i % parts * kTogether;
            // And what rounding makes of it.
            const auto twice = static_cast<float>(2 * view.sources[source].inverse_wavelength);
            for (std::size_t at = 0; at < most.size(); ++at) {
                const float wide = reflections_.width[at], sum = reflections_.rounding[at];
                most[at] = wide * (wide + twice) + 2e-6f * sum * (sum + twice);
            }
            own.clear();
            for (std::int64_t at = first; at < std::min(orientations_, first + kTogether); ++at) {
                find(view, bounds, source, at, most, own);
            }
            found[static_cast<std::size_t>(i)] = own;
        }
    }
    return sort_into_tiles(found);
}

template <class Visit>
void Spots::each_tile(const Found& found, const Visit& visit) const {
    const Raster& r = rasters_[static_cast<std::size_t>(found.panel)];
    const Spot& spot = found.spot;
    // Whole registers, whatever part of the raster the panel is.
    const std::int64_t begin = std::max<std::int64_t>(spot.first_fast & -kRegister, r.first_fast) / piece_,
                       end = std::min<std::int64_t>(spot.last_fast | (kRegister - 1), r.last_fast) / piece_,
                       top = std::max<std::int64_t>(found.first_slow, r.first_slow) / kSpotRows,
                       bottom = std::min<std::int64_t>(found.last_slow, r.last_slow) / kSpotRows;
    for (std::int64_t band = top; band <= bottom; ++band) {
        for (std::int64_t tile = begin; tile <= end; ++tile) {
            visit(r.first + static_cast<std::size_t>((band - r.first_band) * r.tiles + tile - r.first_tile), band);
        }
    }
}

// Each tile has copies of its spots, side by side: those of a row are taken one after the other.
bool Spots::sort_into_tiles(const std::vector<std::vector<Found>>& found) {
    begins_.assign(tiles_ + 1, 0);
    for (const auto& some : found) {
        for (const Found& each : some) each_tile(each, [&](std::size_t tile, std::int64_t) { ++begins_[tile + 1]; });
    }
    for (std::size_t i = 0; i < tiles_; ++i) begins_[i + 1] += begins_[i];
    if (begins_.back() > kMostEntries) return false;
    std::vector<std::size_t> at(begins_.begin(), begins_.end() - 1);
    spots_.resize(begins_.back());
    rows_.resize(begins_.back());
    for (const auto& some : found) {
        for (const Found& each : some) {
            each_tile(each, [&](std::size_t tile, std::int64_t band) {
                const std::int64_t first = std::max<std::int64_t>(each.first_slow - band * kSpotRows, 0),
                                   last = std::min<std::int64_t>(each.last_slow - band * kSpotRows, kSpotRows - 1);
                rows_[at[tile]] = static_cast<std::uint8_t>((2U << last) - (1U << first));
                spots_[at[tile]++] = each.spot;
            });
        }
    }
    return true;
}

SpotList Spots::around(std::size_t panel, std::int64_t slow, std::int64_t fast) const {
    const Raster& r = rasters_[panel];
    const std::size_t tile =
        r.first + static_cast<std::size_t>((slow / kSpotRows - r.first_band) * r.tiles + fast / piece_ - r.first_tile);
    const std::size_t begin = begins_[tile], end = begins_[tile + 1];
    return {spots_.data() + begin, rows_.data() + begin, static_cast<std::int64_t>(end - begin),
            static_cast<std::uint8_t>(1U << (slow % kSpotRows)), sharpness_};
}

}  // namespace nanobragg
