// Kernels for test_emulator.cpp: sound ones, and some with one fault each.
#pragma once

#include <cstdint>

constexpr int kTeam = 64;  // threads of a block

struct Operands {
    double x, y;
    std::int64_t i, j;
};
constexpr int kResults = 24;
struct Results {
    std::uint64_t bits[kResults];
};

// What the kernel `arithmetic` computes, on either side. In pieces that no compiler fuses.
#ifdef __CUDACC__
__host__ __device__
#endif
    inline void compute(const Operands& of, Results& out) {
    const auto bits_of = [](double x) {
        union {
            double number;
            std::uint64_t bits;
        } both{x};
        return both.bits;
    };
    const std::int32_t i = static_cast<std::int32_t>(of.i), j = static_cast<std::int32_t>(of.j);
    const std::uint64_t u = static_cast<std::uint64_t>(of.i), v = static_cast<std::uint64_t>(of.j);
    const float x = static_cast<float>(of.x), y = static_cast<float>(of.y);
    int n = 0;
    out.bits[n++] = bits_of(of.x + of.y);
    out.bits[n++] = bits_of(of.x * of.y);
    out.bits[n++] = bits_of(of.x / of.y);
    out.bits[n++] = bits_of(__builtin_sqrt(of.x * of.x));
    out.bits[n++] = bits_of(__builtin_fma(of.x, of.y, 1.0));
    out.bits[n++] = bits_of(__builtin_floor(of.x));
    out.bits[n++] = bits_of(x / y);
    out.bits[n++] = bits_of(static_cast<double>(of.i) - static_cast<double>(j));
    out.bits[n++] = static_cast<std::uint64_t>(static_cast<std::int64_t>(of.x));
    out.bits[n++] = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(of.y)));
    out.bits[n++] = u + v;
    out.bits[n++] = u * v;
    out.bits[n++] = static_cast<std::uint64_t>(of.i / of.j);
    out.bits[n++] = static_cast<std::uint64_t>(of.i % of.j);
    out.bits[n++] = u / v;
    out.bits[n++] = static_cast<std::uint64_t>(static_cast<std::int64_t>(i >> (of.j & 31)));
    out.bits[n++] = u << (of.j & 63);
    out.bits[n++] = u >> (of.j & 63);
    out.bits[n++] = static_cast<std::uint64_t>(static_cast<std::int64_t>(i) * j);
    out.bits[n++] = (u & v) ^ ~(u | 12345);
    out.bits[n++] = of.x < of.y ? 1 : of.i < of.j ? 2 : u < v ? 3 : 4;
    out.bits[n++] = x < y ? 1 : i < j ? 2 : 3;
    out.bits[n++] = static_cast<std::uint64_t>(of.i < 0 ? -of.i : of.i);
    out.bits[n++] = (static_cast<std::uint64_t>(static_cast<std::uint32_t>(i)) * static_cast<std::uint32_t>(j)) >> 32;
}

// Each works on arrays of kTeam numbers for a block.
enum class Sample {
    sums,               // through shared memory: out[block] is the sum of its part of `in`
    adds_to_one_place,  // out[0] and `in` together
    loads_beyond,
    stores_beyond,
    loads_beyond_shared,
    loads_unwritten,
    loads_misaligned,
    loads_a_misaligned_pair,
    loads_half_written,
    stores_beyond_local,
    loads_unwritten_local,
    loads_what_it_stored_as_constant,
    loads_unwritten_shared,
    forgets_a_barrier,        // before a load of what a neighbour stored
    forgets_another_barrier,  // before a store to what the others load
    stores_to_one_place,
    loads_what_another_block_stores,
    loads_what_others_add_to,
    stores_to_what_others_add_to,
    adds_to_what_others_load,
    leaves_some_waiting,
    waits_in_two_places
};

void launch_sample(Sample sample, int blocks, const double* in, double* out);
void launch_arithmetic(int blocks, const Operands* in, Results* out);
