#include "host_device.hpp"

#include <cstdlib>
#include <cstring>

namespace nanobragg::gpu {

HostDevice::~HostDevice() { forget(); }

void HostDevice::upload(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

void HostDevice::download(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
}

void HostDevice::clear(void* memory, std::size_t bytes) { std::memset(memory, 0, bytes); }

void HostDevice::accumulate(Instance instance, const StreamScene& scene, const Job& job) {
    const std::int64_t blocks = (job.pixel_count + kPixels - 1) / kPixels,
                       slices = job.ray_slices * job.orientation_slices;
    const auto call = [&](auto real, auto lattice, auto lookup) {
        Shared shared;
        for (std::int64_t i = 0; i < blocks * slices; ++i) {
            gpu::accumulate<decltype(real), decltype(lattice), lookup.value>(scene, job, i % blocks, i / blocks, shared,
                                                                             TeamOfOne());
        }
    };
    instance.mixed ? with_lookup<float>(instance, call) : with_lookup<double>(instance, call);
}

void HostDevice::finish(const StreamScene& scene, const Job& job, std::int64_t slices) {
    Shared shared;
    for (std::int64_t i = 0; i < job.pixel_count; ++i) gpu::finish(scene, job, i, slices, shared, TeamOfOne());
}

void* HostDevice::reserve(std::size_t bytes) { return bytes > limit_ ? nullptr : std::malloc(bytes); }

void HostDevice::free(void* memory) noexcept { std::free(memory); }

}  // namespace nanobragg::gpu
