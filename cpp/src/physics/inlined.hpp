// How the functions of one evaluation are declared, for the CPU and for the GPU (rules: physics.hpp).
#pragma once

// NANOBRAGG_CALLED: what is done once for many evaluations is called and not inlined on the GPU, where it would be
// copied into every instance of the kernel, and for every pixel of a thread. NANOBRAGG_LARGE: the same, for what a
// compiler may do with on the CPU what it likes. NANOBRAGG_SHARED: for what is to be inlined on the CPU alone.
// NANOBRAGG_FLATTENED: on the CPU all that it calls is inlined.
#if defined(__CUDACC__)
#define NANOBRAGG_FN static __host__ __device__ __forceinline__
#define NANOBRAGG_FN_MEMBER __host__ __device__ __forceinline__
#define NANOBRAGG_CALLED static __host__ __device__ __noinline__
#define NANOBRAGG_LARGE __host__ __device__ __noinline__
#define NANOBRAGG_SHARED NANOBRAGG_CALLED
#define NANOBRAGG_UNROLL _Pragma("unroll")
#define NANOBRAGG_ROLLED _Pragma("unroll 1")
#define NANOBRAGG_FLATTENED __host__ __device__
#else
#define NANOBRAGG_FN static inline __attribute__((always_inline))
#define NANOBRAGG_FN_MEMBER inline __attribute__((always_inline))
#define NANOBRAGG_CALLED static inline
#define NANOBRAGG_LARGE
#define NANOBRAGG_SHARED NANOBRAGG_FN
#define NANOBRAGG_UNROLL
#define NANOBRAGG_ROLLED
#define NANOBRAGG_FLATTENED [[gnu::flatten]]
#endif

namespace nanobragg {

// The number type of a number, or of a vector's elements (vector_types.hpp).
template <class Real>
struct NumberOf {
    using Type = Real;
};

// One number in every place of a vector. (0 + x is not x to a compiler, which must think of -0.)
template <class Real, class Number>
NANOBRAGG_FN Real filled(Number x) {
    if constexpr (sizeof(Real) == sizeof(Number)) {
        return x;
    } else {
        return Real{} + x;
    }
}

constexpr double kPi = 3.14159265358979323846;

// 1.5 x 2^52 and 1.5 x 2^23: sums with them have no room for a fraction.
constexpr double kRoundingSum = 6755399441055744.0;
constexpr float kRoundingSumSingle = 12582912.0f;

}  // namespace nanobragg
