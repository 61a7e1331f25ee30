#include "kernels.cuh"

namespace nanobragg::gpu {

void launch_double(Instance instance, const StreamScene& scene, const Job& job) {
    launch<double>(instance, scene, job);
}

}  // namespace nanobragg::gpu
