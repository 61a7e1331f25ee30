#include "plan/term_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>

#include "nanobragg/enumerations.hpp"
#include "physics/inlined.hpp"
#include "plan/eigenvalues.hpp"
#include "plan/interpolation_bounds.hpp"
#include "plan/precision.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

constexpr std::int64_t kMostMaxima = std::int64_t{1} << 25;  // 128 MiB of them
constexpr std::int64_t kFarthest = 1'000'000;                // index
constexpr std::int64_t kAlike = 16;                          // orientations that one register may hold

using Numbers = std::vector<const Orientation*>;

double element(const Orientation& o, int i) { return (&o.a.x)[i]; }

// Halves them at the middle of the element of their matrices that differs most, and so on, until registers hold them:
// neighbours are then alike.
void halve(Numbers::iterator begin, Numbers::iterator end) {
    const std::int64_t count = end - begin;
    if (count <= kAlike) {
        std::sort(begin, end);  // as in the scene
        return;
    }
    int widest = 0;
    double most = -1;
    for (int i = 0; i < 9; ++i) {
        const auto [low, high] = std::minmax_element(
            begin, end, [i](const Orientation* a, const Orientation* b) { return element(*a, i) < element(*b, i); });
        const double spread = element(**high, i) - element(**low, i);
        if (spread > most) {
            most = spread;
            widest = i;
        }
    }
    const std::int64_t unit = count > 2 * kOrientationBatch ? kOrientationBatch : kAlike;
    const std::int64_t half = (count / 2 + unit - 1) / unit * unit;
    // The place in the scene decides between equals, so that the order is one and the same everywhere.
    std::nth_element(begin, begin + half, end, [widest](const Orientation* a, const Orientation* b) {
        const double x = element(*a, widest), y = element(*b, widest);
        return x < y || (x == y && a < b);
    });
    halve(begin, begin + half);
    halve(begin + half, end);
}

bool interpolates(const Scene& s) { return s.has_grid() && s.interpolation != Interpolation::nearest; }

bool finite_factors(const Scene& s) {
    return std::all_of(s.f_grid, s.f_grid + s.grid_points(), [](double f) { return std::isfinite(f); });
}

// Capture fractions are from 0 to 1 where rays enter from the front.
bool absorbs(const Scene& s) {
    const std::vector<Layer> layers = s.all_layers();
    return s.capture == Factor::off ||
           (std::all_of(s.panels.begin(), s.panels.end(),
                        [&](const Panel& p) { return s.sensor(p).attenuation >= 0; }) &&
            std::all_of(layers.begin(), layers.end(), [](const Layer& l) { return l.front >= 0 && l.back >= 0; }));
}

bool finite_beam(const Scene& s) {
    return std::all_of(s.sources.begin(), s.sources.end(), [](const Source& source) {
        return source.wavelength > 0 && std::isfinite(source.wavelength) && std::isfinite(source.weight);
    });
}

}  // namespace

const char* reason_for_all_terms(const Scene& s, double largest_F) {
    if (!absorbs(s)) return "the sensor makes photons";
    if (!finite_beam(s) || !std::isfinite(s.default_F) || !finite_factors(s) || !std::isfinite(s.fudge)) {
        return "not all of its numbers are finite";
    }
    double weight = 0;
    for (const Source& source : s.sources) weight += std::abs(source.weight);
    const double peak = s.block_size() * largest_F;
    // Written so that NaN does not do.
    const bool cells = std::all_of(s.cells, s.cells + 3, [](double n) { return n >= 1; });
    const bool in_range = indices_suffice(s) && peak * peak < 1e32 && weight < 1e5;
    return cells && in_range ? nullptr : "indices, cells or structure factors leave the range of its tests";
}

double least_eigenvalue(const double beside[3]) {
    const double a = beside[0], b = beside[1], c = beside[2];
    const double m[3][3] = {{1, a, c}, {a, 1, b}, {c, b, 1}};
    return std::max(0.0, eigenvalues(m).least - 1e-5);
}

TermBounds::TermBounds(const Scene& scene, const KernelScene& view, double largest_F) {
    bounds_.tolerance = scene.tolerance;
    const double polar = scene.polar == Factor::off ? 1.0 : std::max(1.0, (1 + std::abs(scene.kahn_factor)) / 2);
    bounds_.photons = std::abs(scene.scale / scene.steps) * polar * (1 + 1e-9);
    for (const Layer& layer : scene.all_layers()) {
        bounds_.depth = std::max(bounds_.depth, std::abs(layer.depth) + std::abs(layer.thickness));
    }
    bounds_.largest = static_cast<float>(largest_F * largest_F * (1 + 1e-6));
    for (const Orientation& o : scene.orientations) {
        bounds_.longest[0] = std::max(bounds_.longest[0], norm(o.a));
        bounds_.longest[1] = std::max(bounds_.longest[1], norm(o.b));
        bounds_.longest[2] = std::max(bounds_.longest[2], norm(o.c));
    }
    // A wave that is squared is half of its bound on average. (Weights below 0 might turn this round.)
    const bool positive = std::all_of(scene.sources.begin(), scene.sources.end(),
                                      [](const Source& source) { return source.weight >= 0; });
    if (view.shape == Shape::round && positive) bounds_.given_back = 0.5;
    bounds_.orientations = view.orientations;
    weigh_distances(scene, view);
    find_maxima(scene);
}

void TermBounds::order_orientations(const Scene& scene) {
    Numbers order;
    for (const Orientation& o : scene.orientations) order.push_back(&o);
    halve(order.begin(), order.end());
    orientations_.reserve(9 * order.size());
    for (const Orientation* o : order) {
        for (int i = 0; i < 9; ++i) orientations_.push_back(element(*o, i));
    }
    bounds_.orientations = orientations_.data();
}

bool TermBounds::find_powder() {
    const auto all = static_cast<std::int64_t>(orientations_.size() / 9);
    std::int64_t wide = 0;
    for (std::int64_t begin = 0; begin < all; begin += kOrientationBatch) {
        const std::int64_t end = std::min<std::int64_t>(begin + kOrientationBatch, all);
        bool apart = true;
        for (int axis = 0; axis < 3; ++axis) {
            double away = 0, middle = 0;
            for (int i = 3 * axis; i < 3 * axis + 3; ++i) {
                double low = bounds_.orientations[9 * begin + i], high = low;
                for (std::int64_t m = begin; m < end; ++m) {
                    low = std::min(low, bounds_.orientations[9 * m + i]);
                    high = std::max(high, bounds_.orientations[9 * m + i]);
                }
                away += (high - low) * (high - low) / 4;
                middle += (high + low) * (high + low) / 4;
            }
            apart &= away > kUnlike * (middle + away);
        }
        wide += apart ? 1 : 0;
        unlike_.push_back(apart ? 1 : 0);
    }
    const std::size_t batches = unlike_.size();
    if (2 * wide <= static_cast<std::int64_t>(batches)) return false;
    constexpr std::size_t kBatch = kOrientationBatch;
    elements_.reset(new (std::align_val_t{64}) float[batches * 9 * kBatch]());
    for (std::size_t i = 0; i < orientations_.size(); ++i) {
        const std::size_t number = i / 9, element = i % 9;
        elements_[(number / kBatch * 9 + element) * kBatch + number % kBatch] = static_cast<float>(orientations_[i]);
    }
    bounds_.elements = elements_.get();
    bounds_.unlike = unlike_.data();
    return true;
}

void TermBounds::weigh_distances(const Scene& scene, const KernelScene& view) {
    double m[6];
    miss_metric(scene, m);
    const double* cells = view.cells;
    // A quadratic form is at least its diagonal times the least eigenvalue of what is left when that is made ones.
    double beside[3] = {0, 0, 0};
    const int of[3][2] = {{0, 1}, {1, 2}, {0, 2}};
    for (int i = 0; i < 3; ++i) {
        const double both = std::sqrt(m[of[i][0]] * m[of[i][1]]);
        beside[i] = both > 0 ? m[3 + i] / (2 * both) : 1.0;
    }
    const double least = least_eigenvalue(beside);
    for (int axis = 0; axis < 3; ++axis) {
        double weight = 0;
        switch (view.shape) {
            case Shape::square:
                weight = cells[axis] <= 1 ? 1.0 : (1 - 1e-5) / (cells[axis] * cells[axis]);
                break;
            case Shape::round:
                weight = kPi * kPi * view.fudge * cells[axis] * cells[axis] * (1 - 1e-5);
                break;
            case Shape::gauss:
            case Shape::gauss_index:
                weight = 2 / 0.63 * 1.4426950408889634074 * view.fudge * m[axis] * least;
                break;
            case Shape::tophat:
                weight = view.fudge * m[axis] / 0.3969 * least;
                break;
        }
        bounds_.weight[axis] = static_cast<float>(std::min(weight, 1e30));
    }
}

// Element [h][k][l] is F^2 at most of an index whose nearest whole ones these are, from the index before the grid's
// first to the one behind its last along each axis, as mixed precision rounds it; behind them, in the same way, the
// largest F^2 of the eight indices from (h, k, l) to (h + 1, k + 1, l + 1).
void TermBounds::find_maxima(const Scene& scene) {
    if (!scene.has_grid()) return;
    std::int64_t size = 1;
    for (int i = 0; i < 3; ++i) {
        size *= scene.f_shape[i] + 2;
        if (size > kMostMaxima / 2 || std::abs(scene.f_min[i]) > kFarthest) {
            // The magnitudes of the weights along an axis add up to 5/4 at most.
            if (interpolates(scene)) bounds_.largest *= static_cast<float>(std::pow(1.25, 6));
            return;
        }
        bounds_.shape[i] = static_cast<std::int32_t>(scene.f_shape[i] + 2);
        bounds_.first[i] = static_cast<std::int32_t>(scene.f_min[i] - 1);
    }
    bounds_.size = static_cast<std::int32_t>(size);
    const auto other = static_cast<float>(scene.default_F * scene.default_F);
    const std::int64_t n[3] = {bounds_.shape[0], bounds_.shape[1], bounds_.shape[2]};
    const std::int64_t step[3] = {n[1] * n[2], n[2], 1};
    maxima_.reset(new float[static_cast<std::size_t>(2 * size)]);  // not set yet, which takes a third of all this
    float* own = maxima_.get();
    std::fill_n(own, size, other);
    const double* f = scene.f_grid;
    for (std::int64_t h = 1; h < n[0] - 1; ++h) {
        for (std::int64_t k = 1; k < n[1] - 1; ++k) {
            float* row = own + h * step[0] + k * step[1] + 1;
            for (std::int64_t l = 0; l < n[2] - 2; ++l, ++f) row[l] = static_cast<float>(*f * *f);
        }
    }
    if (interpolates(scene)) raise_to_interpolated(scene, own);
    // Axis after axis. Behind the last element along an axis stands the first one of another row or plane, which has
    // default_F, too.
    float* both = own + size;
    std::copy_n(own, size, both);
    for (const std::int64_t one : step) {
        const std::int64_t inside = size - one;
        for (std::int64_t at = 0; at < inside; ++at) {
            both[at] = both[at] > both[at + one] ? both[at] : both[at + one];
        }
        for (std::int64_t at = inside; at < size; ++at) both[at] = both[at] > other ? both[at] : other;
    }
    bounds_.maxima = own;
}

// Around a nearest point lie eight cells between points.
void TermBounds::raise_to_interpolated(const Scene& scene, float* own) {
    const std::vector<double> between = largest_between_points(scene);
    const std::int64_t* n = scene.f_shape;
    for (std::int64_t h = 0; h < n[0]; ++h) {
        for (std::int64_t k = 0; k < n[1]; ++k) {
            for (std::int64_t l = 0; l < n[2]; ++l) {
                const auto most =
                    static_cast<float>(between[static_cast<std::size_t>((h * n[1] + k) * n[2] + l)] * (1 + 1e-6));
                bounds_.largest = std::max(bounds_.largest, most);
                for (int corner = 0; corner < 8; ++corner) {
                    const std::int64_t at =
                        ((h + 1 + (corner & 1)) * bounds_.shape[1] + k + 1 + (corner >> 1 & 1)) * bounds_.shape[2] + l +
                        1 + (corner >> 2);
                    own[at] = std::max(own[at], most);
                }
            }
        }
    }
}

}  // namespace nanobragg
