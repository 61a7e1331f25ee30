// The CUDA runtime on an emulated GPU. As on a real one, launches are put in a queue and are done only when somebody
// waits for them or copies memory; after a fault every call that uses the device fails, until it is reset.
#include "emulator.hpp"

#include <cuda_runtime.h>
#include <ucontext.h>

#include <algorithm>
#include <csetjmp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

struct CUctx_st;  // a context, as the driver names it

namespace emulator {

std::uint32_t launch_now = 0, interval_now = 0;
int device_at_work = -1;

namespace {

constexpr std::size_t kMostMemory = std::size_t{8} << 30;
constexpr std::size_t kStack = std::size_t{256} << 10;

std::map<std::string, const Kernel*>& kernels() {
    static std::map<std::string, const Kernel*> all;
    return all;
}
std::vector<std::pair<std::uint64_t, std::size_t>>& constants() {
    static std::vector<std::pair<std::uint64_t, std::size_t>> all;
    return all;
}

std::map<std::uint64_t, std::unique_ptr<Memory>> allocations;  // keyed by address
std::size_t allocated = 0;
std::uint64_t next_address = kGlobalBegin;  // none is used twice
std::deque<std::function<void()>> waiting;
std::string first_fault;

// ---- a block of threads ------------------------------------------------------------------------------------

const Kernel* at_work = nullptr;
std::uint8_t* const* arguments = nullptr;

// One thread of a block, with a stack of its own that is used for all blocks. setjmp and longjmp switch between them,
// ucontext only makes them: it asks the operating system for the signal mask every time.
class Fiber {
  public:
    enum class State { ready, waits, done };

    Thread thread{};
    State state = State::done;
    std::exception_ptr failure;

    // Goes on until the thread waits at a barrier or is done.
    void run() {
        running_ = this;
        if (_setjmp(scheduler_) != 0) return;
        if (begun_) _longjmp(here_, 1);
        begun_ = true;
        stack_.resize(kStack);
        getcontext(&start_);
        start_.uc_stack.ss_sp = stack_.data();
        start_.uc_stack.ss_size = stack_.size();
        start_.uc_link = nullptr;
        makecontext(&start_, forever, 0);
        setcontext(&start_);
    }
    static Fiber& running() { return *running_; }
    void pause(State why) {
        state = why;
        if (_setjmp(here_) == 0) _longjmp(scheduler_, 1);
    }
    // What it was at is given up.
    void reset() {
        begun_ = false;
        state = State::done;
        failure = nullptr;
    }

  private:
    static void forever() {
        for (;;) {
            Fiber& self = running();
            try {
                at_work->function(self.thread, arguments);
            } catch (...) {
                self.failure = std::current_exception();
            }
            self.pause(State::done);
        }
    }

    static Fiber* running_;
    static jmp_buf scheduler_;
    bool begun_ = false;
    std::vector<std::uint8_t> stack_;
    ucontext_t start_{};
    jmp_buf here_{};
};

Fiber* Fiber::running_ = nullptr;
jmp_buf Fiber::scheduler_;

// The threads of a block go on in turns from barrier to barrier, in another order each time.
void run_block(std::vector<std::unique_ptr<Fiber>>& fibers, Memory& shared, const Thread& first) {
    shared.forget();
    ++interval_now;
    for (std::uint32_t i = 0; i < first.size; ++i) {
        fibers[i]->thread = first;
        fibers[i]->thread.index = i;
        fibers[i]->thread.who = first.who + i;
        fibers[i]->thread.shared = &shared;
        fibers[i]->state = Fiber::State::ready;
    }
    for (bool forward = true;; forward = !forward) {
        const Thread* waits = nullptr;
        bool done = false;
        for (std::uint32_t i = 0; i < first.size; ++i) {
            Fiber& fiber = *fibers[forward ? i : first.size - 1 - i];
            fiber.run();
            if (fiber.failure) std::rethrow_exception(fiber.failure);
            if (fiber.state == Fiber::State::done) {
                done = true;
            } else {
                if (waits != nullptr && waits->line != fiber.thread.line) fault(fiber.thread, "two barriers at once");
                waits = &fiber.thread;
            }
        }
        if (waits == nullptr) return;
        if (done) fault(*waits, "a barrier that some threads do not come to");
        ++interval_now;
    }
}

// ---- launches ----------------------------------------------------------------------------------------------

struct Launch {
    const Kernel* kernel;
    int device;
    dim3 grid, block;
    std::vector<std::vector<std::uint64_t>> arguments;  // aligned
};

void run(Launch& launch) {
    static std::vector<std::unique_ptr<Fiber>> fibers;
    while (fibers.size() < launch.block.x) fibers.push_back(std::make_unique<Fiber>());
    std::vector<std::uint8_t*> pointers;
    for (auto& argument : launch.arguments) pointers.push_back(reinterpret_cast<std::uint8_t*>(argument.data()));
    at_work = launch.kernel;
    device_at_work = launch.device;
    arguments = pointers.data();
    ++launch_now;
    Memory shared(kSharedBegin, launch.kernel->shared);
    const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y;
    try {
        for (std::uint64_t block = blocks; block-- > 0;) {
            Thread first{};
            first.size = launch.block.x;
            first.block_x = static_cast<std::uint32_t>(block % launch.grid.x);
            first.block_y = static_cast<std::uint32_t>(block / launch.grid.x);
            first.blocks_x = launch.grid.x;
            first.blocks_y = launch.grid.y;
            first.who = static_cast<std::uint32_t>(block * launch.block.x + 1);
            run_block(fibers, shared, first);
        }
    } catch (const std::exception& found) {
        first_fault = found.what();
        for (auto& fiber : fibers) fiber->reset();
    }
    at_work = nullptr;
}

void finish_waiting() {
    while (!waiting.empty()) {
        if (first_fault.empty()) waiting.front()();
        waiting.pop_front();
    }
}

}  // namespace

Constant::Constant(const void* bytes, std::size_t size) {
    constants().emplace_back(reinterpret_cast<std::uintptr_t>(bytes), size);
}

Kernel::Kernel(const char* its_name, Function its_function, std::size_t its_shared, std::uint32_t its_most_threads,
               std::vector<std::size_t> its_arguments)
    : function(its_function),
      shared(its_shared),
      most_threads(its_most_threads),
      arguments(std::move(its_arguments)),
      name(its_name) {
    kernels()[name] = this;
}

void fault(const Thread& thread, const std::string& what) {
    throw Fault(what + " (line " + std::to_string(thread.line) + " of the PTX of " + at_work->name + ", block " +
                std::to_string(thread.block_x) + ", " + std::to_string(thread.block_y) + ", thread " +
                std::to_string(thread.index) + ")");
}

void unknown_instruction(const Thread& thread, const char* name) {
    fault(thread, std::string("the instruction ") + name + ", which the emulator does not know");
}

void barrier(Thread&) { Fiber::running().pause(Fiber::State::waits); }

Memory* memory_at(std::uint64_t address) {
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin()) return nullptr;
    Memory& found = *std::prev(after)->second;
    return found.holds(address, 1) ? &found : nullptr;
}

bool is_constant(std::uint64_t address, std::size_t size) {
    for (const auto& [begin, bytes] : constants()) {
        if (address >= begin && address + size <= begin + bytes) return true;
    }
    return false;
}

bool is_argument(std::uint64_t address, std::size_t size) {
    for (std::size_t i = 0; i < at_work->arguments.size(); ++i) {
        const std::uint64_t begin = place(arguments[i]);
        if (address >= begin && address + size <= begin + at_work->arguments[i]) return true;
    }
    return false;
}

}  // namespace emulator

// ---- the runtime's functions ---------------------------------------------------------------------------------

namespace {

using namespace emulator;

std::mutex guard;
thread_local cudaError_t last_error = cudaSuccess;

// A context of each device, and the stack of those that are current in a thread, the last being in use.
CUctx_st* context_of(int device) {
    static char contexts[kDevices];
    return reinterpret_cast<CUctx_st*>(contexts + device);
}
bool has_contexts[kDevices];
thread_local std::vector<int> current;

// What every call that needs a device does: a thread that has chosen none gets the first.
int use_device() {
    if (current.empty()) current.push_back(0);
    has_contexts[current.back()] = true;
    return current.back();
}

// Names of kernels, by their host functions.
std::map<const void*, std::string>& names() {
    static std::map<const void*, std::string> all;
    return all;
}

cudaError_t told(cudaError_t status) {
    if (status != cudaSuccess) last_error = status;
    return status;
}

cudaError_t faulty() { return first_fault.empty() ? cudaSuccess : cudaErrorLaunchFailure; }

// The allocation on the current device that holds all of this, or null. (CUDA copies between devices; who means to?)
Memory* memory_of(const void* pointer, std::size_t size) {
    const int device = use_device();
    Memory* memory = memory_at(reinterpret_cast<std::uintptr_t>(pointer));
    if (memory == nullptr || memory->device() != device) return nullptr;
    return memory->holds(reinterpret_cast<std::uintptr_t>(pointer), size) ? memory : nullptr;
}

cudaError_t launch_kernel(const Kernel& kernel, dim3 grid, dim3 block, void** words, std::size_t shared) {
    const std::lock_guard<std::mutex> lock(guard);
    const int device = use_device();
    if (faulty() != cudaSuccess) return told(faulty());
    const bool fits = grid.x >= 1 && grid.y >= 1 && grid.x <= 0x7fffffffu && grid.y <= 0xffffu && block.x >= 1 &&
                      block.x <= kernel.most_threads && kernel.shared <= 48 * 1024 &&
                      std::uint64_t{grid.x} * grid.y * block.x < 0xffffffffu;
    if (!fits || shared != 0 || grid.z != 1 || block.y != 1 || block.z != 1) {
        return told(cudaErrorInvalidConfiguration);
    }
    Launch launch{&kernel, device, grid, block, {}};
    for (std::size_t i = 0; i < kernel.arguments.size(); ++i) {
        launch.arguments.emplace_back(kernel.arguments[i] / 8 + 1);
        std::memcpy(launch.arguments.back().data(), words[i], kernel.arguments[i]);
    }
    waiting.emplace_back([launch]() mutable { run(launch); });
    return cudaSuccess;
}

const Kernel& kernel_of(const void* host) {
    const std::string& name = names().at(host);
    const auto found = kernels().find(name);
    if (found == kernels().end()) throw std::logic_error("the kernel " + name + " is in no PTX that was translated");
    return *found->second;
}

struct Configuration {
    dim3 grid, block;
    std::size_t shared;
    void* stream;
};
thread_local Configuration configuration;

// The driver's functions, by name.
int cuDeviceGet(int* device, int number) {
    *device = number;
    return number < kDevices ? cudaSuccess : cudaErrorInvalidDevice;
}
int cuDevicePrimaryCtxRetain(CUctx_st** context, int device) {
    const std::lock_guard<std::mutex> lock(guard);
    has_contexts[device] = true;
    *context = context_of(device);
    return cudaSuccess;
}
int cuCtxPushCurrent(CUctx_st* context) {
    const std::lock_guard<std::mutex> lock(guard);
    for (int device = 0; device < kDevices; ++device) {
        if (context != context_of(device)) continue;
        has_contexts[device] = true;  // again, after a reset
        current.push_back(device);
        return cudaSuccess;
    }
    return cudaErrorDeviceUninitialized;
}
int cuCtxPopCurrent(CUctx_st** context) {
    if (current.empty()) return cudaErrorDeviceUninitialized;
    *context = context_of(current.back());
    current.pop_back();
    return cudaSuccess;
}
cudaError_t driver_function(const char* name, void** function) {
    static const std::map<std::string, void*> known = {
        {"cuDeviceGet", reinterpret_cast<void*>(cuDeviceGet)},
        {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(cuDevicePrimaryCtxRetain)},
        {"cuCtxPushCurrent", reinterpret_cast<void*>(cuCtxPushCurrent)},
        {"cuCtxPopCurrent", reinterpret_cast<void*>(cuCtxPopCurrent)},
    };
    const auto found = known.find(name);
    *function = found == known.end() ? nullptr : found->second;
    return cudaSuccess;
}

}  // namespace

namespace emulator {

bool has_context(int device) {
    const std::lock_guard<std::mutex> lock(guard);
    return has_contexts[device];
}
int current_device() { return current.empty() ? -1 : current.back(); }

}  // namespace emulator

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
    *count = kDevices;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
    *device = std::max(0, current_device());
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    *properties = {};
    std::strcpy(properties->name, "Emulated");
    properties->major = 99;  // no build asks for a newer one
    properties->totalGlobalMem = kMostMemory;
    properties->multiProcessorCount = 132;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
    *value = which == cudaDevAttrGlobalMemoryBusWidth ? 1024 : 1000000;  // bits; kHz
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}
cudaError_t cudaGetLastError() {
    const std::lock_guard<std::mutex> lock(guard);
    const cudaError_t status = faulty() != cudaSuccess ? faulty() : last_error;
    last_error = cudaSuccess;
    return status;
}
// (The text of a fault stays as it is until the device is reset.)
const char* cudaGetErrorString(cudaError_t status) {
    switch (status) {
        case cudaSuccess:
            return "no error";
        case cudaErrorLaunchFailure:
            return first_fault.c_str();
        case cudaErrorInvalidConfiguration:
            return "invalid configuration argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorInvalidValue:
            return "a copy that is not inside one allocation, or of what was never written";
        default:
            return "an error that the emulator does not know";
    }
}

cudaError_t cudaMalloc(void** pointer, std::size_t size) {
    const std::lock_guard<std::mutex> lock(guard);
    *pointer = nullptr;
    const int device = use_device();
    if (size == 0 || faulty() != cudaSuccess) return told(faulty());
    if (size > kMostMemory - allocated) return told(cudaErrorMemoryAllocation);
    allocations[next_address] = std::make_unique<Memory>(next_address, size, device);
    allocated += size;
    *pointer = reinterpret_cast<void*>(next_address);
    next_address += (size + 511) / 256 * 256;  // aligned, and with a gap
    return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
    const std::lock_guard<std::mutex> lock(guard);
    finish_waiting();
    if (pointer == nullptr) return told(faulty());
    const auto found = allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
    if (found == allocations.end() || found->second->device() != use_device()) return told(cudaErrorInvalidValue);
    allocated -= found->second->size();
    allocations.erase(found);
    return told(faulty());
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind) {
    const std::lock_guard<std::mutex> lock(guard);
    finish_waiting();
    if (size == 0 || faulty() != cudaSuccess) return told(faulty());
    const bool up = kind == cudaMemcpyHostToDevice;
    Memory* memory = memory_of(up ? to : from, size);
    if (memory == nullptr || (!up && kind != cudaMemcpyDeviceToHost)) return told(cudaErrorInvalidValue);
    if (up) {
        memory->put(reinterpret_cast<std::uintptr_t>(to), from, size);
    } else if (!memory->get(reinterpret_cast<std::uintptr_t>(from), to, size)) {
        return told(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t size, cudaStream_t) {
    const std::lock_guard<std::mutex> lock(guard);
    if (size == 0 || faulty() != cudaSuccess) return told(faulty());
    Memory* memory = memory_of(pointer, size);
    if (memory == nullptr) return told(cudaErrorInvalidValue);
    waiting.emplace_back([=] { memory->fill(reinterpret_cast<std::uintptr_t>(pointer), value, size); });
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
    const std::lock_guard<std::mutex> lock(guard);
    use_device();
    finish_waiting();
    return told(faulty());
}
cudaError_t cudaDeviceSynchronize() {
    const std::lock_guard<std::mutex> lock(guard);
    use_device();
    finish_waiting();
    return told(faulty());
}
cudaError_t cudaDeviceReset() {
    const std::lock_guard<std::mutex> lock(guard);
    waiting.clear();
    allocations.clear();
    allocated = 0;
    first_fault.clear();
    last_error = cudaSuccess;
    current.clear();
    for (bool& one : has_contexts) one = false;
    return cudaSuccess;
}

#if CUDART_VERSION >= 12050
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult*) {
    return driver_function(name, function);
}
#elif CUDART_VERSION >= 12000
cudaError_t cudaGetDriverEntryPoint(const char* name, void** function, unsigned long long,
                                    cudaDriverEntryPointQueryResult*) {
    return driver_function(name, function);
}
#else
cudaError_t cudaGetDriverEntryPoint(const char* name, void** function, unsigned long long) {
    return driver_function(name, function);
}
#endif

// What nvcc's host code calls for kernel<<<...>>>().
void** __cudaRegisterFatBinary(void*) {
    static void* handle = nullptr;
    return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
    names()[host] = name;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared, CUstream_st* stream) {
    configuration = {grid, block, shared, stream};
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared, void* stream) {
    *grid = configuration.grid;
    *block = configuration.block;
    *shared = configuration.shared;
    *static_cast<void**>(stream) = configuration.stream;
    return cudaSuccess;
}
char __cudaInitModule(void**) { return 0; }
cudaError_t cudaLaunchKernel(const void* host, dim3 grid, dim3 block, void** words, std::size_t shared, cudaStream_t) {
    return launch_kernel(kernel_of(host), grid, block, words, shared);
}
#if CUDART_VERSION >= 12000
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
    *kernel = reinterpret_cast<cudaKernel_t>(const_cast<Kernel*>(&kernel_of(host)));
    return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** words, std::size_t shared,
                               cudaStream_t) {
    return launch_kernel(*reinterpret_cast<const Kernel*>(kernel), grid, block, words, shared);
}
#endif

}  // extern "C"
