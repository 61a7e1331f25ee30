// The emulator itself: kernels that are sound give what the host computes, and each planted fault is found. What it
// would let pass, no test of the GPU's kernels would find without a GPU.
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cuda_device.hpp"
#include "emulator.hpp"
#include "samples.cuh"

using namespace emulator;

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

TEST_CASE("what many threads add to one place is all there") {
    const std::vector<double> in{3, 4};
    const DeviceArray<double> from(std::vector<double>(5 * kTeam, 1.5)), to(in);
    launch_sample(Sample::adds_to_one_place, 5, from.get(), to.get());
    CHECK(to.values() == std::vector<double>{3 + 1.5 * 5 * kTeam, 4});
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
        {Sample::loads_a_misaligned_pair, "an access that is not aligned"},
        {Sample::loads_half_written, "a load of what was never written"},
        {Sample::stores_beyond_local, "an access outside of all local memory"},
        {Sample::loads_unwritten_local, "a load of what was never written"},
        {Sample::loads_what_it_stored_as_constant, "a load of what was just written, as of a constant"},
        {Sample::loads_unwritten_shared, "a load of what was never written"},
        {Sample::forgets_a_barrier, "a load of what another thread just wrote"},
        {Sample::forgets_another_barrier, "a store to what another thread just read"},
        {Sample::stores_to_one_place, "a store to what another thread just wrote"},
        {Sample::loads_what_another_block_stores, "a load of what another thread just wrote"},
        {Sample::loads_what_others_add_to, "a load of what another thread just wrote"},
        {Sample::stores_to_what_others_add_to, "a store to what another thread just wrote"},
        {Sample::adds_to_what_others_load, "a sum with what another thread just read"},
        {Sample::adds_to_one_place, "a sum with what was never written"},
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

TEST_CASE("a load that begins inside of an allocation and ends outside is a fault") {
    std::string said;
    {
        const DeviceArray<float> in(std::vector<float>(3, 1.0f));
        const DeviceArray<double> out(1);
        launch_sample(Sample::sums, 1, reinterpret_cast<const double*>(in.get()), out.get());
        CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
        said = cudaGetErrorString(cudaErrorLaunchFailure);
    }
    CHECK(said.find("a load outside of the memory") != std::string::npos);
    cudaDeviceReset();
}

TEST_CASE("a launch is done when it is waited for, and after a fault nothing is") {
    {
        const DeviceArray<double> in(std::vector<double>(kTeam, 1.0)), out(kTeam), other(kTeam);
        launch_sample(Sample::loads_beyond, 1, in.get(), out.get());
        CHECK(cudaGetLastError() == cudaSuccess);  // nobody has waited
        launch_sample(Sample::sums, 1, in.get(), other.get());
        double value = 0;
        CHECK(cudaMemcpy(&value, other.get(), sizeof value, cudaMemcpyDeviceToHost) == cudaErrorLaunchFailure);
        CHECK(value == 0);
        CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
        CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
        CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
        CHECK(cudaMemsetAsync(other.get(), 0, sizeof value) == cudaErrorLaunchFailure);
        void* memory = nullptr;
        CHECK(cudaMalloc(&memory, 8) == cudaErrorLaunchFailure);
    }
    cudaDeviceReset();
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(complaint(Sample::sums) == "");
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

TEST_CASE("memory of another device is out of reach") {
    cudaDeviceReset();
    const std::shared_ptr<nanobragg::gpu::Device> device = nanobragg::gpu::cuda_device(1);
    {
        const std::vector<double> values(kTeam, 1.0);
        const nanobragg::gpu::Buffer there(device, kTeam * sizeof(double));
        device->upload(there.as<void>(), values.data(), there.bytes());
        const DeviceArray<double> out(1);
        double value = 0;
        CHECK(cudaMemcpy(&value, there.as<void>(), sizeof value, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
        launch_sample(Sample::sums, 1, there.as<double>(), out.get());
        CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
        CHECK(std::string(cudaGetErrorString(cudaErrorLaunchFailure)).find("another device's memory") !=
              std::string::npos);
    }
    cudaDeviceReset();
}

TEST_CASE("a renderer's device is used without a context on the first one, and other libraries keep theirs") {
    cudaDeviceReset();
    const auto work = [] {
        const std::shared_ptr<nanobragg::gpu::Device> device = nanobragg::gpu::cuda_device(1);
        std::vector<double> values(100, 2.0), back(100);
        const nanobragg::gpu::Buffer buffer(device, 100 * sizeof(double));
        device->upload(buffer.as<void>(), values.data(), buffer.bytes());
        device->wait();
        device->download(back.data(), buffer.as<void>(), buffer.bytes());
        CHECK(back == values);
    };
    work();
    CHECK(current_device() == -1);
    CHECK(has_context(1));
    CHECK_FALSE(has_context(0));
    const DeviceArray<double> other(1);  // somebody else's, on the first device
    CHECK(current_device() == 0);
    work();
    CHECK(current_device() == 0);
}

// What PTX says of the numbers that arithmetic on the host leaves open, or does otherwise.

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();

TEST_CASE("comparisons with NaN: only those that say so are true") {
    for (const double x : {kNan, 1.0}) {
        const double y = kNan;
        CHECK_FALSE(is_eq(x, y));
        CHECK_FALSE(is_ne(x, y));
        CHECK_FALSE(is_lt(x, y));
        CHECK_FALSE(is_le(x, y));
        CHECK_FALSE(is_gt(y, x));
        CHECK_FALSE(is_ge(y, x));
        CHECK_FALSE(is_num(x, y));
        CHECK(is_equ(x, y));
        CHECK(is_neu(x, y));
        CHECK(is_ltu(x, y));
        CHECK(is_leu(x, y));
        CHECK(is_gtu(y, x));
        CHECK(is_geu(y, x));
        CHECK(is_nan(x, y));
    }
    CHECK(is_num(1.0, kInf));
    CHECK(is_equ(0.0, -0.0));
    CHECK_FALSE(is_neu(2.0, 2.0));
    CHECK(is_ltu(1.0, 2.0));
    CHECK_FALSE(is_ltu(2.0, 2.0));
    CHECK(is_leu(2.0, 2.0));
    CHECK_FALSE(is_gtu(2.0, 2.0));
    CHECK(is_geu(2.0, 2.0));
    CHECK(is_hi(0xffffffffu, 1u));
    CHECK(is_lt(-1, 1));
}

TEST_CASE("numbers beyond an integer's range become its end, and NaN what the sizes say") {
    CHECK(convert<std::int32_t>(3e9) == std::numeric_limits<std::int32_t>::max());
    CHECK(convert<std::int32_t>(-kInf) == kLeast);
    CHECK(convert<std::uint32_t>(-1.0) == 0);
    CHECK(convert<std::int64_t>(1e19) == std::numeric_limits<std::int64_t>::max());
    CHECK(convert<std::int32_t>(kNan) == kLeast);
    CHECK(convert<std::int64_t>(static_cast<float>(kNan)) == std::numeric_limits<std::int64_t>::min());
    CHECK(convert<std::int32_t>(static_cast<float>(kNan)) == 0);
    CHECK(convert<std::int32_t>(-7.0) == -7);
    CHECK(convert<double>(std::int64_t{-5}) == -5.0);
    CHECK(convert<std::int64_t>(std::int32_t{-5}) == -5);
}

TEST_CASE("the smaller and the larger of a number and NaN is the number") {
    CHECK(do_min(kNan, 1.0) == 1.0);
    CHECK(do_max(1.0, kNan) == 1.0);
    CHECK(do_max(1.0, 2.0) == 2.0);
    CHECK(do_min<std::int32_t>(-1, 1) == -1);
    CHECK(do_max<std::uint32_t>(0xffffffffu, 1) == 0xffffffffu);
    CHECK(do_abs(-0.0) == 0.0);
    CHECK_FALSE(std::signbit(do_abs(-0.0)));
    CHECK(do_abs(kLeast) == kLeast);
    CHECK(do_neg(kLeast) == kLeast);
}

TEST_CASE("shifts by a word's size or more leave nothing but its sign") {
    CHECK(shl<std::uint32_t>(1, 31) == 0x80000000u);
    CHECK(shl<std::uint32_t>(1, 32) == 0);
    CHECK(shl<std::uint64_t>(1, 200) == 0);
    CHECK(shr<std::uint32_t>(0x80000000u, 31) == 1);
    CHECK(shr<std::uint32_t>(0x80000000u, 32) == 0);
    CHECK(shr<std::int32_t>(kLeast, 31) == -1);
    CHECK(shr<std::int32_t>(kLeast, 200) == -1);
    CHECK(shr<std::int64_t>(5, 64) == 0);
    CHECK(do_shf_l_wrap<std::uint32_t>(0x80000001u, 0x12345678u, 4) == 0x23456788u);
    CHECK(do_shf_l_wrap<std::uint32_t>(1, 2, 32) == 2);
    CHECK(do_shf_r_wrap<std::uint32_t>(0x80000001u, 0x12345678u, 4) == 0x88000000u);
    CHECK(do_shf_r_wrap<std::uint32_t>(1, 2, 32) == 1);
}

TEST_CASE("bits are counted, and words carry and borrow") {
    CHECK(clz<std::uint32_t>(0) == 32);
    CHECK(clz<std::uint64_t>(1) == 63);
    CHECK(clz<std::uint32_t>(0x80000000u) == 0);
    CHECK(popc<std::uint64_t>(0xf0f0000000000001u) == 9);
    CHECK(do_mul_hi<std::int32_t>(-2, 3) == -1);
    CHECK(do_mul_hi<std::uint64_t>(std::uint64_t{1} << 63, 6) == 3);
    CHECK(mul_wide<std::int64_t>(std::int32_t{-3}, std::int32_t{0x7fffffff}) == std::int64_t{-3} * 0x7fffffff);
    std::mt19937_64 random(2);
    for (int i = 0; i < 200; ++i) {
        // A word of all bits set now and then, where carries go through.
        const auto draw = [&] { return random() % 3 == 0 ? 0xffffffffu : static_cast<std::uint32_t>(random()); };
        const std::uint32_t a0 = draw(), a1 = draw(), a2 = draw(), b0 = draw(), b1 = draw(), b2 = draw();
        const std::uint64_t a = std::uint64_t{a1} << 32 | a0, b = std::uint64_t{b1} << 32 | b0;
        bool carry = false;
        CHECK(do_add_cc(a0, b0, carry) == static_cast<std::uint32_t>(a + b));
        CHECK(do_addc_cc(a1, b1, carry) == static_cast<std::uint32_t>((a + b) >> 32));
        CHECK(do_addc(a2, b2, carry) == a2 + b2 + (a + b < a ? 1 : 0));
        CHECK(do_sub_cc(a0, b0, carry) == static_cast<std::uint32_t>(a - b));
        CHECK(do_subc_cc(a1, b1, carry) == static_cast<std::uint32_t>((a - b) >> 32));
        CHECK(do_subc(a2, b2, carry) == a2 - b2 - (a < b ? 1 : 0));
        // (a1 a0) * b0 + (b2 b1), in three words: what fits two of them.
        const std::uint64_t c = std::uint64_t{b2} << 32 | b1, whole = a * b0 + c;
        const std::uint32_t low = do_mad_lo_cc(a0, b0, b1, carry);
        const std::uint32_t middle = do_madc_hi(a0, b0, b2, carry);
        CHECK(low == static_cast<std::uint32_t>(whole));
        CHECK(middle + a1 * b0 == static_cast<std::uint32_t>(whole >> 32));
        // Both with a carry from before.
        bool in = true;
        CHECK(do_madc_lo(a0, b0, b1, in) == a0 * b0 + b1 + 1);
        CHECK(do_madc_lo_cc(a0, b0, b1, in) == a0 * b0 + b1 + 1);
        CHECK(in == (std::uint64_t{a0 * b0} + b1 + 1 > 0xffffffffu));
        in = true;
        const std::uint64_t high = (std::uint64_t{a0} * b0 >> 32) + b1 + 1;
        CHECK(do_madc_hi_cc(a0, b0, b1, in) == static_cast<std::uint32_t>(high));
        CHECK(in == (high > 0xffffffffu));
    }
}

TEST_CASE("bytes of two words are put together") {
    CHECK(do_prmt<std::uint32_t>(0x44332211u, 0x88776655u, 0x7530u) == 0x88664411u);
    CHECK(do_prmt<std::uint32_t>(0x44332211u, 0x88776655u, 0xf8f0u) == 0xff00ff11u);
}

TEST_CASE("integers divide towards 0") {
    CHECK(do_div(-7, 2) == -3);
    CHECK(do_rem(-7, 2) == -1);
    CHECK(do_div(kLeast, -1) == kLeast);
    CHECK(do_rem(kLeast, -1) == 0);
    CHECK(do_div(0xffffffffu, 2u) == 0x7fffffffu);
}
