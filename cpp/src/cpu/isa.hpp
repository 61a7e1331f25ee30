// The choice of instruction set.
#pragma once

#include "cpu/kernel.hpp"

namespace nanobragg {

// The table of the best instruction set of this processor, or of the one that NANOBRAGG_ISA names.
const KernelTable& chosen_kernels();

}  // namespace nanobragg
