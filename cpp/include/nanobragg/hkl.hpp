// Structure-factor text files: lines `h k l F` (specs/formats.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nanobragg {

/// Amplitudes on a dense grid of Miller indices.
struct StructureFactorGrid {
    /// h, k, l of the first element.
    std::array<std::int64_t, 3> minimum{};
    /// Elements along h, k, l; l is fastest.
    std::array<std::size_t, 3> shape{};
    std::unique_ptr<double[]> values;
    /// Lines with a reflection, duplicates included.
    std::size_t count = 0;
    /// Sentences about what was doubtful, with line numbers.
    std::vector<std::string> warnings;

    std::size_t size() const { return shape[0] * shape[1] * shape[2]; }
};

/// Largest grid that is accepted, bytes.
constexpr double largest_grid_bytes = 8.0 * 1024 * 1024 * 1024;
/// Largest grid that is made without a look at the indices, bytes.
constexpr double ordinary_grid_bytes = 1024.0 * 1024;

/// Reads the first four columns of every line; blank lines and lines that start with # are skipped, indices that are
/// not whole are rounded with one warning, later duplicates win and what no line names is `default_F`.
///
/// A byte-order mark is skipped, exponents may be Fortran's (1.5D+02).
///
/// `likely`: the largest indices that are taken for granted (0: any). A grid beyond 1 MiB must not have others.
///
/// Throws InputError, a sentence that starts with the line (the caller knows the file's name), when a line is anything
/// else, when there is no reflection, or when the range of indices is absurd.
StructureFactorGrid parse_hkl(std::string_view text, double default_F, const std::array<std::int64_t, 3>& likely = {});

}  // namespace nanobragg
