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

Index minus(const Index& a, const Index& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

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

// The systematic absences of a row of reflections h k l, l from −∞ to ∞.
class AbsencesOfRow {
  public:
    AbsencesOfRow(std::int64_t h, std::int64_t k, const SpaceGroup& translations) {
        for (const SymmetryOperation& op : translations) {
            // The operation turns h k l into itself where constant + l·slope is zero, for each of the three indices.
            const Index constant = minus(times({h, k, 0}, op), {h, k, 0});
            const Index slope = minus(times({0, 0, 1}, op), {0, 0, 1});
            Turned turned;
            for (std::size_t axis = 0; axis < 3; ++axis) {
                if (slope[axis] == 0) {
                    if (constant[axis] != 0) turned.last = turned.first - 1;
                } else if (constant[axis] % slope[axis] != 0) {
                    turned.last = turned.first - 1;
                } else {
                    turned.first = std::max(turned.first, -constant[axis] / slope[axis]);
                    turned.last = std::min(turned.last, -constant[axis] / slope[axis]);
                }
            }
            if (turned.first > turned.last) continue;
            turned.turns = static_cast<double>(h) * op.translation[0] + static_cast<double>(k) * op.translation[1];
            turned.turns_of_l = op.translation[2];
            turned_.push_back(turned);
        }
    }
    bool none() const { return turned_.empty(); }
    bool holds(std::int64_t l) const {
        for (const Turned& turned : turned_) {
            const double turns = turned.turns + static_cast<double>(l) * turned.turns_of_l;
            constexpr double whole = 1e-3;
            if (l >= turned.first && l <= turned.last && std::fabs(turns - std::nearbyint(turns)) > whole) return true;
        }
        return false;
    }

  private:
    // Reflections that an operation turns into themselves, and by how many turns it changes their phase.
    struct Turned {
        std::int64_t first = std::numeric_limits<std::int64_t>::min() / 2;
        std::int64_t last = std::numeric_limits<std::int64_t>::max() / 2;
        double turns = 0, turns_of_l = 0;
    };
    std::vector<Turned> turned_;
};

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
        const AbsencesOfRow absences(h, k, translations);
        const Ball::Row row = ball.row(h, k);
        for (std::int64_t l = row.first; l <= row.last; ++l) {
            const Index index{h, k, l};
            if (!stands_for_all(index, rotations) || absences.holds(l)) continue;
            for (const std::int64_t i : index) out.push_back(static_cast<std::int32_t>(i));
        }
    }
}

void fill_holes(double* begin, const double* end, double value) {
    for (; begin != end; ++begin) *begin = std::isnan(*begin) ? value : *begin;
}

// `values`: of l = 0.
Completeness complete_row(const Ball::Row& row, const AbsencesOfRow& absences, double default_F, double* values) {
    Completeness found;
    if (row.first > row.last) return found;
    found.expected = static_cast<std::uint64_t>(row.last - row.first + 1);
    for (std::int64_t l = row.first; l <= row.last; ++l) found.missing += std::isnan(values[l]);
    if (!absences.none()) {
        for (std::int64_t l = row.first; l <= row.last; ++l) {
            if (!absences.holds(l)) continue;
            --found.expected;
            found.missing -= std::isnan(values[l]);
            found.present_absences += !std::isnan(values[l]) && values[l] != 0.0;
            fill_holes(values + l, values + l + 1, 0.0);
        }
    }
    fill_holes(values + row.first, values + row.last + 1, default_F);
    return found;
}

Completeness complete_plane(std::int64_t h, const SpaceGroup& translations, const Ball& ball, double default_F,
                            double* plane) {
    Completeness found;
    const std::int64_t reach = ball.bounds[2];
    for (std::int64_t k = -ball.bounds[1]; k <= ball.bounds[1]; ++k, plane += 2 * reach + 1) {
        double* const values = plane + reach;
        const AbsencesOfRow absences(h, k, translations);
        Ball::Row row = ball.row(h, k);
        const auto add = [&](const Ball::Row& part) {
            const Completeness more = complete_row(part, absences, default_F, values);
            found.expected += more.expected;
            found.missing += more.missing;
            found.present_absences += more.present_absences;
        };
        if (h == 0 && k == 0) {
            add({row.first, -1});
            row.first = 1;  // 0 0 0 is not counted
        }
        add(row);
        fill_holes(plane, plane + 2 * reach + 1, default_F);
    }
    return found;
}

}  // namespace

Ball::Row Ball::row(std::int64_t h, std::int64_t k) const {
    // The two ends by the quadratic equation, to be mended by whether the ball holds them: its rounding is what counts.
    const auto x = static_cast<double>(h), y = static_cast<double>(k);
    const double middle = -(metric[2] * x + metric[5] * y) / metric[8];
    const double half = std::sqrt(std::max(0.0, middle * middle - (inverse_d2(x, y, 0) - largest) / metric[8]));
    const auto reach = static_cast<double>(bounds[2]);
    Row found{static_cast<std::int64_t>(std::clamp(std::floor(middle - half) - 1, -reach, reach + 1)),
              static_cast<std::int64_t>(std::clamp(std::ceil(middle + half) + 1, -reach - 1, reach))};
    while (found.first <= found.last && !holds(h, k, found.first)) ++found.first;
    while (found.first <= found.last && !holds(h, k, found.last)) --found.last;
    return found;
}

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

}  // namespace nanobragg
