#include "samples.cuh"

namespace {

__device__ int neighbour() { return (threadIdx.x + 1) % kTeam; }

}  // namespace

template <Sample sample>
__global__ void __launch_bounds__(kTeam) sample_kernel(const double* in, double* out) {
    __shared__ double shared[kTeam];
    const int thread = threadIdx.x, place = blockIdx.x * kTeam + thread, last = gridDim.x * kTeam - 1;
    if constexpr (sample == Sample::sums) {
        shared[thread] = in[place];
        for (int width = kTeam / 2; width > 0; width /= 2) {
            __syncthreads();
            if (thread < width) shared[thread] += shared[thread + width];
        }
        if (thread == 0) out[blockIdx.x] = shared[0];
    }
    if constexpr (sample == Sample::loads_beyond) out[place] = in[place + 1];
    if constexpr (sample == Sample::stores_beyond) out[place + 1] = in[place];
    if constexpr (sample == Sample::loads_beyond_shared) {
        shared[thread] = in[place];
        __syncthreads();
        out[place] = shared[place];  // the first block's only
    }
    if constexpr (sample == Sample::loads_unwritten) out[place] += in[place];
    if constexpr (sample == Sample::loads_misaligned) {
        out[place] = *reinterpret_cast<const double*>(reinterpret_cast<const char*>(in) + 4);
    }
    if constexpr (sample == Sample::loads_a_misaligned_pair) {
        const double2 pair = *reinterpret_cast<const double2*>(in + 1);
        out[place] = pair.x + pair.y;
    }
    if constexpr (sample == Sample::loads_half_written) {
        reinterpret_cast<float*>(out)[2 * place] = 1;
        out[place] += 1;
    }
    if constexpr (sample == Sample::stores_beyond_local) {
        double local[4] = {};
        local[4 * static_cast<int>(in[place])] = 1;
        out[place] = local[static_cast<int>(in[place])];
    }
    if constexpr (sample == Sample::loads_unwritten_local) {
        double local[4];
        local[static_cast<int>(in[place])] = 1;
        out[place] = local[2 * static_cast<int>(in[place])];
    }
    if constexpr (sample == Sample::loads_what_it_stored_as_constant) {
        out[place] = in[place];
        __syncthreads();
        out[place] = 2 * __ldg(out + place);
    }
    if constexpr (sample == Sample::loads_unwritten_shared) {
        if (thread % 2 == 0) shared[thread] = in[place];
        __syncthreads();
        out[place] = shared[neighbour()];
    }
    if constexpr (sample == Sample::forgets_a_barrier) {
        shared[thread] = 0;
        __syncthreads();
        shared[thread] = in[place];
        out[place] = shared[neighbour()];
    }
    if constexpr (sample == Sample::forgets_another_barrier) {
        shared[thread] = in[place];
        __syncthreads();
        out[place] = shared[neighbour()];
        if (thread == 0) shared[kTeam / 2] = 1;
    }
    if constexpr (sample == Sample::stores_to_one_place) out[0] = in[place];
    if constexpr (sample == Sample::loads_what_another_block_stores) {
        out[place] = in[place];
        __syncthreads();
        if (place == 0) out[0] = out[last];
    }
    if constexpr (sample == Sample::adds_to_one_place) atomicAdd(out, in[place]);
    if constexpr (sample == Sample::loads_what_others_add_to) {
        out[place] = 0;
        if (thread == 0) out[place] = atomicAdd(out + place, in[place]) + out[place];
    }
    if constexpr (sample == Sample::stores_to_what_others_add_to) {
        double* first = const_cast<double*>(in);
        thread == 0 ? (void)atomicAdd(first, 1.0) : (void)(*first = 1);
    }
    if constexpr (sample == Sample::adds_to_what_others_load) {
        double* first = const_cast<double*>(in);
        thread == 0 ? (void)(out[place] = *first) : (void)atomicAdd(first, 1.0);
    }
    if constexpr (sample == Sample::leaves_some_waiting) {
        if (thread < kTeam / 2) __syncthreads();
        out[place] = in[place];
    }
    if constexpr (sample == Sample::waits_in_two_places) {
        if (thread < kTeam / 2) {
            shared[thread] = in[place];
            __syncthreads();
            out[place] = shared[thread];
        } else {
            shared[thread] = 2 * in[place];
            __syncthreads();
            out[place] = shared[thread] + 1;
        }
    }
}

__global__ void __launch_bounds__(kTeam) arithmetic_kernel(const Operands* in, Results* out) {
    const int place = blockIdx.x * kTeam + threadIdx.x;
    const Operands of = in[place];
    Results results;
    compute(of, results);
    out[place] = results;
}

void launch_arithmetic(int blocks, const Operands* in, Results* out) { arithmetic_kernel<<<blocks, kTeam>>>(in, out); }

void launch_sample(Sample sample, int blocks, const double* in, double* out) {
    switch (sample) {
#define NANOBRAGG_SAMPLE(name)                                   \
    case Sample::name:                                           \
        sample_kernel<Sample::name><<<blocks, kTeam>>>(in, out); \
        break;
        NANOBRAGG_SAMPLE(sums)
        NANOBRAGG_SAMPLE(loads_beyond)
        NANOBRAGG_SAMPLE(stores_beyond)
        NANOBRAGG_SAMPLE(loads_beyond_shared)
        NANOBRAGG_SAMPLE(loads_unwritten)
        NANOBRAGG_SAMPLE(loads_misaligned)
        NANOBRAGG_SAMPLE(loads_a_misaligned_pair)
        NANOBRAGG_SAMPLE(loads_half_written)
        NANOBRAGG_SAMPLE(stores_beyond_local)
        NANOBRAGG_SAMPLE(loads_unwritten_local)
        NANOBRAGG_SAMPLE(loads_what_it_stored_as_constant)
        NANOBRAGG_SAMPLE(loads_unwritten_shared)
        NANOBRAGG_SAMPLE(forgets_a_barrier)
        NANOBRAGG_SAMPLE(forgets_another_barrier)
        NANOBRAGG_SAMPLE(stores_to_one_place)
        NANOBRAGG_SAMPLE(loads_what_another_block_stores)
        NANOBRAGG_SAMPLE(adds_to_one_place)
        NANOBRAGG_SAMPLE(loads_what_others_add_to)
        NANOBRAGG_SAMPLE(stores_to_what_others_add_to)
        NANOBRAGG_SAMPLE(adds_to_what_others_load)
        NANOBRAGG_SAMPLE(leaves_some_waiting)
        NANOBRAGG_SAMPLE(waits_in_two_places)
#undef NANOBRAGG_SAMPLE
    }
}
