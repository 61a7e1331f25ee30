// Functions that one file compiles for several widths of vector, without fused operations, so that all give the same
// bits: the attributes of their versions, and the choice of one at run time.
#pragma once

#include <string>

#include "nanobragg/render.hpp"

#if defined(__x86_64__) && defined(__clang__)
#define NANOBRAGG_AVX2 [[gnu::target("avx2")]]
#define NANOBRAGG_AVX512 [[gnu::target("avx512f,avx512dq,avx512bw,avx512vl")]]
#elif defined(__x86_64__) && defined(__GNUC__)  // which prefers 256 bits unless told
#define NANOBRAGG_AVX2 [[gnu::target("avx2")]]
#define NANOBRAGG_AVX512 [[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")]]
#else  // other processors have the baseline alone, and choose it
#define NANOBRAGG_AVX2
#define NANOBRAGG_AVX512
#endif

namespace nanobragg {

// The version for the instruction set of this run.
template <class Version>
Version version_of_run(Version baseline, Version avx2, Version avx512) {
    const std::string set = chosen_instruction_set();
    if (set == "avx512") return avx512;
    return set == "avx2" ? avx2 : baseline;
}

}  // namespace nanobragg
