#include "plan/fans.hpp"

#include <algorithm>

namespace nanobragg {
namespace {

constexpr std::int64_t kMostInFans = 200'000;
constexpr std::size_t kFewestInFan = 3;  // beams of one wavelength that are worth sharing it

}  // namespace

std::vector<KernelSource> ordered_by_wavelength(const std::vector<KernelSource>& sources, std::int64_t kept) {
    if (kept > kMostInFans) return {};
    std::vector<KernelSource> ordered = sources;
    std::sort(ordered.begin(), ordered.end(),
              [](const KernelSource& a, const KernelSource& b) { return a.inverse_wavelength < b.inverse_wavelength; });
    std::size_t wavelengths = 1;
    for (std::size_t i = 1; i < ordered.size(); ++i) {
        wavelengths += ordered[i].inverse_wavelength != ordered[i - 1].inverse_wavelength;
    }
    return ordered.size() < kFewestInFan * wavelengths ? std::vector<KernelSource>() : ordered;
}

}  // namespace nanobragg
