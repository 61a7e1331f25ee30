#define NANOBRAGG_KERNEL_NAMESPACE avx512
#include "kernel.inl"
