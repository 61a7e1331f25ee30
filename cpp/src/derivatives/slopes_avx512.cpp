#define NANOBRAGG_KERNEL_NAMESPACE avx512
#include "derivatives/slopes.inl"
