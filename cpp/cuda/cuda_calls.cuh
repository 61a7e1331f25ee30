// Calls of CUDA's runtime: what went wrong, and on which device. (cuda_device.cu)
#pragma once

#include <cuda_runtime.h>

namespace nanobragg::gpu {

// Throws DeviceError where a call failed: `doing` what, and CUDA's own sentence or a better one.
void check(cudaError_t status, const char* doing);

// Makes a device the thread's current one for as long as it lives: other libraries in this thread keep theirs. (Going
// back with cudaSetDevice would take memory on the first device for each process that uses another one.)
class Current {
  public:
    explicit Current(int number);
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;
    ~Current();

  private:
    bool changed_ = false;
};

}  // namespace nanobragg::gpu
