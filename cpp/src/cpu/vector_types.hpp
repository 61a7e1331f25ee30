// Registers full of numbers (GCC's and Clang's vector extension), for loops that compilers do not vectorise as well by
// themselves; and what physics.hpp's templates need to know of them, which hence is included after this.
#pragma once

#include <stdint.h>

#include "physics/inlined.hpp"

namespace nanobragg {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#define NANOBRAGG_COUNT 0, 1, 2, 3, 4, 5, 6, 7
#define NANOBRAGG_COUNT_ON 8, 9, 10, 11, 12, 13, 14, 15
#define NANOBRAGG_COUNT_EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define NANOBRAGG_COUNT_ODD 1, 3, 5, 7, 9, 11, 13, 15
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#define NANOBRAGG_COUNT 0, 1, 2, 3
#define NANOBRAGG_COUNT_ON 4, 5, 6, 7
#define NANOBRAGG_COUNT_EVEN 0, 2, 4, 6
#define NANOBRAGG_COUNT_ODD 1, 3, 5, 7
#else
constexpr int kVectorBytes = 16;
#define NANOBRAGG_COUNT 0, 1
#define NANOBRAGG_COUNT_ON 2, 3
#define NANOBRAGG_COUNT_EVEN 0, 2
#define NANOBRAGG_COUNT_ODD 1, 3
#endif
constexpr int kWidth = kVectorBytes / (int)sizeof(float), kHalf = kWidth / 2;

using Singles [[gnu::vector_size(kVectorBytes)]] = float;   // kWidth pixels
using Phases [[gnu::vector_size(kVectorBytes)]] = int32_t;  // kWidth pixels
using Unsigned [[gnu::vector_size(kVectorBytes)]] = uint32_t;
using Doubles [[gnu::vector_size(kVectorBytes)]] = double;         // kHalf pixels
using HalfSingles [[gnu::vector_size(kVectorBytes / 2)]] = float;  // kHalf pixels
using HalfPhases [[gnu::vector_size(kVectorBytes / 2)]] = int32_t;
using Longs [[gnu::vector_size(kVectorBytes)]] = int64_t;
using UnsignedLongs [[gnu::vector_size(kVectorBytes)]] = uint64_t;

constexpr Doubles kCount = {NANOBRAGG_COUNT};  // 0, 1, 2...

NANOBRAGG_FN Singles absolute(Singles x) { return (Singles)((Phases)x & 0x7fffffff); }
NANOBRAGG_FN Doubles absolute(Doubles x) { return (Doubles)((Longs)x & 0x7fffffffffffffff); }
NANOBRAGG_FN Singles round_whole(Singles x) { return (x + kRoundingSumSingle) - kRoundingSumSingle; }
NANOBRAGG_FN Doubles round_whole(Doubles x) { return (x + kRoundingSum) - kRoundingSum; }
NANOBRAGG_FN Doubles power_of_two(Doubles n) { return (Doubles)((UnsignedLongs)(n + (kRoundingSum + 1023.0)) << 52); }

template <>
struct NumberOf<Singles> {
    using Type = float;
};
template <>
struct NumberOf<Doubles> {
    using Type = double;
};

}  // namespace nanobragg
