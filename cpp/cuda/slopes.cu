#include "kernels.cuh"
#include "slope_work.hpp"

namespace nanobragg::gpu {

struct SlopeTeam {
    static constexpr int size = kSlopeChunk;
    int index;
    __device__ void sync() const { __syncthreads(); }
};

// How many blocks share a multiprocessor: more would leave too few registers to a thread.
constexpr int slope_blocks(Lookup lookup) { return lookup == Lookup::tricubic ? 2 : 4; }

// Blocks along y take further columns.
template <Lookup lookup>
__global__ void __launch_bounds__(kSlopeChunk, slope_blocks(lookup))
    forward_kernel(const __grid_constant__ ForwardJob job) {
    slopes::forward_pixel<lookup>(job, (int64_t)blockIdx.x, (int)threadIdx.x, (int64_t)blockIdx.y * kColumns);
}

template <Lookup lookup>
__global__ void __launch_bounds__(kSlopeChunk, slope_blocks(lookup))
    backward_kernel(const __grid_constant__ BackwardJob job) {
    __shared__ SlopeShared shared;
    slopes::BackwardTeam<SlopeTeam>(job, (int64_t)blockIdx.x, SlopeTeam{(int)threadIdx.x}).template run<lookup>(shared);
}

__global__ void __launch_bounds__(kSlopeChunk) sums_kernel(const __grid_constant__ SumJob job) {
    __shared__ SlopeShared shared;
    slopes::add_parts(job, (int64_t)blockIdx.x, shared, SlopeTeam{(int)threadIdx.x});
}

void launch_forward(Lookup lookup, const ForwardJob& job) {
    const int64_t parts = (job.column_count + kColumns - 1) / kColumns;
    const dim3 blocks((unsigned)job.task_count, (unsigned)(parts > 0 ? parts : 1));  // of no columns, the image
    slopes::with_lookup(lookup,
                        [&](auto chosen) { forward_kernel<decltype(chosen)::value><<<blocks, kSlopeChunk>>>(job); });
}

void launch_backward(Lookup lookup, const BackwardJob& job) {
    slopes::with_lookup(lookup, [&](auto chosen) {
        backward_kernel<decltype(chosen)::value><<<(unsigned)job.teams, kSlopeChunk>>>(job);
    });
}

void launch_sums(const SumJob& job) {
    if (job.count > 0) sums_kernel<<<(unsigned)job.count, kSlopeChunk>>>(job);
}

}  // namespace nanobragg::gpu
