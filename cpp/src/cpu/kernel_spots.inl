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

// Numbers that begin anywhere.
struct [[gnu::packed, gnu::aligned(4)]] AnySingles {
    Singles of;
};
struct [[gnu::packed, gnu::aligned(8)]] AnyDoubles {
    Doubles of;
};
NANOBRAGG_FN Singles any_singles(const float* values) { return ((const AnySingles*)values)->of; }
NANOBRAGG_FN void add_doubles(double* values, Doubles more) { ((AnyDoubles*)values)->of += more; }

// Adds a round Gaussian to kWidth pixels, `peak` at its middle. What a pixel is given does not depend on the others.
NANOBRAGG_FN void add_gaussian(const Spot& spot, float sharpness, double peak, const Surroundings& at, int p,
                               double* acc) {
    Singles away[3];
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) {
        away[i] = (any_singles(at.single[i] + p) - spot.node[i]) + (any_singles(at.rest[i] + p) - spot.rest[i]);
    }
    const Singles radius = (away[0] * away[0] + (away[1] * away[1] + away[2] * away[2])) * sharpness;
    const auto near = radius < spot.limit;
    const Singles power = near ? -radius : Singles{};
    const Singles value = exp2_fraction_single(power - round_whole(power)) * power_of_two(wholes_of(power));
    const Singles kept = near ? value : Singles{};
    add_doubles(acc + p, first_half(kept) * peak);
    add_doubles(acc + p + kHalf, second_half(kept) * peak);
}

constexpr int64_t kAhead = 8;  // entries
NANOBRAGG_FN const Spot& spot_at(const SpotList& list, int64_t entry) {
    return list.spots[list.entries[entry] & ((1u << kSpotBits) - 1)];
}

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
    for (int64_t i = begin; i < end; ++i) {
        if ((list.entries[i] & list.row) == 0) continue;
        const Spot& spot = spot_at(list, i);
        // They lie anywhere.
        __builtin_prefetch(&spot_at(list, i + kAhead < end ? i + kAhead : i));
        const int64_t first = spot.first_fast - task.fast, last = spot.last_fast - task.fast;
        const int from = first < 0 ? 0 : (int)first, to = last < n - 1 ? (int)last : n - 1;
        for (int p = from / kWidth * kWidth; p <= to; p += kWidth) {
            at.look(line.rays, line.incident, p);
            if (at.last[p / kWidth] == spot.orientation) continue;
            at.last[p / kWidth] = spot.orientation;
            const int begun = p < task.lead ? task.lead : p, done = task.lead + task.count;
            const int counted = (p + kWidth < done ? p + kWidth : done) - begun;
            allowance.terms += counted > 0 ? counted : 0;
            if (direct) continue;
            within.turns = task.bounds->orientations + 9 * (int64_t)spot.orientation;
            const double* to_pixels[3] = {at.x + p, at.y + p, at.z + p};
            const uint16_t only = 0;
            const Halves sum = steps.of_pixels(within, lines, to_pixels, &only, 1);
            doubles_at(acc + p) += sum.first * steps.unit;
            doubles_at(acc + p + kHalf) += sum.second * steps.unit;
        }
        if (!direct) continue;
        const int registers = (to - from + kWidth) / kWidth, least = n - registers * kWidth;
        for (int r = 0, p = from < least ? from : least; r < registers; ++r, p += kWidth) {
            at.look(line.rays, line.incident, p / kWidth * kWidth);
            at.look(line.rays, line.incident, (p + kWidth - 1) / kWidth * kWidth);
            add_gaussian(spot, sharpness, peak * (double)spot.f_squared, at, p, acc);
        }
    }
}
