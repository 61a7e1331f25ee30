#include "device.hpp"

#include <algorithm>

#include "nanobragg/threads.hpp"

namespace nanobragg::gpu {
namespace {

constexpr std::size_t kMostKept = std::size_t{1} << 31;  // bytes

std::string megabytes(std::size_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MB"; }

}  // namespace

void make_pages(void* memory, std::size_t bytes) {
    constexpr std::size_t page = 4096, fewest = std::size_t{1} << 24;  // fewer are not worth the threads
    if (bytes < fewest) return;
    auto* at = static_cast<volatile char*>(memory);
    const auto pages = static_cast<std::int64_t>(bytes / page);
#pragma omp parallel for schedule(static) num_threads(thread_count(0))
    for (std::int64_t i = 0; i < pages; ++i) at[static_cast<std::size_t>(i) * page] = 0;
}

void* Device::allocate(std::size_t bytes) {
    const std::size_t size = std::max<std::size_t>(bytes, 16);
    std::unique_lock<std::mutex> lock(guard_);
    if (void* memory = taken(kept_, size)) return memory;
    if (void* memory = taken(lent_, size)) {
        lock.unlock();
        try {
            settle();
        } catch (...) {
            release(memory, size, true);
            throw;
        }
        return memory;
    }
    void* memory = reserve(size);
    if (memory == nullptr) {
        forget_kept();
        memory = reserve(size);
    }
    if (memory == nullptr) {
        throw DeviceError("CUDA: found too little memory on the device, expected " + megabytes(size) +
                          " to be free for one of the buffers");
    }
    return memory;
}

void* Device::taken(Blocks& from, std::size_t size) {
    const auto found = from.find(size);
    if (found == from.end() || found->second.empty()) return nullptr;
    void* memory = found->second.back();
    found->second.pop_back();
    kept_bytes_ -= size;
    return memory;
}

void Device::release(void* memory, std::size_t bytes, bool lent) noexcept {
    const std::size_t size = std::max<std::size_t>(bytes, 16);
    const std::lock_guard<std::mutex> lock(guard_);
    if (kept_bytes_ + size > kMostKept) {
        free(memory);
        return;
    }
    try {
        (lent ? lent_ : kept_)[size].push_back(memory);
        kept_bytes_ += size;
    } catch (...) {
        free(memory);
    }
}

void Device::forget() noexcept {
    const std::lock_guard<std::mutex> lock(guard_);
    forget_kept();
}

void Device::forget_kept() noexcept {
    for (Blocks* all : {&kept_, &lent_}) {
        for (auto& [size, blocks] : *all) {
            for (void* memory : blocks) free(memory);
        }
        all->clear();
    }
    kept_bytes_ = 0;
}

}  // namespace nanobragg::gpu
