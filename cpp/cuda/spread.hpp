// Point spread functions on a device: what a thread does of a Fourier transform in single precision (specs/response.md,
// "On a device"). Compiled without contraction, the same bits on every device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "physics/inlined.hpp"
#include "physics/philox.hpp"

namespace nanobragg::gpu {

struct alignas(8) Complex {
    float re, im;
};

NANOBRAGG_HD inline Complex plus(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
NANOBRAGG_HD inline Complex times(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
NANOBRAGG_HD inline Complex conjugate(Complex a) { return {a.re, -a.im}; }

// Two rows of the panel are the real and the imaginary part of one row of numbers, and transformed as one. Then each
// row gets its own transform, of which the half is kept: the other half has the conjugates.
enum class SpreadStep {
    load,       // pairs of rows of the panel, zeros after them
    transform,  // one factor of the length of rows, or of columns
    part,       // pairs of rows into rows, zeros after them
    multiply,   // by the function's transform
    join,       // rows into pairs
    store,      // pairs of rows into the panel
};

// One factor of Fourier transforms of many lines, out of place (W. T. Cochran et al., Proc. IEEE 55 (1967) 1664-1674,
// in T. G. Stockham's order, which needs no reordering).
struct SpreadPass {
    const Complex* roots;         // exp(-2 pi i k / length), k from 0 on
    std::uint32_t length, radix;  // of a line; the factor
    std::uint32_t done;           // product of the factors before it
    std::int64_t line, element;   // from one line, or element, to the next
    bool columns;                 // lines are columns, and neighbouring threads take neighbouring lines
    bool back;                    // the inverse transform, but for its scale
};

struct SpreadJob {
    SpreadStep step;
    std::uint32_t wide, high;           // threads along either axis
    std::uint32_t slow, fast;           // of the panel
    std::uint32_t rows, columns, half;  // of its transform, padded, even; columns that are kept
    float* panel;                       // photons
    const Complex* from;
    Complex* to;
    const float* spectrum;  // (rows/2 + 1, half) of a function that is real and even, or (rows, half) complex ones
    bool even;
    SpreadPass pass;
};

// Light without a number is none: it would spread over the whole panel.
NANOBRAGG_HD inline float finite_light(float light) {
    constexpr float most = 3.4028234663852886e38F;
    if (light != light) return 0.0F;
    return light > most ? most : light < -most ? -most : light;
}

NANOBRAGG_HD inline void load_pair(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    const float* row = job.panel + std::int64_t{2} * y * job.fast;
    const bool inside = x < job.fast, both = 2 * y + 1 < job.slow;
    job.to[static_cast<std::int64_t>(y) * job.columns + x] = {inside ? finite_light(row[x]) : 0.0F,
                                                              inside && both ? finite_light(row[job.fast + x]) : 0.0F};
}

NANOBRAGG_HD inline void part_pair(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    Complex out{0.0F, 0.0F};
    if (y < job.slow) {
        const Complex* pair = job.from + static_cast<std::int64_t>(y / 2) * job.columns;
        const Complex a = pair[x], b = pair[x == 0 ? 0 : job.columns - x];
        out = y % 2 == 0 ? Complex{0.5F * (a.re + b.re), 0.5F * (a.im - b.im)}
                         : Complex{0.5F * (a.im + b.im), 0.5F * (b.re - a.re)};
    }
    job.to[static_cast<std::int64_t>(y) * job.half + x] = out;
}

NANOBRAGG_HD inline void multiply_by_spectrum(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    const std::int64_t at = static_cast<std::int64_t>(y) * job.half + x;
    const float scale = 1.0F / (static_cast<float>(job.rows) * static_cast<float>(job.columns));
    const Complex wave = job.from[at];
    if (job.even) {
        const std::uint32_t row = y <= job.rows / 2 ? y : job.rows - y;
        const float by = job.spectrum[static_cast<std::int64_t>(row) * job.half + x] * scale;
        job.to[at] = {wave.re * by, wave.im * by};
    } else {
        job.to[at] = times(wave, {job.spectrum[2 * at] * scale, job.spectrum[2 * at + 1] * scale});
    }
}

// An element of a whole row, of which the half is there.
NANOBRAGG_HD inline Complex of_row(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    if (y >= job.slow) return {0.0F, 0.0F};
    const Complex* row = job.from + static_cast<std::int64_t>(y) * job.half;
    return x < job.half ? row[x] : conjugate(row[job.columns - x]);
}

NANOBRAGG_HD inline void join_pair(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    const Complex a = of_row(job, x, 2 * y), b = of_row(job, x, 2 * y + 1);
    job.to[static_cast<std::int64_t>(y) * job.columns + x] = {a.re - b.im, a.im + b.re};
}

NANOBRAGG_HD inline void store_pixel(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    const Complex both = job.from[static_cast<std::int64_t>(y / 2) * job.columns + x];
    job.panel[static_cast<std::int64_t>(y) * job.fast + x] = y % 2 == 0 ? both.re : both.im;
}

NANOBRAGG_HD inline Complex root_of(const SpreadPass& pass, std::uint32_t number) {
    return pass.back ? conjugate(pass.roots[number]) : pass.roots[number];
}

// As many elements of a line as the factor, `length / radix` of them apart: their transform, turned, goes to elements
// `done` apart.
template <int radix>
NANOBRAGG_HD inline void transform_elements(const SpreadJob& job, std::uint32_t line, std::uint32_t number) {
    const SpreadPass& pass = job.pass;
    const std::uint32_t within = number % pass.done, group = number / pass.done, apart = pass.length / radix;
    const Complex* from = job.from + line * pass.line + number * pass.element;
    Complex* to =
        job.to + line * pass.line + (static_cast<std::int64_t>(group) * radix * pass.done + within) * pass.element;
    Complex in[radix], roots[radix];
    NANOBRAGG_UNROLL
    for (int i = 0; i < radix; ++i) {
        in[i] = from[i * (apart * pass.element)];
        roots[i] = root_of(pass, static_cast<std::uint32_t>(i) * apart);
    }
    NANOBRAGG_UNROLL
    for (int j = 0; j < radix; ++j) {
        Complex sum = in[0];
        NANOBRAGG_UNROLL
        for (int i = 1; i < radix; ++i)
            sum = plus(sum, i * j % radix == 0 ? in[i] : times(in[i], roots[i * j % radix]));
        const std::uint32_t turn = group * static_cast<std::uint32_t>(j) * pass.done;
        to[j * (pass.done * pass.element)] = turn == 0 ? sum : times(sum, root_of(pass, turn));
    }
}

// Calls call(std::integral_constant<int, radix>()).
template <class Call>
void with_radix(std::uint32_t radix, const Call& call) {
    switch (radix) {
        case 2:
            return call(std::integral_constant<int, 2>());
        case 3:
            return call(std::integral_constant<int, 3>());
        case 4:
            return call(std::integral_constant<int, 4>());
        case 5:
            return call(std::integral_constant<int, 5>());
        case 7:
            return call(std::integral_constant<int, 7>());
        case 8:
            return call(std::integral_constant<int, 8>());
        default:
            return call(std::integral_constant<int, 11>());
    }
}

// The work of one thread in any step but `transform`.
NANOBRAGG_HD inline void spread_pixel(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    switch (job.step) {
        case SpreadStep::load:
            return load_pair(job, x, y);
        case SpreadStep::part:
            return part_pair(job, x, y);
        case SpreadStep::multiply:
            return multiply_by_spectrum(job, x, y);
        case SpreadStep::join:
            return join_pair(job, x, y);
        default:
            return store_pixel(job, x, y);
    }
}

template <int radix>
NANOBRAGG_HD inline void transform_at(const SpreadJob& job, std::uint32_t x, std::uint32_t y) {
    job.pass.columns ? transform_elements<radix>(job, x, y) : transform_elements<radix>(job, y, x);
}

}  // namespace nanobragg::gpu
