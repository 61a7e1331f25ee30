// What a counter with a dead time makes of photons (specs/response.md, "Dead time"): sums, products and quotients only,
// so that every machine counts alike. For CPU and GPU; compiled without contraction.
#pragma once

#include <cmath>
#include <cstdint>

#include "nanobragg/measurement.hpp"
#include "physics/philox.hpp"

namespace nanobragg {

/// exp(-x) for x >= 0, to 1e-14 relative for every two in x.
NANOBRAGG_HD inline double exp_minus_any(double x) {
    if (x > 800.0) return 0.0;
    int squares = 0;
    for (; x >= 10.0; x *= 0.5) ++squares;
    double e = exp_minus(x);
    for (; squares > 0; --squares) e *= e;
    return e;
}

/// exp(-x) (exp(x) - 1 - x^2) for x >= 0, given exp(-x). Nothing is lost where x is small.
NANOBRAGG_HD inline double excess_of_counts(double x, double e) {
    if (x >= 0.5) return 1.0 - e * (1.0 + x * x);
    double series = 1.0 / 6227020800.0;  // (exp(x) - 1 - x - x^2/2) / x^3: Taylor's
    series = series * x + 1.0 / 479001600.0;
    series = series * x + 1.0 / 39916800.0;
    series = series * x + 1.0 / 3628800.0;
    series = series * x + 1.0 / 362880.0;
    series = series * x + 1.0 / 40320.0;
    series = series * x + 1.0 / 5040.0;
    series = series * x + 1.0 / 720.0;
    series = series * x + 1.0 / 120.0;
    series = series * x + 1.0 / 24.0;
    series = series * x + 1.0 / 6.0;
    return e * x * (1.0 + x * (series * x - 0.5));
}

NANOBRAGG_HD inline CountedMoments moments_of_counts(double photons, double dead_time, bool paralyzable) {
    const double x = photons * dead_time;
    if (paralyzable) {
        const double e = exp_minus_any(x);
        return {photons * e, photons * e * excess_of_counts(x, e)};
    }
    const double free = 1.0 / (1.0 + x), square = free * free;
    return {photons * free, photons * x * square * square};
}

/// Of a whole number of photons and a normal deviate.
NANOBRAGG_HD inline float counted_photons(float photons, const DeadTime& counter, double normal) {
    const auto n = static_cast<double>(photons);
    const CountedMoments of = moments_of_counts(n, counter.part, counter.paralyzable);
    const double deviate = static_cast<double>(static_cast<float>(normal));
    double counts = std::floor(of.mean + std::sqrt(of.variance) * deviate + 0.5);
    counts = counts > 0.0 ? counts : 0.0;
    return static_cast<float>(counts < n ? counts : n);
}

}  // namespace nanobragg
