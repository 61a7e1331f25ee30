// Registers full of numbers (GCC's and Clang's vector extension), for the loop that compilers do not vectorise as well
// by themselves, and physics.hpp's functions for them. To be included before evaluation.hpp, whose templates call them.
#pragma once

#include <stdint.h>

#include "nanobragg/physics.hpp"

namespace nanobragg {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#define NANOBRAGG_COUNT 0, 1, 2, 3, 4, 5, 6, 7
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#define NANOBRAGG_COUNT 0, 1, 2, 3
#else
constexpr int kVectorBytes = 16;
#define NANOBRAGG_COUNT 0, 1
#endif
constexpr int kWidth = kVectorBytes / (int)sizeof(float), kHalf = kWidth / 2;

using Singles [[gnu::vector_size(kVectorBytes)]] = float;   // kWidth pixels
using Phases [[gnu::vector_size(kVectorBytes)]] = int32_t;  // kWidth pixels
using Unsigned [[gnu::vector_size(kVectorBytes)]] = uint32_t;
using Doubles [[gnu::vector_size(kVectorBytes)]] = double;  // kHalf pixels
using Longs [[gnu::vector_size(kVectorBytes)]] = int64_t;
using UnsignedLongs [[gnu::vector_size(kVectorBytes)]] = uint64_t;

constexpr Doubles kCount = {NANOBRAGG_COUNT};  // 0, 1, 2...
#undef NANOBRAGG_COUNT

NANOBRAGG_FN Singles absolute(Singles x) { return (Singles)((Phases)x & 0x7fffffff); }
NANOBRAGG_FN Doubles absolute(Doubles x) { return (Doubles)((Longs)x & 0x7fffffffffffffff); }
NANOBRAGG_FN Doubles round_whole(Doubles x) { return (x + kRoundingSum) - kRoundingSum; }
NANOBRAGG_FN Singles sin_pi(Singles x) { return sin_pi_single(x); }
NANOBRAGG_FN Doubles sin_pi(Doubles x) { return sin_pi_double(x); }
NANOBRAGG_FN Doubles cos_two_pi(Doubles x) { return sin_pi(0.5 - 2.0 * absolute(x)); }
NANOBRAGG_FN Doubles away_from_zero(Doubles x) {
    const Doubles distance = absolute(x);
    return distance < 1e-12 ? Doubles{} + 1e-12 : distance;
}
NANOBRAGG_FN Singles as_single(Phases phase) { return __builtin_convertvector(phase, Singles); }
NANOBRAGG_FN Singles turns(Phases phase) { return as_single(phase) * kTurn; }
NANOBRAGG_FN Phases odd_phase(Phases phase) { return phase | 1; }
NANOBRAGG_FN Phases times(Phases phase, int32_t cells) { return (Phases)((Unsigned)phase * (uint32_t)cells); }
NANOBRAGG_FN Singles cos_two_pi(Phases phase) { return sin_pi(0.5f - absolute(as_single(phase)) * (2 * kTurn)); }

// Of shifted indices of even and of odd pixels, the phases of all, and the whole indices of all plus kPhaseShiftBits
// (on little-endian machines).
NANOBRAGG_FN Phases phases_of(Doubles even, Doubles odd) {
    return (Phases)(((UnsignedLongs)even & 0xffffffff) | ((UnsignedLongs)odd << 32));
}
NANOBRAGG_FN Unsigned wholes_of(Doubles even, Doubles odd) {
    const Unsigned below = (Unsigned)(((UnsignedLongs)even >> 32) | ((UnsignedLongs)odd & 0xffffffff00000000));
    // Halves round down, and what is beyond a half up.
    return below - (Unsigned)((Unsigned)phases_of(even, odd) > 0x80000000u);
}

// What a vector is made of.
template <>
struct NumberOf<Singles> {
    using Type = float;
};
template <>
struct NumberOf<Doubles> {
    using Type = double;
};

}  // namespace nanobragg
