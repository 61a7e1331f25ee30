// The emulator itself: kernels that are sound give what the host computes, and each planted fault is found. What it
// would let pass, no test of the GPU's kernels would find without a GPU.
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "samples.cuh"

namespace {

// Memory of the device; what is not given is never written.
template <class T>
class DeviceArray {
  public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        REQUIRE(cudaMalloc(reinterpret_cast<void**>(&memory_), count * sizeof(T)) == cudaSuccess);
    }
    explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
        REQUIRE(cudaMemcpy(memory_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
    }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;
    ~DeviceArray() { cudaFree(memory_); }

    T* get() const { return memory_; }
    std::vector<T> values() const {
        std::vector<T> out(count_);
        REQUIRE(cudaMemcpy(out.data(), memory_, count_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
        return out;
    }

  private:
    std::size_t count_;
    T* memory_ = nullptr;
};

// What waiting for a sample says; "" if all is well.
std::string complaint(Sample sample) {
    constexpr int blocks = 3;
    std::string said;
    {
        const DeviceArray<double> in(std::vector<double>(blocks * kTeam, 1.5)), out(blocks * kTeam);
        launch_sample(sample, blocks, in.get(), out.get());
        REQUIRE(cudaGetLastError() == cudaSuccess);
        const cudaError_t status = cudaDeviceSynchronize();
        if (status != cudaSuccess) said = cudaGetErrorString(status);
    }
    cudaDeviceReset();
    (void)cudaGetLastError();
    return said;
}

}  // namespace

TEST_CASE("sums through shared memory are right") {
    constexpr int blocks = 5;
    std::vector<double> in(blocks * kTeam), expected(blocks);
    for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<double>(i * i);
        expected[i / kTeam] += in[i];
    }
    const DeviceArray<double> from(in), to(blocks);
    launch_sample(Sample::sums, blocks, from.get(), to.get());
    CHECK(to.values() == expected);
}

TEST_CASE("arithmetic has the host's bits") {
    std::mt19937_64 random(1);
    std::vector<Operands> in(20 * kTeam);
    for (Operands& of : in) {
        const int small = static_cast<int>(random() % 64);
        of.x = static_cast<double>(static_cast<std::int64_t>(random())) / 4e15;
        of.y = static_cast<double>(static_cast<std::int64_t>(random())) / 3e14;
        of.i = static_cast<std::int64_t>(random()) >> small;
        of.j = static_cast<std::int64_t>(random()) >> (63 - small);
        if (of.j == 0 || of.j == -1) of.j = 7;
    }
    const DeviceArray<Operands> from(in);
    const DeviceArray<Results> to(in.size());
    launch_arithmetic(static_cast<int>(in.size()) / kTeam, from.get(), to.get());
    const std::vector<Results> got = to.values();
    for (std::size_t n = 0; n < in.size(); ++n) {
        Results expected{};
        compute(in[n], expected);
        CAPTURE(n);
        for (int k = 0; k < kResults; ++k) {
            CAPTURE(k);
            CHECK(got[n].bits[k] == expected.bits[k]);
        }
    }
}

TEST_CASE("faults are found and told") {
    const std::pair<Sample, const char*> faulty[] = {
        {Sample::loads_beyond, "an access outside of all memory"},
        {Sample::stores_beyond, "an access outside of all memory"},
        {Sample::loads_beyond_shared, "a load outside of the memory"},
        {Sample::loads_unwritten, "a load of what was never written"},
        {Sample::loads_misaligned, "an access that is not aligned"},
        {Sample::loads_unwritten_shared, "a load of what was never written"},
        {Sample::forgets_a_barrier, "a load of what another thread just wrote"},
        {Sample::forgets_another_barrier, "a store to what another thread just read"},
        {Sample::stores_to_one_place, "a store to what another thread just wrote"},
        {Sample::loads_what_another_block_stores, "a load of what another thread just wrote"},
        {Sample::leaves_some_waiting, "a barrier that some threads do not come to"},
        {Sample::waits_in_two_places, "two barriers at once"},
    };
    CHECK(complaint(Sample::sums) == "");
    for (const auto& [sample, expected] : faulty) {
        const std::string said = complaint(sample);
        CHECK_MESSAGE(said.find(expected) != std::string::npos, "expected ", std::string(expected), ", found '", said,
                      "'");
    }
}

TEST_CASE("a launch is done when it is waited for, and after a fault nothing is") {
    const DeviceArray<double> in(std::vector<double>(kTeam, 1.0)), out(kTeam), other(kTeam);
    launch_sample(Sample::loads_beyond, 1, in.get(), out.get());
    CHECK(cudaGetLastError() == cudaSuccess);  // nobody has waited
    launch_sample(Sample::sums, 1, in.get(), other.get());
    double value = 0;
    CHECK(cudaMemcpy(&value, other.get(), sizeof value, cudaMemcpyDeviceToHost) == cudaErrorLaunchFailure);
    CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    cudaDeviceReset();
    (void)cudaGetLastError();
}

TEST_CASE("copies, launches and memory that are not possible are refused") {
    const DeviceArray<double> in(std::vector<double>(kTeam, 1.0)), unwritten(kTeam);
    std::vector<double> room(2 * kTeam);
    CHECK(cudaMemcpy(room.data(), in.get(), (kTeam + 1) * sizeof(double), cudaMemcpyDeviceToHost) ==
          cudaErrorInvalidValue);
    CHECK(cudaMemcpy(room.data(), unwritten.get(), sizeof(double), cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
    CHECK(cudaFree(room.data()) == cudaErrorInvalidValue);
    launch_sample(Sample::sums, 0, in.get(), unwritten.get());
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    void* all = nullptr;
    CHECK(cudaMalloc(&all, std::size_t{1} << 40) == cudaErrorMemoryAllocation);
    (void)cudaGetLastError();
}
