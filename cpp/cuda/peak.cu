#include <cuda_runtime.h>

#include <cstddef>

#include "cuda_calls.cuh"
#include "peak.hpp"

namespace nanobragg::gpu {

// More than latency times units, as on the CPU (kernel.inl, peak); fewer than registers.
constexpr int kChains = 8, kRounds = 1024, kThreads = 256;

// Only a sum that cannot be is stored: nothing else keeps the compiler from leaving the work out.
template <class Real>
__global__ void __launch_bounds__(kThreads) peak_kernel(Real factor, Real term, Real never, Real* sink) {
    Real chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = (Real)(threadIdx.x + i);
#pragma unroll 16
    for (int round = 0; round < kRounds; ++round) {
#pragma unroll
        for (int i = 0; i < kChains; ++i) chain[i] = chain[i] * factor + term;
    }
    Real sum = 0;
    for (int i = 0; i < kChains; ++i) sum += chain[i];
    if (sum == never) *sink = sum;
}

namespace {

void check(cudaError_t status) { gpu::check(status, "measuring the device"); }

class Event {
  public:
    Event() { check(cudaEventCreate(&event_)); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { (void)cudaEventDestroy(event_); }
    void record() { check(cudaEventRecord(event_)); }
    double after(const Event& other) {
        check(cudaEventSynchronize(event_));
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, other.event_, event_));
        return 1e-3 * milliseconds;
    }

  private:
    cudaEvent_t event_{};
};

// How often a second `work` is done, once the clocks are up.
template <class Work>
double rate_of(double seconds, const Work& work) {
    Event begin, end;
    int times = 1;
    for (;;) {
        begin.record();
        for (int i = 0; i < times; ++i) work();
        end.record();
        check(cudaGetLastError());
        const double took = end.after(begin);
        if (took >= seconds) return times / took;
        times *= 2;
    }
}

template <class Real>
double fused_rate(int multiprocessors, double seconds, void* sink) {
    const int blocks = 16 * multiprocessors;
    const double each = (double)blocks * kThreads * kChains * kRounds;
    return each * rate_of(seconds, [&] {
               peak_kernel<Real><<<blocks, kThreads>>>((Real)0.999, (Real)0.001, (Real)-1, static_cast<Real*>(sink));
           });
}

}  // namespace

PeakRates peak_rates(int number, double seconds) {
    const Current current(number);
    int multiprocessors = 0;
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, number));
    constexpr std::size_t kBytes = std::size_t{1} << 29;  // far more than caches hold
    void* memory = nullptr;
    check(cudaMalloc(&memory, 2 * kBytes));
    PeakRates out;
    try {
        out.fused_double = fused_rate<double>(multiprocessors, seconds, memory);
        out.fused_single = fused_rate<float>(multiprocessors, seconds, memory);
        char* const to = static_cast<char*>(memory) + kBytes;
        out.copied = 2.0 * static_cast<double>(kBytes) *
                     rate_of(seconds, [&] { check(cudaMemcpyAsync(to, memory, kBytes, cudaMemcpyDeviceToDevice)); });
    } catch (...) {
        (void)cudaFree(memory);
        throw;
    }
    check(cudaFree(memory));
    return out;
}

}  // namespace nanobragg::gpu
