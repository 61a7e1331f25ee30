#include <cuda_runtime.h>

#include <exception>
#include <map>
#include <mutex>

#include "cuda_calls.cuh"
#include "cuda_device.hpp"
#include "kernels.cuh"

struct CUctx_st;  // a context, as the driver names it

namespace nanobragg::gpu {

// (Not in the namespace below: profilers and the emulator of cpp/tests know kernels by name.)
__global__ void __launch_bounds__(kMostThreads)
    finish_kernel(const __grid_constant__ StreamScene scene, const __grid_constant__ Job job, int64_t slices) {
    __shared__ Shared shared;
    finish(scene, job, (int64_t)blockIdx.x, slices, shared, DeviceTeam{(int)threadIdx.x, (int)blockDim.x});
}

namespace {

// CUDA's own sentence, or a better one.
std::string sentence_of(cudaError_t status) {
    if (status == cudaErrorInitializationError) {
        return "CUDA was in use before this process was forked, or cannot start; expected worker processes to be "
               "spawned";
    }
    return cudaGetErrorString(status);
}

}  // namespace

void check(cudaError_t status, const char* doing) {
    if (status == cudaSuccess) return;
    (void)cudaGetLastError();
    throw DeviceError(std::string("CUDA: ") + doing + " failed: " + sentence_of(status));
}

namespace {

constexpr int kOldest = NANOBRAGG_OLDEST_CAPABILITY;  // oldest capability that this build has kernels for, 80 being 8.0

// A function of the driver, for what the runtime has none; the driver itself is not linked. (Both number their errors
// alike.)
template <class... Arguments>
class DriverFunction {
  public:
    explicit DriverFunction(const char* name) : name_(name) {
        void* found = nullptr;
#if CUDART_VERSION >= 12050
        check(cudaGetDriverEntryPointByVersion(name, &found, 11000, cudaEnableDefault), "asking for the driver");
#else
        check(cudaGetDriverEntryPoint(name, &found, cudaEnableDefault), "asking for the driver");
#endif
        if (found == nullptr) throw DeviceError(std::string("CUDA: the driver has no ") + name);
        function_ = reinterpret_cast<int (*)(Arguments...)>(found);
    }
    void operator()(Arguments... arguments) const { check(static_cast<cudaError_t>(function_(arguments...)), name_); }

  private:
    const char* name_;
    int (*function_)(Arguments...);
};

// The context that all libraries of a process share on a device. It stays, as those do that the runtime makes.
CUctx_st* context_of(int number) {
    static std::mutex guard;
    static std::map<int, CUctx_st*> known;
    const std::lock_guard<std::mutex> lock(guard);
    CUctx_st*& context = known[number];
    if (context == nullptr) {
        int device = 0;
        DriverFunction<int*, int>("cuDeviceGet")(&device, number);
        DriverFunction<CUctx_st**, int>("cuDevicePrimaryCtxRetain")(&context, device);
    }
    return context;
}

}  // namespace

Current::Current(int number) {
    int before = 0;
    check(cudaGetDevice(&before), "asking for the device");
    changed_ = before != number;
    if (!changed_) return;
    static const DriverFunction<CUctx_st*> push("cuCtxPushCurrent");
    push(context_of(number));
}

Current::~Current() {
    if (!changed_) return;
    try {
        static const DriverFunction<CUctx_st**> pop("cuCtxPopCurrent");
        CUctx_st* ours = nullptr;
        pop(&ours);
    } catch (const DeviceError&) {
        // Then there is no device to go back to.
    }
}

namespace {

// All work goes to the default stream, and is done when an image is handed out: other libraries' streams need not wait.
class CudaDevice : public Device {
  public:
    explicit CudaDevice(int number) : number_(number) { const Current current(number_); }
    ~CudaDevice() override { forget(); }

    void upload(void* to, const void* from, std::size_t bytes) override {
        const Current current(number_);
        check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copying to the device");
    }
    void download(void* to, const void* from, std::size_t bytes) override {
        const Current current(number_);
        check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the device");
    }
    void clear(void* memory, std::size_t bytes) override {
        const Current current(number_);
        check(cudaMemsetAsync(memory, 0, bytes), "clearing memory");
    }
    void accumulate(Instance instance, const StreamScene& scene, const Job& job) override {
        const Current current(number_);
        instance.mixed ? launch_mixed(instance, scene, job) : launch_double(instance, scene, job);
        check(cudaGetLastError(), "a launch");
    }
    void finish(const StreamScene& scene, const Job& job, std::int64_t slices) override {
        const Current current(number_);
        const auto blocks = static_cast<unsigned>((job.pixel_count + kMostThreads - 1) / kMostThreads);
        finish_kernel<<<blocks, kMostThreads>>>(scene, job, slices);
        check(cudaGetLastError(), "a launch");
    }
    void noise(const NoiseJob& job) override {
        const Current current(number_);
        launch_noise(job);
        check(cudaGetLastError(), "a launch");
    }
    void count(const CountsJob& job) override {
        const Current current(number_);
        launch_counts(job);
        check(cudaGetLastError(), "a launch");
    }
    void spread(const SpreadJob& job) override {
        const Current current(number_);
        launch_spread(job);
        check(cudaGetLastError(), "a launch");
    }
    void forward(Lookup lookup, const ForwardJob& job) override {
        const Current current(number_);
        launch_forward(lookup, job);
        check(cudaGetLastError(), "a launch");
    }
    void backward(Lookup lookup, const BackwardJob& job) override {
        const Current current(number_);
        launch_backward(lookup, job);
        check(cudaGetLastError(), "a launch");
    }
    void add_parts(const SumJob& job) override {
        const Current current(number_);
        launch_sums(job);
        check(cudaGetLastError(), "a launch");
    }
    void wait() override {
        const Current current(number_);
        check(cudaStreamSynchronize(cudaStreamLegacy), "rendering");
    }
    void settle() override {
        const Current current(number_);
        check(cudaDeviceSynchronize(), "waiting for the device");
    }
    int team_size() const override { return kMostThreads; }
    int number() const override { return number_; }

  protected:
    void* reserve(std::size_t bytes) override {
        const Current current(number_);
        void* memory = nullptr;
        const cudaError_t status = cudaMalloc(&memory, bytes);
        if (status == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            return nullptr;
        }
        check(status, "taking memory");
        return memory;
    }
    void free(void* memory) noexcept override {
        try {
            const Current current(number_);
            (void)cudaFree(memory);
        } catch (const DeviceError&) {
            // There is nobody to tell, and with the device its memory is gone.
        }
        (void)cudaGetLastError();
    }

  private:
    int number_;
};

// 0 where the driver does not tell.
double attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, which, device) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    return value;
}

CudaInfo info_of(int device, const cudaDeviceProp& properties) {
    CudaInfo out;
    out.number = device;
    out.name = properties.name;
    out.major = properties.major;
    out.minor = properties.minor;
    out.memory = properties.totalGlobalMem;
    out.multiprocessors = properties.multiProcessorCount;
    // Clocks are told in kHz and the width of the bus in bits; memory moves data twice in a clock.
    out.clock_hz = 1e3 * attribute(cudaDevAttrClockRate, device);
    out.memory_bandwidth = 2 * 1e3 * attribute(cudaDevAttrMemoryClockRate, device) *
                           attribute(cudaDevAttrGlobalMemoryBusWidth, device) / 8;
    return out;
}

std::string version_name(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string reason_of(cudaError_t status, int driver, int runtime) {
    if (driver == 0) return "no NVIDIA driver was found";
    if (status == cudaErrorInsufficientDriver) {
        return "the NVIDIA driver runs CUDA up to " + version_name(driver) + ", and this build needs " +
               version_name(runtime);
    }
    if (status == cudaErrorNoDevice) return "no CUDA device was found";
    return sentence_of(status);
}

CudaSystem system_now() noexcept {
    CudaSystem out;
    try {
        (void)cudaDriverGetVersion(&out.driver);
        (void)cudaRuntimeGetVersion(&out.runtime);
        int count = 0;
        const cudaError_t status = cudaGetDeviceCount(&count);
        if (status != cudaSuccess) {
            (void)cudaGetLastError();
            out.reason = reason_of(status, out.driver, out.runtime);
            return out;
        }
        std::string older;
        for (int i = 0; i < count; ++i) {
            cudaDeviceProp properties{};
            if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) {
                (void)cudaGetLastError();
            } else if (10 * properties.major + properties.minor < kOldest) {
                older = properties.name;
            } else {
                out.devices.push_back(info_of(i, properties));
            }
        }
        if (out.devices.empty()) {
            out.reason = older.empty() ? "no CUDA device was found"
                                       : older + " has a compute capability below " + std::to_string(kOldest / 10) +
                                             "." + std::to_string(kOldest % 10);
        }
    } catch (const std::exception& error) {
        out.reason = error.what();
    }
    return out;
}

}  // namespace

// Devices that were found once are there: asking for all they are takes milliseconds.
CudaSystem cuda_system() noexcept {
    static std::mutex guard;
    static CudaSystem found;
    const std::lock_guard<std::mutex> lock(guard);
    if (found.devices.empty()) found = system_now();
    return found;
}

std::shared_ptr<Device> cuda_device(int number) {
    const CudaSystem system = cuda_system();
    if (system.devices.empty())
        throw DeviceError("device: found no CUDA device to use (" + system.reason +
                          "), expected one, or the device cpu");
    for (const CudaInfo& info : system.devices) {
        if (info.number == number) return std::make_shared<CudaDevice>(number);
    }
    throw DeviceError("device: found cuda:" + std::to_string(number) + ", expected one of those that are listed");
}

}  // namespace nanobragg::gpu
