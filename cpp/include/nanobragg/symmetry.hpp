// Reflections and atoms under the symmetry of a crystal (specs/formats.md).
#pragma once

#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nanobragg {

/// One operation of a space group: x becomes rotation·x + translation, in fractions of the cell.
struct SymmetryOperation {
    /// Row by row. The row h times the rotation is an equivalent reflection.
    std::array<std::int32_t, 9> rotation{};
    std::array<double, 3> translation{};
};

/// All operations of a group, the centring ones included.
using SpaceGroup = std::vector<SymmetryOperation>;

/// The reflections with 1/d² up to a limit, and the box that holds them: indices from −bounds to bounds.
struct Ball {
    /// Of the reciprocal lattice, 1/Å², row by row.
    std::array<double, 9> metric{};
    /// 1/Å²
    double largest = 0;
    std::array<std::int64_t, 3> bounds{};

    double inverse_d2(double h, double k, double l) const {
        return metric[0] * h * h + metric[4] * k * k + metric[8] * l * l +
               2 * (metric[1] * h * k + metric[2] * h * l + metric[5] * k * l);
    }
    /// Where l is of a row h k l, both ends included; none where `last` is below `first`.
    struct Row {
        std::int64_t first = 0, last = -1;
    };
    Row row(std::int64_t h, std::int64_t k) const;
    bool holds(std::int64_t h, std::int64_t k, std::int64_t l) const {
        return inverse_d2(static_cast<double>(h), static_cast<double>(k), static_cast<double>(l)) <= largest;
    }
    std::array<std::size_t, 3> shape() const {
        return {static_cast<std::size_t>(2 * bounds[0] + 1), static_cast<std::size_t>(2 * bounds[1] + 1),
                static_cast<std::size_t>(2 * bounds[2] + 1)};
    }
};

/// One reflection of each set of those that the group and Friedel's law make equivalent, systematic absences left out:
/// n × 3 indices in ascending order, 0 0 0 among them.
std::vector<std::int32_t> unique_reflections(const SpaceGroup& group, const Ball& ball);

/// Makes a grid all holes (NaN). Its memory is touched here for the first time, which takes the longest of all.
void clear_grid(const std::array<std::size_t, 3>& shape, double* grid);

/// Writes the value of each of n reflections to all that are equivalent to it, and that of its Friedel mate to theirs;
/// no two of the n may be equivalent. NaN is not written, and indices out of the grid (whose first element is
/// `minimum`) are left out.
void spread_reflections(const SpaceGroup& group, std::size_t n, const std::int32_t* hkl, const double* plus,
                        const double* minus, const std::array<std::int64_t, 3>& minimum,
                        const std::array<std::size_t, 3>& shape, double* grid);

/// What complete_grid() found, 0 0 0 left out.
struct Completeness {
    /// Reflections of the ball without systematic absences, and how many of them have no value.
    std::uint64_t expected = 0, missing = 0;
    /// Systematic absences with a value other than 0.
    std::uint64_t present_absences = 0;
};

/// Fills the holes (NaN) of the ball's box: 0 for systematic absences, `default_F` for all others.
Completeness complete_grid(const SpaceGroup& group, const Ball& ball, double default_F, double* grid);

/// An element's form factor, Σ a·exp(−b·s²/4) + c with s = 1/d, and its anomalous scattering, electrons.
struct FormFactor {
    std::array<double, 4> a{}, b{};
    double c = 0, f_prime = 0, f_double_prime = 0;
};

/// Atoms of one element that have a B factor in common, or each a tensor of its own.
struct AtomGroup {
    std::size_t element = 0, begin = 0, end = 0;
    /// Å²
    double b_factor = 0;
    bool anisotropic = false;
};

/// The atoms of a cell.
struct AtomicModel {
    std::vector<FormFactor> elements;
    std::vector<AtomGroup> groups;
    /// x, y, z (fractions), occupancy; and 11, 22, 33, 12, 13, 23 of 2π²U in units of the reciprocal cell.
    std::vector<std::array<double, 4>> atoms;
    std::vector<std::array<double, 6>> tensors;
};

/// The structure factors of n reflections, two parts of two numbers each: of f0 + f′, and of f″ (which is to be
/// multiplied by i). Reflections are quickest where l ascends by ones.
void sum_over_atoms(const AtomicModel& model, const Ball& ball, std::size_t n, const std::int32_t* hkl,
                    double* scattering, double* absorbing);

}  // namespace nanobragg
