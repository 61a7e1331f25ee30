// Compiled with approximate single-precision division and square root: two units in the last place, of which mixed
// precision promises far fewer.
#include "kernels.cuh"

namespace nanobragg::gpu {

void launch_mixed(Instance instance, const StreamScene& scene, const Job& job) { launch<float>(instance, scene, job); }

}  // namespace nanobragg::gpu
