// Terms near spots, from lists of those that can matter for a piece of a row (plan/spots.hpp): the pixels around a spot
// are the vector, in whole registers of the raster. A part of kernel.inl.

// Directions less the incident one of a chunk's pixels, in registers that some spot wants; and as single precision has
// them, with what that leaves.
struct Surroundings {
    alignas(64) double x[kChunk], y[kChunk], z[kChunk];
    alignas(64) float single[3][kChunk], rest[3][kChunk];
    bool known[kChunk / kWidth];
    int32_t last[kChunk / kWidth];  // orientation that was evaluated there

    explicit Surroundings(int n) {
        for (int b = 0; b < n / kWidth; ++b) {
            known[b] = false;
            last[b] = -1;
        }
    }
    // kWidth pixels from number `p` on, a multiple of kWidth.
    void look(const Rays& rays, const double* incident, int p) {
        if (known[p / kWidth]) return;
        known[p / kWidth] = true;
        for (int j = p; j < p + kWidth; j += kHalf) {
            const Ray<Doubles> ray = ray_of(rays, j);
            doubles_at(x + j) = ray.x - incident[0];
            doubles_at(y + j) = ray.y - incident[1];
            doubles_at(z + j) = ray.z - incident[2];
        }
        const double* to[3] = {x, y, z};
        for (int i = 0; i < 3; ++i) {
            const Doubles first = doubles_at(to[i] + p), second = doubles_at(to[i] + p + kHalf);
            const Singles near = singles_of(first, second);
            singles_at(single[i] + p) = near;
            singles_at(rest[i] + p) = singles_of(first - first_half(near), second - second_half(near));
        }
    }
};

// Spots are some six pixels wide: of longer registers the half is enough.
#if defined(__AVX512F__)
constexpr int kNear = kHalf;
using Near = HalfSingles;
using NearWholes = HalfPhases;
#else
constexpr int kNear = kWidth;
using Near = Singles;
using NearWholes = Phases;
#endif

// Numbers that begin anywhere.
struct [[gnu::packed, gnu::aligned(4)]] AnyNear {
    Near of;
};
struct [[gnu::packed, gnu::aligned(8)]] AnyDoubles {
    Doubles of;
};
NANOBRAGG_FN Near any_near(const float* values) { return ((const AnyNear*)values)->of; }
NANOBRAGG_FN void add_doubles(double* values, Doubles more) { ((AnyDoubles*)values)->of += more; }

// values[i] += x[i] * factor.
NANOBRAGG_FN void add_near(double* values, HalfSingles x, double factor) { add_doubles(values, widened(x) * factor); }
NANOBRAGG_FN void add_near(double* values, Singles x, double factor) {
    add_near(values, first_of(x), factor);
    add_near(values + kHalf, second_of(x), factor);
}

// Adds a round Gaussian to kNear pixels, `peak` at its middle. What a pixel is given does not depend on the others.
NANOBRAGG_FN void add_gaussian(const Spot& spot, float sharpness, double peak, const Surroundings& at, int p,
                               double* acc) {
    Near away[3];
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) {
        away[i] = (any_near(at.single[i] + p) - spot.node[i]) + (any_near(at.rest[i] + p) - spot.rest[i]);
    }
    const Near radius = (away[0] * away[0] + (away[1] * away[1] + away[2] * away[2])) * sharpness;
    const auto near = radius < spot.limit;
    const Near power = near ? -radius : Near{}, shifted = power + kRoundingSumSingle;
    const NearWholes whole = (NearWholes)shifted - 0x4b400000;
    const Near scale = (Near)((whole + 127) << 23);
    const Near value = exp2_fraction_single(power - (shifted - kRoundingSumSingle)) * scale;
    add_near(acc + p, near ? value : Near{}, peak);
}

// A Gaussian's pixels of a row, from number `from` to `to`.
NANOBRAGG_FN void add_row(const Beamline& line, int n, const Spot& spot, int from, int to, float sharpness, double peak,
                          Surroundings& at, double* acc) {
    const int registers = (to - from + kNear) / kNear, least = n - registers * kNear;
    for (int r = 0, p = from < least ? from : least; r < registers; ++r, p += kNear) {
        at.look(line.rays, line.incident, p / kWidth * kWidth);
        at.look(line.rays, line.incident, (p + kNear - 1) / kWidth * kWidth);
        add_gaussian(spot, sharpness, peak * (double)spot.f_squared, at, p, acc);
    }
}

constexpr int64_t kTogether = 256;  // spots

// acc += the terms of one source, whose spots these are (numbers from `begin` to `end`).
void sum_spots(const KernelScene& s, Lookup lookup, const ChunkTask& task, const Beamline& line, int n, int64_t begin,
               int64_t end, const WithinSteps& steps, Allowance& allowance, double* acc) {
    const SpotList& list = *task.spots;
    const Lines lines(line.sources, 1, steps.alternates);
    Within within(s, lookup, *task.bounds, line, 0, acc, allowance, steps);
    Surroundings at(n);
    const double nu = line.sources[0].inverse_wavelength;
    const double peak = line.sources[0].weight * s.block_size * s.block_size;
    const auto sharpness = (float)(list.sharpness * nu * nu);
    const bool direct = steps.mixed && list.sharpness > 0 && lookup != Lookup::tricubic;
    const int64_t done = task.lead + task.count;
    int64_t terms = 0;
    for (int64_t i = begin; i < end; i += kTogether) {
        // Those of the row, half of all, listed without a branch that no processor foresees.
        uint16_t own[kTogether];
        int count = 0;
        const int64_t some = end - i < kTogether ? end - i : kTogether;
        for (int64_t j = 0; j < some; ++j) {
            own[count] = (uint16_t)j;
            count += (list.rows[i + j] & list.row) != 0 ? 1 : 0;
        }
        for (int j = 0; j < count; ++j) {
            const Spot& spot = list.spots[i + own[j]];
            const int64_t first = spot.first_fast - task.fast, last = spot.last_fast - task.fast;
            const int from = first < 0 ? 0 : (int)first, to = last < n - 1 ? (int)last : n - 1;
            if (from > to) continue;
            if (direct) {
                const int64_t counted = (to + 1 < done ? to + 1 : done) - (from < task.lead ? task.lead : from);
                terms += counted > 0 ? counted : 0;
                add_row(line, n, spot, from, to, sharpness, peak, at, acc);
                continue;
            }
            for (int p = from / kWidth * kWidth; p <= to; p += kWidth) {
                at.look(line.rays, line.incident, p);
                if (at.last[p / kWidth] == spot.orientation) continue;
                at.last[p / kWidth] = spot.orientation;
                const int64_t begun = p < task.lead ? task.lead : p;
                const int64_t counted = (p + kWidth < done ? p + kWidth : done) - begun;
                terms += counted > 0 ? counted : 0;
                within.turns = task.bounds->orientations + 9 * (int64_t)spot.orientation;
                const double* to_pixels[3] = {at.x + p, at.y + p, at.z + p};
                const uint16_t only = 0;
                const Halves sum = steps.of_pixels(within, lines, to_pixels, &only, 1);
                doubles_at(acc + p) += sum.first * steps.unit;
                doubles_at(acc + p + kHalf) += sum.second * steps.unit;
            }
        }
    }
    allowance.terms += terms;
}
