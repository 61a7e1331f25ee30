#define NANOBRAGG_KERNEL_NAMESPACE avx2
#include "derivatives/slopes.inl"
