#include <algorithm>

#include "nanobragg/random.hpp"

namespace nanobragg {
namespace {

// First and one-past-last index of an inclusive range clipped to [0, size).
struct Span {
    std::size_t begin, end;
};

Span clip(std::int64_t first, std::int64_t last, std::size_t size) {
    const auto limit = static_cast<std::int64_t>(size);
    const std::int64_t begin = std::clamp<std::int64_t>(first, 0, limit);
    const std::int64_t end = last >= limit ? limit : std::max(last + 1, begin);
    return {static_cast<std::size_t>(begin), static_cast<std::size_t>(std::max(end, begin))};
}

}  // namespace

std::size_t Frame::pixels() const {
    std::size_t all = 0;
    for (const FramePanel& panel : panels) all += panel.slow * panel.fast;
    return all;
}

std::vector<FrameRow> Frame::rows() const {
    std::vector<FrameRow> rows;
    std::size_t start = 0;
    for (const FramePanel& panel : panels) {
        const Span slow = clip(panel.slow_first, panel.slow_last, panel.slow);
        const Span fast = clip(panel.fast_first, panel.fast_last, panel.fast);
        for (std::size_t s = 0; s < panel.slow; ++s) {
            const bool inside = s >= slow.begin && s < slow.end;
            rows.push_back({start, panel.fast, inside ? fast.begin : 0, inside ? fast.end : 0});
            start += panel.fast;
        }
    }
    return rows;
}

}  // namespace nanobragg
