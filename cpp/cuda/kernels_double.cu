#include "kernels.cuh"

namespace nanobragg::gpu {

void launch_double(Kind kind, const PanelScene& panel, const Job& job) { launch<double>(kind, panel, job); }

}  // namespace nanobragg::gpu
