// physics.hpp's functions for registers full of numbers. To be included before lattice.hpp and rays.hpp, whose
// templates call them.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>

// clang-format off: physics.hpp's templates must know the vectors
#include "cpu/vector_types.hpp"
#include "physics/physics.hpp"
// clang-format on

namespace nanobragg {

NANOBRAGG_FN Singles sin_pi(Singles x) { return sin_pi_single(x); }
NANOBRAGG_FN Doubles sin_pi(Doubles x) { return sin_pi_double<1>(x); }
NANOBRAGG_FN Singles cos_pi(Singles x) { return sin_pi_single(0.5f - absolute(x)); }
NANOBRAGG_FN Doubles cos_two_pi(Doubles x) { return sin_pi_double<2>(0.25 - absolute(x)); }
NANOBRAGG_FN Doubles away_from_zero(Doubles x) {
    const Doubles distance = absolute(x);
    return distance < 1e-12 ? Doubles{} + 1e-12 : distance;
}
NANOBRAGG_FN Singles as_single(Phases phase) { return __builtin_convertvector(phase, Singles); }
NANOBRAGG_FN Singles turns(Phases phase) { return as_single(phase) * kTurn; }
NANOBRAGG_FN Phases odd_phase(Phases phase) { return phase | 1; }
NANOBRAGG_FN Phases times(Phases phase, int32_t cells) { return (Phases)((Unsigned)phase * (uint32_t)cells); }
NANOBRAGG_FN Singles cos_two_pi(Phases phase) { return sin_pi(0.5f - absolute(as_single(phase)) * (2 * kTurn)); }

// The lower halves of even and of odd pixels' numbers, for all pixels (on little-endian machines); and the upper ones.
// GCC 12 takes three instructions where there is one.
NANOBRAGG_FN Unsigned lower_halves(Doubles even, Doubles odd) {
#if defined(__AVX512F__)
    return (Unsigned)_mm512_mask_moveldup_ps((__m512)even, 0xaaaa, (__m512)odd);
#elif defined(__AVX2__)
    return (Unsigned)_mm256_blend_ps((__m256)even, _mm256_moveldup_ps((__m256)odd), 0xaa);
#else
    return (Unsigned)(((UnsignedLongs)even & 0xffffffff) | ((UnsignedLongs)odd << 32));
#endif
}
NANOBRAGG_FN Unsigned upper_halves(Doubles even, Doubles odd) {
#if defined(__AVX512F__)
    return (Unsigned)_mm512_mask_movehdup_ps((__m512)odd, 0x5555, (__m512)even);
#elif defined(__AVX2__)
    return (Unsigned)_mm256_blend_ps(_mm256_movehdup_ps((__m256)even), (__m256)odd, 0xaa);
#else
    return (Unsigned)(((UnsignedLongs)even >> 32) | ((UnsignedLongs)odd & 0xffffffff00000000));
#endif
}

// Phases of shifted indices.
NANOBRAGG_FN Phases phases_of(Doubles even, Doubles odd) { return (Phases)lower_halves(even, odd); }

// With almost a half more, all that is missing to the unit in the last place, the upper halves are the nearest whole
// indices (halves round down) plus kPhaseShiftBits, and the lower ones the phases plus 2^31 - 1.
constexpr double kNearestShift = kPhaseShift + 0.5 - 2.3283064365386963e-10;
NANOBRAGG_FN Unsigned wholes_of(Doubles even, Doubles odd) { return upper_halves(even, odd); }
NANOBRAGG_FN Phases phases_beside(Doubles even, Doubles odd) { return (Phases)(lower_halves(even, odd) - 0x7fffffffu); }

// Rare, and no loop's: one number after the other.
NANOBRAGG_FN Doubles sine(Doubles x) {
    for (int i = 0; i < kHalf; ++i) x[i] = sin(x[i]);
    return x;
}
NANOBRAGG_FN Doubles cosine(Doubles x) {
    for (int i = 0; i < kHalf; ++i) x[i] = cos(x[i]);
    return x;
}

// Whether any number is not 0.
NANOBRAGG_FN bool any_of(Unsigned x) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)x, (__m512i)x) != 0;
#elif defined(__AVX2__)
    return _mm256_testz_si256((__m256i)x, (__m256i)x) == 0;
#elif defined(__x86_64__)
    return _mm_movemask_epi8((__m128i)(x == 0)) != 0xffff;
#else
    uint32_t found = 0;
    for (int i = 0; i < kWidth; ++i) found |= x[i];
    return found != 0;
#endif
}

// (A template, since compilers differ in the integers that a comparison of doubles gives.)
template <class Mask>
NANOBRAGG_FN bool any_of(Mask x) {
    return any_of((Unsigned)x);
}

// One bit for each number of a comparison's result, the first number's lowest.
NANOBRAGG_FN uint32_t bits_of(Phases holds) {
#if defined(__AVX512F__)
    return _mm512_movepi32_mask((__m512i)holds);
#elif defined(__AVX2__)
    return (uint32_t)_mm256_movemask_ps((__m256)holds);
#elif defined(__x86_64__)
    return (uint32_t)_mm_movemask_ps((__m128)holds);
#else
    uint32_t bits = 0;
    for (int i = 0; i < kWidth; ++i) bits |= (uint32_t)(holds[i] != 0) << i;
    return bits;
#endif
}

NANOBRAGG_FN Singles larger(Singles x, Singles y) {
#if defined(__AVX512F__)
    return (Singles)_mm512_mask_max_ps(__m512{}, 0xffff, (__m512)x, (__m512)y);
#elif defined(__AVX2__)
    return (Singles)_mm256_max_ps((__m256)x, (__m256)y);
#elif defined(__x86_64__)
    return (Singles)_mm_max_ps((__m128)x, (__m128)y);
#else
    return x > y ? x : y;
#endif
}

// Nearest whole numbers, ties to even. |x| < 2^22.
NANOBRAGG_FN Phases wholes_of(Singles x) { return (Phases)(x + kRoundingSumSingle) - 0x4b400000; }

// exp(x) - exp(y), whose exponents are hardly ever positive.
[[gnu::noinline, gnu::cold]] static void subtract_exponentials(Doubles& x, const Doubles& y) {
    for (int i = 0; i < kHalf; ++i) x[i] = exp(x[i]) - exp(y[i]);
}
NANOBRAGG_FN Doubles exponential_difference(Doubles x, Doubles y) {
    if (!any_of(~((x <= 0.0) & (y <= 0.0)))) return exp_negative(x) - exp_negative(y);
    subtract_exponentials(x, y);
    return x;
}

NANOBRAGG_FN Singles gathered(const float* table, Unsigned place) {
#if defined(__AVX512F__)
    return (Singles)_mm512_mask_i32gather_ps(__m512{}, 0xffff, (__m512i)place, table, sizeof(float));
#else
    Singles out{};
    for (int i = 0; i < kWidth; ++i) out[i] = table[place[i]];
    return out;
#endif
}

// 2^n.
NANOBRAGG_FN Singles power_of_two(Phases n) { return (Singles)((n + 127) << 23); }

// What two registers of doubles hold, in one of single precision or of whole numbers: first those of `first`.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define NANOBRAGG_SHUFFLES 1
#endif
#endif
#ifdef NANOBRAGG_SHUFFLES
NANOBRAGG_FN Singles joined(HalfSingles first, HalfSingles second) {
    return __builtin_shufflevector(first, second, NANOBRAGG_COUNT, NANOBRAGG_COUNT_ON);
}
// The first, third and so on of two registers' numbers; and the second, fourth and so on.
NANOBRAGG_FN Doubles even_of(Doubles first, Doubles second) {
    return __builtin_shufflevector(first, second, NANOBRAGG_COUNT_EVEN);
}
NANOBRAGG_FN Doubles odd_of(Doubles first, Doubles second) {
    return __builtin_shufflevector(first, second, NANOBRAGG_COUNT_ODD);
}
NANOBRAGG_FN HalfSingles first_of(Singles x) { return __builtin_shufflevector(x, x, NANOBRAGG_COUNT); }
NANOBRAGG_FN HalfSingles second_of(Singles x) { return __builtin_shufflevector(x, x, NANOBRAGG_COUNT_ON); }
#else  // Through memory, which takes longer (GCC before 12)
NANOBRAGG_FN Singles joined(HalfSingles first, HalfSingles second) {
    Singles out;
    __builtin_memcpy(&out, &first, sizeof first);
    __builtin_memcpy((char*)&out + sizeof first, &second, sizeof second);
    return out;
}
NANOBRAGG_FN Doubles every_second(Doubles first, Doubles second, int from) {
    Doubles out{};
    for (int i = 0; i < kHalf; ++i) out[i] = i < kHalf / 2 ? first[2 * i + from] : second[2 * i + from - kHalf];
    return out;
}
NANOBRAGG_FN Doubles even_of(Doubles first, Doubles second) { return every_second(first, second, 0); }
NANOBRAGG_FN Doubles odd_of(Doubles first, Doubles second) { return every_second(first, second, 1); }
NANOBRAGG_FN HalfSingles first_of(Singles x) {
    HalfSingles half;
    __builtin_memcpy(&half, &x, sizeof half);
    return half;
}
NANOBRAGG_FN HalfSingles second_of(Singles x) {
    HalfSingles half;
    __builtin_memcpy(&half, (const char*)&x + sizeof half, sizeof half);
    return half;
}
#endif
NANOBRAGG_FN Singles singles_of(Doubles first, Doubles second) {
    return joined(__builtin_convertvector(first, HalfSingles), __builtin_convertvector(second, HalfSingles));
}
// The whole numbers in sums from with_whole.
NANOBRAGG_FN Phases wholes_in(Doubles first, Doubles second) {
    return (Phases)joined((HalfSingles) __builtin_convertvector((Longs)first, HalfPhases),
                          (HalfSingles) __builtin_convertvector((Longs)second, HalfPhases));
}
NANOBRAGG_FN Doubles widened(HalfSingles x) {
#if defined(__AVX512F__)  // GCC 12 makes two conversions of it
    return (Doubles)_mm512_maskz_cvtps_pd(0xff, (__m256)x);
#else
    return __builtin_convertvector(x, Doubles);
#endif
}
NANOBRAGG_FN Doubles first_half(Singles x) { return widened(first_of(x)); }
NANOBRAGG_FN Doubles second_half(Singles x) { return widened(second_of(x)); }

// A step of Newton's method towards 1/sqrt(x).
template <class Real>
NANOBRAGG_FN Real refined(Real estimate, Real x) {
    using Number = typename NumberOf<Real>::Type;
    return estimate + ((Number)0.5 * estimate) * ((Number)1 - (x * estimate) * estimate);
}

// 1/sqrt(x), x > 0, to 2e-7 at worst: the processor's estimate, refined.
NANOBRAGG_FN Singles inverse_root(Singles x) {
#if defined(__AVX512F__)
    return refined((Singles)_mm512_maskz_rsqrt14_ps(0xffff, (__m512)x), x);
#elif defined(__AVX2__)
    return refined(refined((Singles)_mm256_rsqrt_ps((__m256)x), x), x);
#elif defined(__x86_64__)
    return refined(refined((Singles)_mm_rsqrt_ps((__m128)x), x), x);
#else
    for (int i = 0; i < kWidth; ++i) x[i] = 1.0f / __builtin_sqrtf(x[i]);
    return x;
#endif
}

// The square root.
NANOBRAGG_FN Doubles root(Doubles x) {
#if defined(__AVX512F__)
    return (Doubles)_mm512_maskz_sqrt_pd(0xff, (__m512d)x);
#elif defined(__AVX2__)
    return (Doubles)_mm256_sqrt_pd((__m256d)x);
#elif defined(__x86_64__)
    return (Doubles)_mm_sqrt_pd((__m128d)x);
#else
    for (int i = 0; i < kHalf; ++i) x[i] = __builtin_sqrt(x[i]);
    return x;
#endif
}

// 1/sqrt(x) in double, to two units in the last place; 0 of 0, and of what is not finite.
NANOBRAGG_FN Doubles inverse_root(Doubles x) {
#if defined(__AVX512F__)
    const Doubles estimate = (Doubles)_mm512_maskz_rsqrt14_pd(0xff, (__m512d)x);
    // what the estimate misses, in a series that ends below the last place
    const Doubles miss = 1.0 - (x * estimate) * estimate;
    const Doubles inverse = estimate + (estimate * miss) * (0.5 + miss * (0.375 + miss * 0.3125));
#else
    const Doubles inverse = 1.0 / root(x);
#endif
    return ((x > 0) & (x < __builtin_inf())) ? inverse : Doubles{};
}

// What is left after the nearest whole number.
NANOBRAGG_FN Doubles fraction_of(Doubles x) {
#if defined(__AVX512DQ__)
    return (Doubles)_mm512_maskz_reduce_pd(0xff, (__m512d)x, 0);
#elif defined(__AVX2__)
    return x - (Doubles)_mm256_round_pd((__m256d)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    return x - round_whole(x);
#endif
}

// The same number, which stands in a register from here on: GCC 12 would load it anew for each instruction that has it.
template <class Register>
NANOBRAGG_FN Register held(Register x) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(x));
#endif
    return x;
}

// x 2^n for whole n up to 1023; 0 where that is denormal.
NANOBRAGG_FN Doubles scaled_by(Doubles x, Doubles n) {
#if defined(__AVX512F__)
    return (Doubles)_mm512_maskz_scalef_pd(0xff, (__m512d)x, (__m512d)n);
#else
    const Doubles bounded = n < -1021.0 ? Doubles{} - 1021.0 : n;
    return n < -1021.0 ? Doubles{} : x * power_of_two(bounded);
#endif
}

// x - root^2, rounded once.
NANOBRAGG_FN Singles beyond_square(Singles x, Singles root) {
#if defined(__AVX512F__)
    return (Singles)_mm512_fnmadd_ps((__m512)root, (__m512)root, (__m512)x);
#elif defined(__AVX2__) && defined(__FMA__)
    return (Singles)_mm256_fnmadd_ps((__m256)root, (__m256)root, (__m256)x);
#else
    const Doubles first = first_half(root), second = second_half(root);
    return singles_of(first_half(x) - first * first, second_half(x) - second * second);
#endif
}

}  // namespace nanobragg
