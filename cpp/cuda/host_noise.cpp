// Compiled with -ffp-contract=off (noise.hpp).
#include "host_device.hpp"
#include "noise.hpp"

namespace nanobragg::gpu {

void HostDevice::noise(const NoiseJob& job) {
    for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) draw_noise(job, pixel);
}

void HostDevice::count(const CountsJob& job) {
    for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) count_pixel(job, pixel);
}

}  // namespace nanobragg::gpu
