#include "kernels.cuh"

namespace nanobragg::gpu {

void launch_double(Instance instance, const PanelScene& panel, const Job& job) { launch<double>(instance, panel, job); }

}  // namespace nanobragg::gpu
