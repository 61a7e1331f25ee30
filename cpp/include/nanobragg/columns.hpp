// Text in columns, as nonBragg.c reads it (specs/nonbragg.md, "Reading").
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace nanobragg {

struct Columns {
    std::size_t columns = 0;
    std::vector<double> values;      // row after row; NaN: missing
    std::size_t without_number = 0;  // rows that begin with no number: comments, titles, blank lines of CRLF files
};

/// The first `columns` columns of `text`. `titles`: rows that begin with no number count, as zeros; otherwise they are
/// left out.
Columns read_columns(std::string_view text, std::size_t columns, bool titles);

}  // namespace nanobragg
