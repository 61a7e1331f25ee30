// A device that renders: memory, copies and launches. CUDA's is cuda_device.cu; host_device.cpp does the same work on
// the host, so that all but the launches themselves is tested where there is no GPU.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "thread_work.hpp"

namespace nanobragg::gpu {

// No device, an old driver, too little memory, a failed launch: one sentence.
class DeviceError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Which instance of the kernel.
struct Instance {
    bool mixed;
    Formula formula;
    Lookup lookup;
};

struct NoiseJob;
struct CountsJob;
struct SpreadJob;
struct ForwardJob;
struct BackwardJob;
struct SumJob;

class Device {
  public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    // Memory that was given back is kept for the next request of the same size. From any thread.
    void* allocate(std::size_t bytes);
    // `lent`: somebody else may still read it, in the device's time and unknown to us.
    void release(void* memory, std::size_t bytes, bool lent) noexcept;

    // All of these are done in the order of the calls; download and wait come back when they are done.
    virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
    virtual void download(void* to, const void* from, std::size_t bytes) = 0;
    virtual void clear(void* memory, std::size_t bytes) = 0;
    virtual void accumulate(Instance instance, const StreamScene& scene, const Job& job) = 0;
    virtual void finish(const StreamScene& scene, const Job& job, std::int64_t slices) = 0;
    virtual void noise(const NoiseJob& job) = 0;
    virtual void count(const CountsJob& job) = 0;
    virtual void spread(const SpreadJob& job) = 0;
    virtual void forward(Lookup lookup, const ForwardJob& job) = 0;
    virtual void backward(Lookup lookup, const BackwardJob& job) = 0;
    virtual void add_parts(const SumJob& job) = 0;
    virtual void wait() = 0;
    // Waits for everything on the device, that of other libraries too.
    virtual void settle() { wait(); }
    // Threads that work together on kPixels pixels each (accumulate) or one (finish, backward).
    virtual int team_size() const = 0;
    // CUDA's number of the device, or -1.
    virtual int number() const = 0;

  protected:
    // Gives all kept memory back; for the destructors of devices.
    void forget() noexcept;
    virtual void* reserve(std::size_t bytes) = 0;  // null: not enough memory
    virtual void free(void* memory) noexcept = 0;

  private:
    void forget_kept() noexcept;

    std::mutex guard_;
    using Blocks = std::map<std::size_t, std::vector<void*>>;  // keyed by size
    void* taken(Blocks& from, std::size_t size);

    Blocks kept_, lent_;          // what was lent is used again only after all work on the device is done
    std::size_t kept_bytes_ = 0;  // of kept_ and lent_ together
};

// Memory of a device that gives itself back.
class Buffer {
  public:
    Buffer(std::shared_ptr<Device> device, std::size_t bytes)
        : device_(std::move(device)), bytes_(bytes), memory_(device_->allocate(bytes)) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { device_->release(memory_, bytes_, shared_.load()); }

    // Somebody else may read it from now on (Device::release).
    void share() { shared_.store(true); }

    template <class T>
    T* as() const {
        return static_cast<T*>(memory_);
    }
    std::size_t bytes() const { return bytes_; }
    Device& device() const { return *device_; }
    const std::shared_ptr<Device>& owner() const { return device_; }

  private:
    std::shared_ptr<Device> device_;
    std::size_t bytes_;
    void* memory_;
    std::atomic<bool> shared_{false};
};

// Has all processors make the pages of memory that nobody had before: a copy from a device would wait for them, one
// after the other. What is there is lost.
void make_pages(void* memory, std::size_t bytes);

// Copies, which the device has when the call comes back.
template <class T>
std::unique_ptr<Buffer> uploaded(const std::shared_ptr<Device>& device, const T* values, std::size_t count) {
    auto buffer = std::make_unique<Buffer>(device, count * sizeof(T));
    device->upload(buffer->as<void>(), values, count * sizeof(T));
    return buffer;
}
inline std::vector<double> downloaded(const Buffer& buffer, std::int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    buffer.device().download(values.data(), buffer.as<void>(), values.size() * sizeof(double));
    return values;
}

// Longer cosine polynomials pay only where nothing has to be looked up, and the longest ones are accurate enough in
// double precision only.
template <class Real, class Lattice, Lookup lookup>
constexpr bool is_built() {
    constexpr Formula formula = Lattice::formula;
    if (formula.degree > 0 || formula.even) {
        return lookup == Lookup::constant && (formula.degree <= 2 || sizeof(Real) == sizeof(double));
    }
    return true;
}

// Calls call(Real(), lattice, lookup), the latter as a std::integral_constant, for an instance with this formula.
template <class Real, Lookup lookup, class Call>
void with_formula(Formula formula, const Call& call) {
    with_lattice(Lattices(), formula, [&](auto lattice) {
        using Lattice = decltype(lattice);
        if constexpr (is_built<Real, Lattice, lookup>()) {
            call(Real(), lattice, std::integral_constant<Lookup, lookup>());
        } else {
            call(Real(), SquareLattice(), std::integral_constant<Lookup, lookup>());
        }
    });
}

template <class Real, class Call>
void with_lookup(Instance instance, const Call& call) {
    if (instance.lookup == Lookup::constant) return with_formula<Real, Lookup::constant>(instance.formula, call);
    if constexpr (sizeof(Real) == sizeof(double)) {
        if (instance.lookup == Lookup::tricubic) return with_formula<Real, Lookup::tricubic>(instance.formula, call);
    }
    with_formula<Real, Lookup::nearest>(instance.formula, call);
}

}  // namespace nanobragg::gpu
