#define NANOBRAGG_KERNEL_NAMESPACE avx512
#include "cpu/kernel.inl"
