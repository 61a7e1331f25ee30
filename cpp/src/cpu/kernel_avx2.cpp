#define NANOBRAGG_KERNEL_NAMESPACE avx2
#include "cpu/kernel.inl"
