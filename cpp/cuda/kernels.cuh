// The work of thread_work.hpp as CUDA kernels. Each precision is compiled by a file of its own.
#pragma once

#include "device.hpp"

namespace nanobragg::gpu {

struct DeviceTeam {
    int index, size;
    __device__ void sync() const { __syncthreads(); }
};

// One launch: blocks along x take pixels, blocks along y take slices of the sums. Errors show up in cudaGetLastError.
void launch_double(Instance instance, const StreamScene& scene, const Job& job);
void launch_mixed(Instance instance, const StreamScene& scene, const Job& job);
void launch_noise(const NoiseJob& job);
void launch_counts(const CountsJob& job);
void launch_spread(const SpreadJob& job);
void launch_forward(Lookup lookup, const ForwardJob& job);
void launch_backward(Lookup lookup, const BackwardJob& job);
void launch_sums(const SumJob& job);

// How many teams share a multiprocessor. Four leave 128 registers to a thread; tricubic loops need more, and those that
// wait for structure factors do with less: on an H100, six take 3 to 5 % less time there, and up to 7 % more elsewhere.
constexpr int teams_for(Lookup lookup) { return lookup == Lookup::tricubic ? 2 : lookup == Lookup::nearest ? 6 : 4; }

template <class Real, class Lattice, Lookup lookup>
__global__ void __launch_bounds__(kMostThreads, teams_for(lookup))
    accumulate_kernel(const __grid_constant__ StreamScene scene, const __grid_constant__ Job job) {
    __shared__ Shared shared;
    accumulate<Real, Lattice, lookup>(scene, job, (int64_t)blockIdx.x, (int64_t)blockIdx.y, shared,
                                      DeviceTeam{(int)threadIdx.x, (int)blockDim.x});
}

template <class Real>
void launch(Instance instance, const StreamScene& scene, const Job& job) {
    const int64_t each = (int64_t)kPixels * kMostThreads;
    const dim3 blocks((unsigned)((job.pixel_count + each - 1) / each),
                      (unsigned)(job.ray_slices * job.orientation_slices));
    with_lookup<Real>(instance, [&](auto, auto lattice, auto lookup) {
        accumulate_kernel<Real, decltype(lattice), decltype(lookup)::value><<<blocks, kMostThreads>>>(scene, job);
    });
}

}  // namespace nanobragg::gpu
