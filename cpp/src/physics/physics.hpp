// The physics of one evaluation, written once: used by the SIMD kernels and by any other renderer that wants it.
//
// Rules of this header: plain functions with internal linkage, nothing from the C++ standard library, no branches
// that a compiler could not turn into a selection. It is compiled under several instruction sets, so that a shared
// inline function would let AVX-512 code leak into programs that must run without it.
//
// Polynomials are minimax fits (Remez) of relative error as stated; tests/native compare them with libm.
#pragma once

#include <math.h>
#include <stdint.h>

#include "physics/inlined.hpp"

namespace nanobragg {

NANOBRAGG_FN double absolute(double x) { return __builtin_fabs(x); }
NANOBRAGG_FN float absolute(float x) { return __builtin_fabsf(x); }

// What libm has for one number; vectors.hpp has the same for registers full of them, and other number types bring
// theirs along.
NANOBRAGG_FN double root(double x) { return __builtin_sqrt(x); }
NANOBRAGG_FN double sine(double x) { return sin(x); }
NANOBRAGG_FN double cosine(double x) { return cos(x); }
NANOBRAGG_FN double exponential_difference(double x, double y) { return exp(x) - exp(y); }

// 1/sqrt(x); 0 of 0.
NANOBRAGG_FN double inverse_root(double x) {
    const double length = root(x);
    return length > 0 ? 1.0 / length : 0.0;
}

// Whether a comparison holds for any number of a register, or for the only one.
NANOBRAGG_FN bool any_of(bool holds) { return holds; }

// Nearest whole number, ties to even. |x| < 2^51.
NANOBRAGG_FN double round_whole(double x) { return (x + kRoundingSum) - kRoundingSum; }
NANOBRAGG_FN float round_whole(float x) { return (x + kRoundingSumSingle) - kRoundingSumSingle; }

// A sum whose last bits are the nearest whole number: no conversion, which few vector units have. |x| < 2^31.
NANOBRAGG_FN double with_whole(double x) { return x + kRoundingSum; }
NANOBRAGG_FN int32_t whole_in(double sum) {
    int64_t bits;
    __builtin_memcpy(&bits, &sum, sizeof bits);
    return (int32_t)bits;
}

// The whole number below; |x| < 2^51.
NANOBRAGG_FN double floor_whole(double x) {
    const double whole = round_whole(x);
    return whole > x ? whole - 1.0 : whole;
}

// sin(pi scale x) for |scale x| <= 1/2, scale a power of two, which costs nothing; relative error 2e-16 (double), 6e-8
// (single precision), plus rounding. Templates, so that they serve vectors, too.
template <int scale, class Double>
NANOBRAGG_FN Double sin_pi_double(Double x) {
    constexpr double s1 = scale, s2 = s1 * s1, s3 = s2 * s1, s5 = s3 * s2, s7 = s5 * s2, s9 = s7 * s2, s11 = s9 * s2,
                     s13 = s11 * s2, s15 = s13 * s2;
    const Double y = x * x;
    Double p = (-0.000021122954884553353514 * s15) * y + 0.00046597761891854790752 * s13;
    p = p * y - 0.0073703610724298295754 * s11;
    p = p * y + 0.0821458782567009152 * s9;
    p = p * y - 0.59926452877572537144 * s7;
    p = p * y + 2.5501640398597771122 * s5;
    p = p * y - 5.1677127800497525878 * s3;
    p = p * y + 3.141592653589792792 * s1;
    return x * p;
}
template <class Single>
NANOBRAGG_FN Single sin_pi_single(Single x) {
    const Single y = x * x;
    Single p = 0.077560391389719789201f * y - 0.59824212930563712307f;
    p = p * y + 2.5500697269350596687f;
    p = p * y - 5.1677096848420053554f;
    p = p * y + 3.1415926368961181998f;
    return x * p;
}
NANOBRAGG_FN double sin_pi(double x) { return sin_pi_double<1>(x); }
NANOBRAGG_FN float sin_pi(float x) { return sin_pi_single(x); }

// cos(2 pi x) for |x| <= 1/2, as the sine of what is missing to a right angle.
NANOBRAGG_FN double cos_two_pi(double x) { return sin_pi_double<2>(0.25 - absolute(x)); }
// sin(2 pi x) for |x| <= 1/2: beyond a right angle, the sine of what is missing to half a turn.
NANOBRAGG_FN double sin_two_pi(double x) {
    const double half = x < 0 ? -0.5 : 0.5;
    return sin_pi_double<2>(absolute(x) > 0.25 ? half - x : x);
}

// 2^x for |x| <= 1/2; relative error 4e-17 (double), 2e-9 (float), plus rounding.
template <class Double>
NANOBRAGG_FN Double exp2_fraction_double(Double x) {
    Double p = 4.4352858563341355163e-10 * x + 7.0741058097481441739e-9;
    p = p * x + 1.017819799974966941e-7;
    p = p * x + 1.3215433088590364145e-6;
    p = p * x + 0.000015252733490053182249;
    p = p * x + 0.00015403530462516470261;
    p = p * x + 0.0013333558146789819822;
    p = p * x + 0.0096181291075883337087;
    p = p * x + 0.055504108664819922388;
    p = p * x + 0.24022650695910156209;
    p = p * x + 0.69314718055994533044;
    return p * x + 1.0;
}
template <class Single>
NANOBRAGG_FN Single exp2_fraction_single(Single x) {
    Single p = 0.00015345789023112973529f * x + 0.0013399930860573837376f;
    p = p * x + 0.0096184890475631573687f;
    p = p * x + 0.055503287783850099221f;
    p = p * x + 0.24022646889789742741f;
    p = p * x + 0.69314720573620581784f;
    return p * x + 1.0000000005542559385f;
}
NANOBRAGG_FN double exp2_fraction(double x) { return exp2_fraction_double(x); }
NANOBRAGG_FN float exp2_fraction(float x) { return exp2_fraction_single(x); }

// 2^n as a bit pattern; n whole, in [-1022, 1023] (double), [-126, 127] (float). In double without a conversion to an
// integer, which few vector units have: added to 1.5 x 2^52, n stands in the last bits as it is.
NANOBRAGG_FN double power_of_two(double n) {
    const double shifted = n + (6755399441055744.0 + 1023.0);
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    double result;
    __builtin_memcpy(&result, &bits, sizeof result);
    return result;
}
NANOBRAGG_FN float power_of_two(int32_t n) {
    const int32_t bits = (n + 127) << 23;
    float result;
    __builtin_memcpy(&result, &bits, sizeof result);
    return result;
}

// exp(x) for x <= 0 (any x up to 700); below -708 it is 0.
template <class Double>
NANOBRAGG_FN Double exp_negative(Double x) {
    constexpr double log2e = 1.4426950408889634074, high = 0.693147180369123816490, low = 1.90821492927058770002e-10;
    const Double floor_x = x < -708.0 ? filled<Double>(-708.0) : x;
    const Double n = round_whole(floor_x * log2e);
    // The remainder in two steps, so that no digit of a large x is lost.
    const Double rest = ((floor_x - n * high) - n * low) * log2e;
    const Double value = exp2_fraction_double(rest) * power_of_two(n);
    return x < -708.0 ? filled<Double>(0.0) : value;
}

// Where a slab of thickness 1 absorbs, on average, if exp(-x z) is left of the rays at depth z: 1/x - 1/(exp(x) - 1),
// which is 1/2 of 0. Absolute error 3e-13.
template <class Double>
NANOBRAGG_FN Double mean_absorption_depth(Double x) {
    const Double size = x < 0.0 ? -x : x, square = size * size;
    // The two terms cancel where x is small.
    const Double series =
        0.5 + size * (-1.0 / 12 +
                      square * (1.0 / 720 + square * (-1.0 / 30240 + square * (1.0 / 1209600 - square / 47900160))));
    const Double away = size < 0.5 ? filled<Double>(0.5) : size;
    const Double left = exp_negative(-away);
    const Double closed = 1.0 / away - left / (1.0 - left);
    const Double depth = size < 0.5 ? series : closed;
    return x < 0.0 ? 1.0 - depth : depth;
}

// Its slope. Absolute error 1e-13.
template <class Double>
NANOBRAGG_FN Double mean_absorption_slope(Double x) {
    const Double size = x < 0.0 ? -x : x, square = size * size;
    Double series = 691.0 / 118879488000 * square - 9.0 / 47900160;
    series = series * square + 7.0 / 1209600;
    series = series * square - 5.0 / 30240;
    series = series * square + 3.0 / 720;
    series = series * square - 1.0 / 12;
    const Double away = size < 0.5 ? filled<Double>(0.5) : size;
    const Double left = exp_negative(-away), absorbed = 1.0 - left;
    return size < 0.5 ? series : left / (absorbed * absorbed) - 1.0 / (away * away);
}

// The smallest distance from a reciprocal-lattice point that is told apart from it: keeps 0/0 out of the kernel
// sin(pi N d)/sin(pi d), which is even and flat there.
NANOBRAGG_FN double away_from_zero(double x) {
    const double distance = absolute(x);
    return distance < 1e-12 ? 1e-12 : distance;
}

// A fractional index as a 32-bit phase: the fraction, in turns of 2^32, as a signed number in [-1/2, 1/2).
// `shifted` is the index plus 1.5 x 2^20, whose unit in the last place is 2^-32; it wraps by itself, and so do its
// multiples. |index| < 2^19.
constexpr double kPhaseShift = 1572864.0;
constexpr int32_t kPhaseShiftBits = 0x41380000;  // upper half of kPhaseShift as a double
NANOBRAGG_FN int32_t phase_of(double shifted) {
    int64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    return (int32_t)bits;
}
// The nearest odd phase: never 0, which would be 0/0, and never more than 2^-32 turns away.
NANOBRAGG_FN int32_t odd_phase(int32_t phase) { return phase | 1; }
constexpr float kTurn = 2.3283064365386963e-10f;  // 2^-32
NANOBRAGG_FN float turns(int32_t phase) { return (float)phase * kTurn; }
NANOBRAGG_FN int32_t times(int32_t phase, int32_t cells) { return (int32_t)((uint32_t)phase * (uint32_t)cells); }
// cos(2 pi x) of a phase.
NANOBRAGG_FN float cos_two_pi(int32_t phase) { return sin_pi(0.5f - absolute((float)phase) * (2 * kTurn)); }
// sin(2 pi x) of a phase: that of half a turn less it is the same, and one of the two is up to a right angle.
NANOBRAGG_FN float sin_two_pi(int32_t phase) {
    const int32_t other = (int32_t)(0x80000000u - (uint32_t)phase);
    const float a = (float)phase, b = (float)other;
    return sin_pi((absolute(a) < absolute(b) ? a : b) * (2 * kTurn));
}
// The nearest whole index of a shifted index; halves round down.
NANOBRAGG_FN int32_t whole_of(double shifted) {
    int64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    return (int32_t)((bits + 0x7fffffff) >> 32) - kPhaseShiftBits;
}

// F_latt of a uniform sphere, 3 (sin x / x - cos x) / x^2 at x = pi u, u >= 0, up to its sign. Below x = 1, where
// the formula cancels, its Taylor series in x^2.
template <class Double>
NANOBRAGG_FN Double sphere_transform(Double u) {
    const Double x = kPi * u;
    const Double y = x < 1.0 ? x * x : filled<Double>(1.0);
    Double series = 4.4391430331771380472e-16 * y - 1.3494994820858499663e-13;
    series = series * y + 3.2118087673643229199e-11;
    series = series * y - 5.7812557812557812558e-9;
    series = series * y + 7.5156325156325156325e-7;
    series = series * y - 0.000066137566137566137566;
    series = series * y + 0.0035714285714285714286;
    series = series * y - 0.1;
    series = series * y + 1.0;
    // sin and cos of pi u share the sign that whole turns would give them.
    const Double r = u - round_whole(u);
    const Double s = sin_pi_double<1>(r), c = sin_pi_double<1>(0.5 - absolute(r));
    const Double far = x < 1.0 ? filled<Double>(1.0) : x;
    const Double inverse = 1.0 / far;
    const Double formula = 3.0 * (s * inverse - c) * inverse * inverse;
    return x < 1.0 ? series : formula;
}
// Its slope by x^2, at a u whose transform is `value`: the derivatives of the same series and formula.
template <class Double>
NANOBRAGG_FN Double sphere_slope(Double u, Double value) {
    const Double x = kPi * u;
    const Double y = x < 1.0 ? x * x : filled<Double>(1.0);
    Double series = 3.5513144265417104e-15 * y - 9.44649637460095e-13;
    series = series * y + 1.927085260418593e-10;
    series = series * y - 2.890627890627891e-8;
    series = series * y + 3.00625300625300625e-6;
    series = series * y - 0.000198412698412698412701;
    series = series * y + 0.0071428571428571428572;
    series = series * y - 0.1;
    const Double far = x < 1.0 ? filled<Double>(1.0) : x;
    const Double inverse = 1.0 / far;
    const Double formula = 1.5 * (sin_pi_double<1>(u - round_whole(u)) * inverse - value) * inverse * inverse;
    return x < 1.0 ? series : formula;
}

// 1/x - cot(x), for |x| <= pi/64 (single precision: pi/8): the series that is left of the two without their poles, to
// the last places.
template <class Real>
NANOBRAGG_FN Real cotangent_rest(Real x) {
    using Number = typename NumberOf<Real>::Type;
    const Real y = x * x;
    Real p = (Number)0.00021164021164021165 * y + (Number)0.0021164021164021165;
    p = p * y + (Number)0.022222222222222223;
    p = p * y + (Number)0.33333333333333331;
    return x * p;
}

// The sphere's transform in single precision, times pi^3/3, at u^2 = `square`. Far from the centre the phase pi u needs
// more digits than a float has, and gets them from `residual`, u^2 - root^2. `inverse` is 1/root, or anything where the
// root is 0.
constexpr float kSphereUnit = 0.09675460329959848f;  // 3/pi^3
template <class Single>
NANOBRAGG_FN Single sphere_transform_single(Single square, Single root, Single inverse, Single residual) {
    Single series = 0.07370430945714347f * square - 0.6571670928890258f;
    series = series * square + 3.5955871759247513f;
    series = series * square - 10.20065615950938f;
    series = series * square + 10.335425560099939f;
    const Single r = (root - round_whole(root)) + residual * (0.5f * inverse), rest = 0.5f - absolute(r);
    const Single y = rest * rest;
    Single p = 0.24366315579949274f * y - 1.8794330784945048f;  // sin_pi's, times pi
    p = p * y + 8.011280320280914f;
    p = p * y - 16.23483878178447f;
    p = p * y + 9.869604348644632f;
    const Single formula = (sin_pi_single(r) * inverse - rest * p) * inverse * inverse;
    return square < 0.10132118364233778f ? series : formula;  // pi u = 1
}
// The slope by u^2 of the transform itself, which is `value` there.
template <class Single>
NANOBRAGG_FN Single sphere_slope_single(Single square, Single root, Single inverse, Single residual, Single value) {
    Single series = -0.0027070165793721033f * square + 0.028524924891987043f;
    series = series * square - 0.1907518241220842f;
    series = series * square + 0.6957792216714458f;
    series = series * square - 0.9869604401089358f;
    const Single r = (root - round_whole(root)) + residual * (0.5f * inverse);
    const Single formula = 1.5f * (sin_pi_single(r) * (0.31830988618f * inverse) - value) * inverse * inverse;
    return square < 0.10132118364233778f ? series : formula;  // pi u = 1
}
NANOBRAGG_FN float sphere_transform_mixed(double u_squared) {
    const float square = (float)u_squared, root = __builtin_sqrtf(square);
    return kSphereUnit *
           sphere_transform_single(square, root, 1.0f / root, (float)(u_squared - (double)root * (double)root));
}

// Kahn polarization factor (Kahn et al. 1982): cos(2 theta), and the components of the diffracted ray along the
// incident E and B vectors.
template <class Real>
NANOBRAGG_FN Real polarization_factor(double kahn, Real cos2theta, Real electric, Real magnetic) {
    const Real one = filled<Real>(1.0), c = cos2theta * cos2theta;
    const Real e = electric * electric, m = magnetic * magnetic, total = e + m;
    const Real cos2psi = total > 0 ? (e - m) / (total > 0 ? total : one) : one;
    return 0.5 * (1.0 + c - kahn * cos2psi * (1.0 - c));
}

}  // namespace nanobragg
