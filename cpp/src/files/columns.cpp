#include "nanobragg/columns.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <string>

namespace nanobragg {
namespace {

constexpr const char* delimiters = " \t,;:!";
constexpr const char* digits = "0123456789-+.EGeg";

// The value of a column, 0 for what is no number; `found`: it is one. Plain numbers do not depend on the locale.
double value_of(const char* at, const char* line_end, bool& found) {
    double decimal = 0.0;
    const auto [stop, error] = std::from_chars(at, line_end, decimal);
    found = error == std::errc{} && *stop != 'x' && *stop != 'X';
    if (found) return decimal;
    char* end = nullptr;
    const double value = std::strtod(at, &end);
    found = end != at;
    return value;
}

std::size_t span(const std::string& line, std::size_t at, const char* of) {
    const std::size_t end = line.find_first_not_of(of, at);
    return end == std::string::npos ? line.size() : end;
}

std::size_t span_until(const std::string& line, std::size_t at, const char* of) {
    const std::size_t end = line.find_first_of(of, at);
    return end == std::string::npos ? line.size() : end;
}

bool only_newline(const std::string& line, std::size_t at) { return line.size() == at + 1 && line[at] == '\n'; }

// One row of `columns` values; whether it begins with a number.
bool read_row(const std::string& line, std::size_t at, std::size_t columns, double* row) {
    bool numbered = false;
    for (std::size_t i = 0; i < columns; ++i) {
        bool found = false;
        row[i] = value_of(line.c_str() + at, line.c_str() + line.size(), found);
        if (i == 0) numbered = found;
        at = span(line, at, digits);
        if (only_newline(line, at)) break;
        at = span_until(line, at, delimiters);
        at = span(line, at, delimiters);
        if (only_newline(line, at)) break;
    }
    return numbered;
}

}  // namespace

Columns read_columns(std::string_view text, std::size_t columns, bool titles) {
    constexpr std::size_t longest = 10239;
    Columns out;
    out.columns = columns;
    std::vector<double> row(columns);
    std::string line;
    while (!text.empty()) {
        const std::size_t newline = text.substr(0, longest).find('\n');
        const std::size_t size = newline == std::string_view::npos ? std::min(longest, text.size()) : newline + 1;
        line.assign(text.substr(0, size));
        text.remove_prefix(size);
        line.resize(std::min(line.size(), line.find('\0')));  // a string of C ends there
        const std::size_t begin = span(line, 0, delimiters);
        if (only_newline(line, begin)) continue;
        row.assign(columns, std::numeric_limits<double>::quiet_NaN());
        const bool numbered = read_row(line, begin, columns, row.data());
        if (!numbered) ++out.without_number;
        if (numbered || titles) out.values.insert(out.values.end(), row.begin(), row.end());
    }
    return out;
}

}  // namespace nanobragg
