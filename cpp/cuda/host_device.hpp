// The GPU's work done on the host, by teams of one thread: for tests where there is no GPU.
#pragma once

#include "device.hpp"

namespace nanobragg::gpu {

struct TeamOfOne {
    static constexpr int size = 1;
    int index = 0;
    void sync() const {}
};

class HostDevice : public Device {
  public:
    // Refuses requests for more memory than this, as a real device does.
    explicit HostDevice(std::size_t memory = std::size_t{1} << 34) : limit_(memory) {}
    ~HostDevice() override;
    void upload(void* to, const void* from, std::size_t bytes) override;
    void download(void* to, const void* from, std::size_t bytes) override;
    void clear(void* memory, std::size_t bytes) override;
    void accumulate(Instance instance, const StreamScene& scene, const Job& job) override;
    void finish(const StreamScene& scene, const Job& job, std::int64_t slices) override;
    void noise(const NoiseJob& job) override;
    void count(const CountsJob& job) override;
    void spread(const SpreadJob& job) override;
    void forward(Lookup lookup, const ForwardJob& job) override;
    void backward(Lookup lookup, const BackwardJob& job) override;
    void add_parts(const SumJob& job) override;
    void wait() override {}
    int team_size() const override { return 1; }
    int number() const override { return -1; }

  protected:
    void* reserve(std::size_t bytes) override;
    void free(void* memory) noexcept override;

  private:
    std::size_t limit_;
};

}  // namespace nanobragg::gpu
