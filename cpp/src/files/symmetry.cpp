#include "nanobragg/symmetry.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "nanobragg/threads.hpp"

namespace nanobragg {

namespace {

using Index = std::array<std::int64_t, 3>;

Index times(const Index& h, const SymmetryOperation& op) {
    const auto& r = op.rotation;
    return {h[0] * r[0] + h[1] * r[3] + h[2] * r[6], h[0] * r[1] + h[1] * r[4] + h[2] * r[7],
            h[0] * r[2] + h[1] * r[5] + h[2] * r[8]};
}

Index negative(const Index& h) { return {-h[0], -h[1], -h[2]}; }

// Operations that can extinguish a reflection: those that translate.
SpaceGroup translating(const SpaceGroup& group) {
    SpaceGroup out;
    for (const SymmetryOperation& op : group) {
        if (op.translation != std::array<double, 3>{}) out.push_back(op);
    }
    return out;
}

// Each rotation once.
SpaceGroup rotating(const SpaceGroup& group) {
    SpaceGroup out;
    for (const SymmetryOperation& op : group) {
        bool known = false;
        for (const SymmetryOperation& other : out) known = known || other.rotation == op.rotation;
        if (!known) out.push_back(op);
    }
    return out;
}

bool is_absent(const Index& h, const SpaceGroup& translations) {
    for (const SymmetryOperation& op : translations) {
        const double phase = static_cast<double>(h[0]) * op.translation[0] +
                             static_cast<double>(h[1]) * op.translation[1] +
                             static_cast<double>(h[2]) * op.translation[2];
        constexpr double whole = 1e-3;
        if (std::fabs(phase - std::nearbyint(phase)) > whole && times(h, op) == h) return true;
    }
    return false;
}

// Of equivalent reflections the one with the largest indices stands for all.
bool stands_for_all(const Index& h, const SpaceGroup& rotations) {
    if (negative(h) > h) return false;
    for (const SymmetryOperation& op : rotations) {
        const Index turned = times(h, op);
        if (turned > h || negative(turned) > h) return false;
    }
    return true;
}

void unique_of_plane(std::int64_t h, const SpaceGroup& rotations, const SpaceGroup& translations, const Ball& ball,
                     std::vector<std::int32_t>& out) {
    for (std::int64_t k = -ball.bounds[1]; k <= ball.bounds[1]; ++k) {
        for (std::int64_t l = -ball.bounds[2]; l <= ball.bounds[2]; ++l) {
            const Index index{h, k, l};
            if (!ball.holds(h, k, l) || !stands_for_all(index, rotations) || is_absent(index, translations)) continue;
            for (const std::int64_t i : index) out.push_back(static_cast<std::int32_t>(i));
        }
    }
}

Completeness complete_plane(std::int64_t h, const SpaceGroup& translations, const Ball& ball, double default_F,
                            double* plane) {
    Completeness found;
    for (std::int64_t k = -ball.bounds[1]; k <= ball.bounds[1]; ++k) {
        for (std::int64_t l = -ball.bounds[2]; l <= ball.bounds[2]; ++l, ++plane) {
            const bool missing = std::isnan(*plane);
            const bool origin = h == 0 && k == 0 && l == 0;
            const bool inside = !origin && ball.holds(h, k, l);
            const bool absent = inside && is_absent({h, k, l}, translations);
            found.expected += inside && !absent;
            found.missing += inside && !absent && missing;
            found.present_absences += absent && !missing && *plane != 0.0;
            if (missing) *plane = absent ? 0.0 : default_F;
        }
    }
    return found;
}

}  // namespace

std::vector<std::int32_t> unique_reflections(const SpaceGroup& group, const Ball& ball) {
    const SpaceGroup rotations = rotating(group), translations = translating(group);
    const std::int64_t planes = ball.bounds[0] + 1;  // half of them: Friedel's law gives the others
    std::vector<std::vector<std::int32_t>> found(static_cast<std::size_t>(planes));
    bool out_of_memory = false;
#pragma omp parallel for schedule(dynamic) num_threads(thread_count(0)) reduction(|| : out_of_memory)
    for (std::int64_t h = 0; h < planes; ++h) {
        try {
            unique_of_plane(h, rotations, translations, ball, found[static_cast<std::size_t>(h)]);
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
    }
    if (out_of_memory) throw std::bad_alloc();
    std::size_t total = 0;
    for (const auto& plane : found) total += plane.size();
    std::vector<std::int32_t> all;
    all.reserve(total);
    for (auto& plane : found) {
        all.insert(all.end(), plane.begin(), plane.end());
        plane = {};
    }
    return all;
}

void clear_grid(const std::array<std::size_t, 3>& shape, double* grid) {
    const std::size_t plane = shape[1] * shape[2];
    const auto planes = static_cast<std::int64_t>(shape[0]);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t h = 0; h < planes; ++h) {
        std::fill_n(grid + static_cast<std::size_t>(h) * plane, plane, std::numeric_limits<double>::quiet_NaN());
    }
}

void spread_reflections(const SpaceGroup& group, std::size_t n, const std::int32_t* hkl, const double* plus,
                        const double* minus, const std::array<std::int64_t, 3>& minimum,
                        const std::array<std::size_t, 3>& shape, double* grid) {
    const SpaceGroup rotations = rotating(group);
    const auto write = [&](const Index& h, double value) {
        std::size_t place = 0;
        for (std::size_t axis = 0; axis < 3; ++axis) {
            const std::int64_t at = h[axis] - minimum[axis];
            if (at < 0 || at >= static_cast<std::int64_t>(shape[axis])) return;
            place = place * shape[axis] + static_cast<std::size_t>(at);
        }
        grid[place] = value;
    };
    const auto count = static_cast<std::int64_t>(n);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t row = 0; row < count; ++row) {
        const auto i = static_cast<std::size_t>(row);
        const Index index{hkl[3 * i], hkl[3 * i + 1], hkl[3 * i + 2]};
        const bool said = !std::isnan(plus[i]), mate_said = !std::isnan(minus[i]);
        for (const SymmetryOperation& op : rotations) {
            const Index turned = times(index, op);
            if (mate_said) write(negative(turned), minus[i]);
            if (said) write(turned, plus[i]);
        }
    }
}

Completeness complete_grid(const SpaceGroup& group, const Ball& ball, double default_F, double* grid) {
    const SpaceGroup translations = translating(group);
    const auto shape = ball.shape();
    std::uint64_t expected = 0, missing = 0, present = 0;
#pragma omp parallel for schedule(dynamic) num_threads(thread_count(0)) reduction(+ : expected, missing, present)
    for (std::int64_t h = -ball.bounds[0]; h <= ball.bounds[0]; ++h) {
        double* const plane = grid + static_cast<std::size_t>(h + ball.bounds[0]) * shape[1] * shape[2];
        const Completeness found = complete_plane(h, translations, ball, default_F, plane);
        expected += found.expected;
        missing += found.missing;
        present += found.present_absences;
    }
    return {expected, missing, present};
}

void sum_over_symmetry(const SpaceGroup& group, const Transform& transform, const Ball& ball, std::size_t n,
                       const std::int32_t* hkl, std::complex<float>* out) {
    constexpr double two_pi = 6.283185307179586;
    const auto& shape = transform.shape;
    const auto wave = [&](const Index& h) -> std::complex<double> {
        const bool mate = h[0] < 0;
        std::size_t place = 0;
        for (std::size_t axis = 0; axis < 3; ++axis) {
            std::int64_t at = mate ? -h[axis] : h[axis];
            if (axis > 0 && at < 0) at += static_cast<std::int64_t>(shape[axis]);
            if (at < 0 || at >= static_cast<std::int64_t>(shape[axis])) return 0;
            place = place * shape[axis] + static_cast<std::size_t>(at);
        }
        const std::complex<double> found(transform.waves[place]);
        return mate ? found : std::conj(found);
    };
    const auto count = static_cast<std::int64_t>(n);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t row = 0; row < count; ++row) {
        const auto i = static_cast<std::size_t>(row);
        const Index index{hkl[3 * i], hkl[3 * i + 1], hkl[3 * i + 2]};
        const double h = hkl[3 * i], k = hkl[3 * i + 1], l = hkl[3 * i + 2];
        std::complex<double> total = 0;
        for (const SymmetryOperation& op : group) {
            const double turns = h * op.translation[0] + k * op.translation[1] + l * op.translation[2];
            const double phase = two_pi * (turns - std::nearbyint(turns));
            total += wave(times(index, op)) * std::complex<double>(std::cos(phase), std::sin(phase));
        }
        const double sharper = std::exp(transform.blur / 4 * ball.inverse_d2(h, k, l));
        out[i] = std::complex<float>(total * (transform.scale * sharper));
    }
}

}  // namespace nanobragg
