// Compiled with -fmad=false (spread.hpp).
#include "kernels.cuh"
#include "spread.hpp"

namespace nanobragg::gpu {

// Blocks along y take every so many rows: there may be more of these than of blocks.
template <class Work>
__device__ void every_row(const SpreadJob& job, Work work) {
    const std::uint32_t x = blockIdx.x * blockDim.x + threadIdx.x;
    if (x >= job.wide) return;
    for (std::uint32_t y = blockIdx.y; y < job.high; y += gridDim.y) work(x, y);
}

__global__ void __launch_bounds__(kMostThreads) spread_kernel(const __grid_constant__ SpreadJob job) {
    every_row(job, [&](std::uint32_t x, std::uint32_t y) { spread_pixel(job, x, y); });
}

template <int radix>
__global__ void __launch_bounds__(kMostThreads) transform_kernel(const __grid_constant__ SpreadJob job) {
    every_row(job, [&](std::uint32_t x, std::uint32_t y) { transform_at<radix>(job, x, y); });
}

void launch_spread(const SpreadJob& job) {
    constexpr std::uint32_t most_rows = 65535;
    const dim3 blocks((job.wide + kMostThreads - 1) / kMostThreads, job.high < most_rows ? job.high : most_rows);
    if (job.step != SpreadStep::transform) {
        spread_kernel<<<blocks, kMostThreads>>>(job);
        return;
    }
    with_radix(job.pass.radix,
               [&](auto radix) { transform_kernel<decltype(radix)::value><<<blocks, kMostThreads>>>(job); });
}

}  // namespace nanobragg::gpu
