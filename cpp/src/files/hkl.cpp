#include "nanobragg/hkl.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "nanobragg/error.hpp"
#include "nanobragg/threads.hpp"

namespace nanobragg {

namespace {

struct Reflection {
    std::array<std::int32_t, 3> index;
    double amplitude;
};

// What one piece of the text holds. Lines are counted from 1 within the piece; 0: none.
struct Piece {
    std::string_view text;
    std::vector<Reflection> reflections;
    std::size_t lines = 0;
    std::size_t fractional = 0, first_fractional = 0;
    std::string fractional_line;
    std::size_t bad = 0;
    std::string bad_line;
    bool out_of_memory = false;
};

bool is_line_end(char c) { return c == '\n' || c == '\r'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f'; }

const char* skip_blanks(const char* at, const char* end) {
    while (at != end && is_blank(*at)) ++at;
    return at;
}

const char* line_end(const char* at, const char* end) {
    while (at != end && !is_line_end(*at)) ++at;
    return at;
}

// Fortran's exponents of double precision: 1.5D+02.
const char* parse_fortran(const char* at, const char* end, double& value) {
    const char* stop = at;
    while (stop != end && !is_blank(*stop) && !is_line_end(*stop)) ++stop;
    std::string text(at, stop);
    for (char& c : text) {
        if (c == 'd' || c == 'D') c = 'e';
    }
    const auto [read, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && read == text.data() + text.size() ? stop : nullptr;
}

// A number that fills the whole of the next column; nullptr when there is none.
const char* parse_number(const char* at, const char* end, double& value) {
    at = skip_blanks(at, end);
    if (at != end && *at == '+') {
        ++at;
        if (at != end && *at == '-') return nullptr;
    }
    auto [stop, error] = std::from_chars(at, end, value);
    if (error == std::errc{} && stop != end && (*stop == 'D' || *stop == 'd')) {
        stop = parse_fortran(at, end, value);
        if (stop == nullptr) return nullptr;
    }
    const bool whole = stop == end || is_blank(*stop) || is_line_end(*stop);
    return error == std::errc{} && whole && std::isfinite(value) ? stop : nullptr;
}

// Reads a Miller index: nearly always a few digits.
const char* parse_index(const char* at, const char* end, std::int32_t& index, bool& fractional) {
    at = skip_blanks(at, end);
    const char* digit = at;
    const bool negative = digit != end && *digit == '-';
    if (negative) ++digit;
    const char* first = digit;
    std::int32_t magnitude = 0;
    while (digit != end && digit - first < 9 && *digit >= '0' && *digit <= '9') {
        magnitude = magnitude * 10 + (*digit++ - '0');
    }
    if (digit != first && (digit == end || is_blank(*digit))) {
        index = negative ? -magnitude : magnitude;
        return digit;
    }
    double value = 0.0;
    const char* stop = parse_number(at, end, value);
    if (stop == nullptr || std::fabs(value) > std::numeric_limits<std::int32_t>::max()) return nullptr;
    const double rounded = std::nearbyint(value);
    fractional = fractional || rounded != value;
    index = static_cast<std::int32_t>(rounded);
    return stop;
}

// The line as it can stand in a message.
std::string quote(const char* begin, const char* end) {
    constexpr std::ptrdiff_t longest = 60;
    std::string text(begin, begin + std::min(end - begin, longest));
    for (char& c : text) {
        if (c == '\t') c = ' ';
        if (c < ' ' || c > '~') c = '?';
    }
    return "'" + text + (end - begin > longest ? "..." : "") + "'";
}

// Returns the end of the line's last column that matters; nullptr when the line is not h k l F.
const char* parse_line(const char* at, const char* end, Reflection& reflection, bool& fractional) {
    for (std::int32_t& index : reflection.index) {
        at = parse_index(at, end, index, fractional);
        if (at == nullptr) return nullptr;
    }
    return parse_number(at, end, reflection.amplitude);
}

void parse_piece(Piece& piece) {
    const char* at = piece.text.data();
    const char* const end = at + piece.text.size();
    piece.reflections.reserve(static_cast<std::size_t>(std::count(at, end, '\n')) + 1);
    while (at != end) {
        ++piece.lines;
        const char* const begin = at;
        at = skip_blanks(at, end);
        if (at != end && !is_line_end(*at) && *at != '#') {
            Reflection reflection{};
            bool fractional = false;
            const char* const stop = parse_line(at, end, reflection, fractional);
            if (stop == nullptr) {
                piece.bad = piece.lines;
                piece.bad_line = quote(begin, line_end(begin, end));
                return;
            }
            if (fractional && piece.fractional++ == 0) {
                piece.first_fractional = piece.lines;
                piece.fractional_line = quote(begin, line_end(begin, end));
            }
            piece.reflections.push_back(reflection);
            at = stop;
        }
        at = line_end(at, end);
        if (at != end && *at == '\r' && at + 1 != end && at[1] == '\n') ++at;
        if (at != end) ++at;
    }
}

// Pieces of about equal size that end with a line.
std::vector<Piece> split(std::string_view text, std::size_t count) {
    std::vector<Piece> pieces(count);
    std::size_t begin = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t stop = i + 1 == count ? text.size() : std::max(begin, text.size() / count * (i + 1));
        const std::size_t newline = text.find('\n', stop);
        stop = newline == std::string_view::npos ? text.size() : newline + 1;
        pieces[i].text = text.substr(begin, stop - begin);
        begin = stop;
    }
    return pieces;
}

void parse_pieces(std::vector<Piece>& pieces) {
    const auto count = static_cast<std::int64_t>(pieces.size());
#pragma omp parallel for schedule(static, 1) if (count > 1)
    for (std::int64_t i = 0; i < count; ++i) {
        Piece& piece = pieces[static_cast<std::size_t>(i)];
        try {
            parse_piece(piece);
        } catch (const std::bad_alloc&) {
            piece.out_of_memory = true;
        }
    }
}

// The first line that is wrong, or the first of those that are doubtful.
void report(const std::vector<Piece>& pieces, StructureFactorGrid& grid) {
    std::size_t before = 0, fractional = 0;
    std::string first;
    for (const Piece& piece : pieces) {
        if (piece.out_of_memory) throw std::bad_alloc();
        if (piece.bad != 0) {
            throw InputError("line " + std::to_string(before + piece.bad) + ": found " + piece.bad_line +
                             ", expected h k l F (four numbers)");
        }
        if (piece.fractional != 0 && fractional == 0) {
            first = "line " + std::to_string(before + piece.first_fractional) + ": " + piece.fractional_line;
        }
        fractional += piece.fractional;
        before += piece.lines;
        grid.count += piece.reflections.size();
    }
    if (fractional != 0) {
        grid.warnings.push_back("Miller indices that are not whole numbers were rounded (" +
                                std::to_string(fractional) + (fractional == 1 ? " line, " : " lines, the first ") +
                                first + ")");
    }
}

// Indices that no crystal's reflections have come from columns that touch, or from another kind of file.
void check_indices(const std::vector<Piece>& pieces, const std::array<std::int64_t, 3>& likely) {
    for (const Piece& piece : pieces) {
        for (const Reflection& reflection : piece.reflections) {
            for (std::size_t axis = 0; axis < 3; ++axis) {
                if (likely[axis] == 0 || std::abs(std::int64_t{reflection.index[axis]}) <= likely[axis]) continue;
                const auto words = [](const auto& index) {
                    return std::to_string(index[0]) + " " + std::to_string(index[1]) + " " + std::to_string(index[2]);
                };
                throw InputError("found the reflection " + words(reflection.index) + ", expected indices up to " +
                                 words(likely) + " (do columns touch?)");
            }
        }
    }
}

void make_room(const std::vector<Piece>& pieces, const std::array<std::int64_t, 3>& likely, StructureFactorGrid& grid) {
    std::array<std::int64_t, 3> low, high;
    low.fill(std::numeric_limits<std::int64_t>::max());
    high.fill(std::numeric_limits<std::int64_t>::min());
    for (const Piece& piece : pieces) {
        for (const Reflection& reflection : piece.reflections) {
            for (std::size_t axis = 0; axis < 3; ++axis) {
                low[axis] = std::min<std::int64_t>(low[axis], reflection.index[axis]);
                high[axis] = std::max<std::int64_t>(high[axis], reflection.index[axis]);
            }
        }
    }
    double bytes = sizeof(double);
    std::string range;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        bytes *= static_cast<double>(high[axis] - low[axis] + 1);
        range += std::string(axis == 0 ? "" : ", ") + "hkl"[axis] + " from " + std::to_string(low[axis]) + " to " +
                 std::to_string(high[axis]);
        grid.shape[axis] = static_cast<std::size_t>(high[axis] - low[axis] + 1);
    }
    if (bytes > ordinary_grid_bytes) check_indices(pieces, likely);
    if (bytes > largest_grid_bytes) {
        throw InputError("found " + range + ", expected a range of Miller indices whose grid fits in 8 GiB");
    }
    grid.minimum = low;
    grid.values.reset(new double[grid.size()]);
}

}  // namespace

StructureFactorGrid parse_hkl(std::string_view text, double default_F, const std::array<std::int64_t, 3>& likely) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.substr(0, byte_order_mark.size()) == byte_order_mark) text.remove_prefix(byte_order_mark.size());
    constexpr std::size_t smallest_piece = 1 << 16;
    const auto threads = static_cast<std::size_t>(thread_count(0));
    std::vector<Piece> pieces = split(text, std::clamp<std::size_t>(text.size() / smallest_piece, 1, threads));
    parse_pieces(pieces);

    StructureFactorGrid grid;
    report(pieces, grid);
    if (grid.count == 0) throw InputError("found no reflection, expected lines h k l F");
    make_room(pieces, likely, grid);
    constexpr double hole = std::numeric_limits<double>::quiet_NaN();
    std::fill_n(grid.values.get(), grid.size(), hole);
    std::size_t repeated = 0;
    for (const Piece& piece : pieces) {  // in the order of the file: later duplicates win
        for (const Reflection& reflection : piece.reflections) {
            std::size_t offset = 0;
            for (std::size_t axis = 0; axis < 3; ++axis) {
                offset =
                    offset * grid.shape[axis] + static_cast<std::size_t>(reflection.index[axis] - grid.minimum[axis]);
            }
            double& value = grid.values[offset];
            repeated += !std::isnan(value) && value != reflection.amplitude;
            value = reflection.amplitude;
        }
    }
    std::replace_if(
        grid.values.get(), grid.values.get() + grid.size(), [](double f) { return std::isnan(f); }, default_F);
    if (repeated != 0) {
        grid.warnings.push_back("the last F counts of reflections that are repeated with another one (" +
                                std::to_string(repeated) + (repeated == 1 ? " line)" : " lines)"));
    }
    return grid;
}

}  // namespace nanobragg
