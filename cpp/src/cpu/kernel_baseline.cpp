#define NANOBRAGG_KERNEL_NAMESPACE baseline
#include "cpu/kernel.inl"
