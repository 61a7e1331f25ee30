#include "cpu/isa.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "nanobragg/error.hpp"
#include "nanobragg/render.hpp"

namespace nanobragg {
namespace {

std::vector<const KernelTable*> available_kernels() {
    std::vector<const KernelTable*> tables{&baseline::kTable};
#if defined NANOBRAGG_KERNELS_AVX2 || defined NANOBRAGG_KERNELS_AVX512
    // The compiler's run-time check looks at cpuid and at what the operating system saves (xgetbv).
    __builtin_cpu_init();
#endif
#ifdef NANOBRAGG_KERNELS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::kTable);
#endif
#ifdef NANOBRAGG_KERNELS_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")) {
        tables.push_back(&avx512::kTable);
    }
#endif
    return tables;
}

}  // namespace

std::vector<std::string> available_instruction_sets() {
    std::vector<std::string> names;
    for (const KernelTable* table : available_kernels()) names.emplace_back(table->name);
    return names;
}

const KernelTable& chosen_kernels() {
    const auto tables = available_kernels();
    const char* forced = std::getenv("NANOBRAGG_ISA");
    if (forced == nullptr || *forced == '\0') return *tables.back();
    std::string names;
    for (const KernelTable* table : tables) {
        if (std::string(forced) == table->name) return *table;
        names += (names.empty() ? "" : ", ") + std::string(table->name);
    }
    throw InputError("NANOBRAGG_ISA: found " + std::string(forced) +
                     ", expected one that this processor has: " + names);
}

double peak_rate(bool double_precision, double seconds) {
    using Clock = std::chrono::steady_clock;
    const KernelTable& table = chosen_kernels();
    const PeakFunction peak = double_precision ? table.peak_double : table.peak_float;
    double sink = 0, best = 0;
    const auto begin = Clock::now();
    do {
        const auto start = Clock::now();
        const double operations = peak(100000, &sink);
        const double spent = std::chrono::duration<double>(Clock::now() - start).count();
        best = std::max(best, operations / spent);
    } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
    return sink < 0 ? 0 : best;  // sink is positive; the compiler does not know
}

std::string chosen_instruction_set() { return chosen_kernels().name; }

}  // namespace nanobragg
