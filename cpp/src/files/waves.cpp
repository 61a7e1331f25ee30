#include "nanobragg/waves.hpp"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "nanobragg/threads.hpp"

namespace nanobragg {

namespace {

constexpr double two_pi = 6.283185307179586;

struct Turn {
    double cosine, sine;
};

Turn turn_of(double turns) {
    const double angle = two_pi * (turns - std::nearbyint(turns));
    return {std::cos(angle), std::sin(angle)};
}

// The phases that translations give. Those of almost all groups are 48ths of the cell, whose turns stand in a table.
class Phases {
  public:
    explicit Phases(const SpaceGroup& group) : group_(group) {
        for (std::size_t i = 0; i < parts; ++i) table_[i] = turn_of(static_cast<double>(i) / parts);
        for (const SymmetryOperation& op : group) {
            Steps steps;
            for (std::size_t axis = 0; axis < 3; ++axis) {
                const double step = op.translation[axis] * parts;
                steps.whole = steps.whole && std::fabs(step - std::nearbyint(step)) < 1e-9;
                steps.of_axis[axis] = steps.whole ? static_cast<std::int64_t>(std::nearbyint(step)) : 0;
            }
            steps_.push_back(steps);
        }
    }
    Turn of(std::size_t operation, const std::int32_t* h) const {
        const Steps& steps = steps_[operation];
        if (steps.whole) {
            const std::int64_t step = h[0] * steps.of_axis[0] + h[1] * steps.of_axis[1] + h[2] * steps.of_axis[2];
            const std::int64_t rest = step % parts;
            return table_[static_cast<std::size_t>(rest < 0 ? rest + parts : rest)];
        }
        const auto& t = group_[operation].translation;
        return turn_of(h[0] * t[0] + h[1] * t[1] + h[2] * t[2]);
    }

  private:
    static constexpr std::int64_t parts = 48;
    struct Steps {
        std::array<std::int64_t, 3> of_axis{};
        bool whole = true;
    };
    const SpaceGroup& group_;
    std::vector<Steps> steps_;
    std::array<Turn, parts> table_{};
};

// The wave of h·R, 0 where the transform has none.
std::complex<float> wave(const Transform& transform, const std::int32_t* h, const std::array<std::int32_t, 9>& r) {
    std::array<std::int64_t, 3> at{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
        at[axis] = std::int64_t{h[0]} * r[axis] + std::int64_t{h[1]} * r[axis + 3] + std::int64_t{h[2]} * r[axis + 6];
    }
    const bool mate = at[0] < 0;
    std::size_t place = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const auto length = static_cast<std::int64_t>(transform.shape[axis]);
        std::int64_t from_first = mate ? -at[axis] : at[axis];
        if (axis > 0 && 2 * std::abs(from_first) > length) return 0;
        if (axis > 0 && from_first < 0) from_first += length;
        if (from_first < 0 || from_first >= length) return 0;
        place = place * transform.shape[axis] + static_cast<std::size_t>(from_first);
    }
    return mate ? transform.waves[place] : std::conj(transform.waves[place]);
}

template <typename Real>
void amplitudes(const std::complex<Real>* f, const std::complex<Real>* absorbing, std::size_t n, double* plus,
                double* minus) {
    const auto count = static_cast<std::int64_t>(n);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t row = 0; row < count; ++row) {
        const auto i = static_cast<std::size_t>(row);
        const double real = f[i].real(), imaginary = f[i].imag();
        const double x = absorbing == nullptr ? 0.0 : absorbing[i].real();
        const double y = absorbing == nullptr ? 0.0 : absorbing[i].imag();
        plus[i] = std::sqrt((real - y) * (real - y) + (imaginary + x) * (imaginary + x));
        minus[i] = std::sqrt((real + y) * (real + y) + (imaginary - x) * (imaginary - x));
    }
}

}  // namespace

void sum_over_symmetry(const SpaceGroup& group, const Transform& transform, const Ball& ball, std::size_t n,
                       const std::int32_t* hkl, std::complex<float>* sums) {
    const Phases phases(group);
    const auto count = static_cast<std::int64_t>(n);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t row = 0; row < count; ++row) {
        const std::int32_t* const h = hkl + 3 * row;
        const double inverse_d2 = ball.inverse_d2(h[0], h[1], h[2]);
        if (!(inverse_d2 <= ball.largest)) continue;
        double real = 0, imaginary = 0;
        for (std::size_t i = 0; i < group.size(); ++i) {
            const std::complex<float> found = wave(transform, h, group[i].rotation);
            const Turn turn = phases.of(i, h);
            real += found.real() * turn.cosine - found.imag() * turn.sine;
            imaginary += found.real() * turn.sine + found.imag() * turn.cosine;
        }
        const double scale = transform.scale * std::exp(transform.blur / 4 * inverse_d2);
        sums[row] += std::complex<float>(static_cast<float>(real * scale), static_cast<float>(imaginary * scale));
    }
}

void put_planes(const std::complex<float>* planes, std::size_t count, std::size_t rows, std::size_t first,
                const TransformColumns& columns) {
    const std::size_t width = columns.shape[0], kept = columns.shape[1], depth = columns.shape[2];
    const std::size_t above = kept / 2 + 1;  // k from 0 on
    for (std::size_t k = 0; k < kept; ++k) {
        const std::size_t row = k < above ? k : rows - kept + k;
        const std::complex<float>* const from = planes + row * width;
        std::complex<float>* to = columns.values + k * depth + first;
        for (std::size_t h = 0; h < width; ++h, to += kept * depth) {
            for (std::size_t z = 0; z < count; ++z) to[z] = from[z * rows * width + h];
        }
    }
}

void amplitudes_of_mates(const std::complex<float>* f, const std::complex<float>* absorbing, std::size_t n,
                         double* plus, double* minus) {
    amplitudes(f, absorbing, n, plus, minus);
}

void amplitudes_of_mates(const std::complex<double>* f, const std::complex<double>* absorbing, std::size_t n,
                         double* plus, double* minus) {
    amplitudes(f, absorbing, n, plus, minus);
}

}  // namespace nanobragg
