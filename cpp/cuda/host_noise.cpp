// Compiled with -ffp-contract=off (noise.hpp).
#include "host_device.hpp"
#include "noise.hpp"
#include "spread.hpp"

namespace nanobragg::gpu {

void HostDevice::noise(const NoiseJob& job) {
    for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) draw_noise(job, pixel);
}

void HostDevice::count(const CountsJob& job) {
    for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) count_pixel(job, pixel);
}

void HostDevice::spread(const SpreadJob& job) {
    const auto each = [&](auto work) {
        for (std::uint32_t y = 0; y < job.high; ++y) {
            for (std::uint32_t x = 0; x < job.wide; ++x) work(x, y);
        }
    };
    if (job.step != SpreadStep::transform) return each([&](auto x, auto y) { spread_pixel(job, x, y); });
    with_radix(job.pass.radix,
               [&](auto radix) { each([&](auto x, auto y) { transform_at<decltype(radix)::value>(job, x, y); }); });
}

}  // namespace nanobragg::gpu
