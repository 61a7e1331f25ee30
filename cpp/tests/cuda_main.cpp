// The native tests of the GPU renderer on the first CUDA device; exit status 77, which CTest takes for skipped, where
// there is none.
#include <doctest/doctest.h>

#include <iostream>

#include "cuda_device.hpp"

int main(int count, char** words) {
    const nanobragg::gpu::CudaSystem system = nanobragg::gpu::cuda_system();
    if (system.devices.empty()) {
        std::cout << "skipped: " << system.reason << '\n';
        return 77;
    }
    return doctest::Context(count, words).run();
}
