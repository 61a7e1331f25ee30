// A CUDA device, and what there is of them. Plain C++: includes nothing of CUDA.
#pragma once

#include "device.hpp"

namespace nanobragg::gpu {

struct CudaInfo {
    int number = 0;
    std::string name;
    int major = 0, minor = 0;  // compute capability
    std::size_t memory = 0;    // bytes
    int multiprocessors = 0;
    double clock_hz = 0;          // the multiprocessors' highest; 0: unknown
    double memory_bandwidth = 0;  // bytes per second; 0: unknown
};

struct CudaSystem {
    std::vector<CudaInfo> devices;
    std::string reason;  // why there are none
    int driver = 0;      // newest CUDA version that the driver runs, as 1000 major + 10 minor; 0: no driver
    int runtime = 0;     // CUDA version of this build, as 1000 major + 10 minor
};

// Never throws.
CudaSystem cuda_system() noexcept;

// Throws DeviceError where there is no such device.
std::shared_ptr<Device> cuda_device(int number);

}  // namespace nanobragg::gpu
