// Compiled with -fmad=false (noise.hpp).
#include "kernels.cuh"
#include "noise.hpp"

namespace nanobragg::gpu {

__global__ void __launch_bounds__(kMostThreads) noise_kernel(const __grid_constant__ NoiseJob job) {
    const std::int64_t pixel = (std::int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel < job.pixels) draw_noise(job, pixel);
}

void launch_noise(const NoiseJob& job) {
    noise_kernel<<<(unsigned)((job.pixels + kMostThreads - 1) / kMostThreads), kMostThreads>>>(job);
}

__global__ void __launch_bounds__(kMostThreads) counts_kernel(const __grid_constant__ CountsJob job) {
    const std::int64_t pixel = (std::int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel < job.pixels) count_pixel(job, pixel);
}

void launch_counts(const CountsJob& job) {
    counts_kernel<<<(unsigned)((job.pixels + kMostThreads - 1) / kMostThreads), kMostThreads>>>(job);
}

}  // namespace nanobragg::gpu
