// The device that tests of the GPU renderer run on: the host, which plays one; or, compiled with NANOBRAGG_CUDA_DEVICE,
// the first CUDA device, which the linker makes a real or an emulated one.
#pragma once

#include <memory>

#include "host_device.hpp"
#ifdef NANOBRAGG_CUDA_DEVICE
#include "cuda_device.hpp"
#endif

// One with no memory of earlier tests: an emulated GPU finds loads of what was never written there.
inline std::shared_ptr<nanobragg::gpu::Device> device() {
#ifdef NANOBRAGG_CUDA_DEVICE
    return nanobragg::gpu::cuda_device(nanobragg::gpu::cuda_system().devices.at(0).number);
#else
    return std::make_shared<nanobragg::gpu::HostDevice>();
#endif
}
