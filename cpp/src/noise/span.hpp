// The part of a range that lies in an image.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace nanobragg {

// First and one-past-last index of an inclusive range clipped to [0, size).
struct Span {
    std::size_t begin, end;
};
inline Span clip(std::int64_t first, std::int64_t last, std::size_t size) {
    const auto limit = static_cast<std::int64_t>(size);
    const std::int64_t begin = std::clamp<std::int64_t>(first, 0, limit);
    const std::int64_t end = last >= limit ? limit : std::max(last + 1, begin);
    return {static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(end, begin))};
}

}  // namespace nanobragg
