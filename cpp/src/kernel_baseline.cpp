#define NANOBRAGG_KERNEL_NAMESPACE baseline
#include "kernel.inl"
