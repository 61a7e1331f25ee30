// Transforms of what is in a cell, and the structure factors that they give.
#pragma once

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>

#include "nanobragg/symmetry.hpp"

namespace nanobragg {

/// A transform along all axes of what is in the asymmetric unit, of the sign that FFT programs have: the wave of
/// reflection h k l is the conjugate of element (h, k, l), those of k and l below 0 counted from the end, as in
/// FFT programs; there is no h below 0, since Friedel's law gives those.
struct Transform {
    const std::complex<float>* waves = nullptr;
    std::array<std::size_t, 3> shape{};
    /// What all of them are multiplied by, and a B factor (Å²) that has been added to the density's and is taken away.
    double scale = 1, blur = 0;
};

/// Adds to `sums` the structure factors of those of n reflections that the ball holds: Σ exp(2πi h·t)·wave(h·R) over
/// the operations of `group`, of which those that differ by a centring only are to be left out.
void sum_over_symmetry(const SpaceGroup& group, const Transform& transform, const Ball& ball, std::size_t n,
                       const std::int32_t* hkl, std::complex<float>* sums);

/// Where planes of a transform go: an array (h, k, z), whose rows along z are transformed later.
struct TransformColumns {
    std::complex<float>* values = nullptr;
    std::array<std::size_t, 3> shape{};
};

/// Puts planes (z, k, h) of `rows` rows into columns at z = `first`. The columns have the first k of the rows, and the
/// last ones, for k below 0.
void put_planes(const std::complex<float>* planes, std::size_t count, std::size_t rows, std::size_t first,
                const TransformColumns& columns);

/// |f + i·absorbing| and |f − i·absorbing|: the amplitudes of n reflections and of their Friedel mates. f″ is a quarter
/// turn ahead of f, so that they differ. Without `absorbing` (null) they do not.
void amplitudes_of_mates(const std::complex<float>* f, const std::complex<float>* absorbing, std::size_t n,
                         double* plus, double* minus);
void amplitudes_of_mates(const std::complex<double>* f, const std::complex<double>* absorbing, std::size_t n,
                         double* plus, double* minus);

}  // namespace nanobragg
