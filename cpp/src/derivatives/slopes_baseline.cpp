#define NANOBRAGG_KERNEL_NAMESPACE baseline
#include "derivatives/slopes.inl"
