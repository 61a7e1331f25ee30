#include <algorithm>
#include <cmath>
#include <limits>

#include "nanobragg/amorphous.hpp"
#include "nanobragg/error.hpp"

namespace nanobragg {

Profile::Profile(const std::vector<double>& stol, const std::vector<double>& amplitude, bool hold) : held(hold) {
    const std::size_t given = stol.size();
    if (given == 0 || amplitude.size() != given) throw InputError("profile: expected at least one point");
    constexpr double far = 1e98, farther = 1e99;
    double low = std::numeric_limits<double>::quiet_NaN(), high = low;
    for (const double value : amplitude) {
        if (std::isnan(value)) continue;
        if (std::isnan(low)) low = value;
        high = value;
    }
    x = {-farther, -far};
    f = {low, low};
    for (std::size_t i = 0; i < given; ++i) {
        x.push_back(stol[i]);
        f.push_back(std::isnan(amplitude[i]) ? 0.0 : amplitude[i]);
    }
    x.insert(x.end(), {far, farther});
    f.insert(f.end(), {high, high});

    in_order_ = std::is_sorted(x.begin(), x.end()) &&
                std::none_of(x.begin(), x.end(), [](double value) { return std::isnan(value); });
    points = x.size();
    constexpr std::size_t behind = 4;
    x.resize(points + behind, std::numeric_limits<double>::quiet_NaN());
    f.resize(points + behind, std::numeric_limits<double>::quiet_NaN());
    for (auto& products : denominator) products.assign(x.size(), 1.0);
    for (std::size_t k = 1; k + 2 < points; ++k) {
        const double* p = &x[k - 1];
        denominator[0][k] = (p[0] - p[1]) * (p[0] - p[2]) * (p[0] - p[3]);
        denominator[1][k] = (p[1] - p[0]) * (p[1] - p[2]) * (p[1] - p[3]);
        denominator[2][k] = (p[2] - p[0]) * (p[2] - p[1]) * (p[2] - p[3]);
        denominator[3][k] = (p[3] - p[0]) * (p[3] - p[1]) * (p[3] - p[2]);
    }
    lowest = x[2];
    highest = x[points - 3];
    if (in_order_) make_cells();
}

void Profile::make_cells() {
    const std::size_t begin = 2, end = points - 2;
    constexpr std::size_t most = 1 << 16;
    const std::size_t cells = std::min(most, 4 * (end - begin));
    cell_origin = x[begin];
    const double width = x[end - 1] - x[begin];
    cells_per_unit = width > 0.0 ? static_cast<double>(cells) / width : 0.0;
    if (!std::isfinite(cells_per_unit)) cells_per_unit = 0.0;
    std::vector<std::int32_t> count(cells, 0);
    for (std::size_t k = begin; k < end; ++k) {
        const double cell = (x[k] - cell_origin) * cells_per_unit;
        ++count[static_cast<std::size_t>(std::clamp(cell, 0.0, static_cast<double>(cells - 1)))];
    }
    first.resize(cells);
    std::int32_t below = 1;  // the far point in front
    for (std::size_t cell = 0; cell < cells; ++cell) {
        first[cell] = below;
        below += count[cell];
    }
    constexpr int worthwhile = 4;
    const int largest = *std::max_element(count.begin(), count.end());
    steps = largest <= worthwhile ? largest : 0;
}

std::size_t search_from(const Profile& profile, std::size_t point, double stol) {
    const double* x = profile.x.data();
    while (stol > x[point] && point <= profile.points) ++point;
    while (stol < x[point] && point >= 2) --point;
    return point;
}

BinnedProfile binned_profile(const float* amplitude, const std::int32_t* bin, std::size_t pixels,
                             const std::vector<std::int64_t>& count) {
    const std::size_t bins = count.size();
    std::vector<std::size_t> next(bins, 1);
    for (std::size_t b = 1; b < bins; ++b) next[b] = next[b - 1] + 2 * static_cast<std::size_t>(count[b - 1]) + 2;
    // Bin 0 takes all pixels that do not count, however little room it has.
    const std::size_t size = next.back() + pixels + 2 * static_cast<std::size_t>(count.back()) + 2;
    std::vector<float> block(size, 0.0F);
    const std::vector<std::size_t> start = next;
    for (std::size_t j = 0; j < pixels; ++j) block[next[static_cast<std::size_t>(bin[j])]++] = amplitude[j];

    BinnedProfile out{std::vector<float>(bins, 0.0F), std::vector<float>(bins, 0.0F), {}};
    for (std::size_t b = 0; b < bins; ++b) {
        const float* values = block.data() + start[b];
        const auto n = static_cast<std::size_t>(count[b]);
        if (n == 0) continue;
        out.values.insert(out.values.end(), values, values + n);
        float sum = 0, squares = 0;
        for (std::size_t i = 0; i < n; ++i) sum += values[i];
        const float mean = sum / static_cast<float>(n);
        for (std::size_t i = 0; i < n; ++i) {
            const float deviation = std::fabs(values[i] - mean);
            squares += deviation * deviation;
        }
        out.mean[b] = mean;
        out.deviation[b] = static_cast<float>(std::sqrt(static_cast<double>(squares / static_cast<float>(n))));
    }
    return out;
}

}  // namespace nanobragg
