// What sweeps that leave out terms test together: wavelengths, orientations and pixels, and the boxes of indices that
// hold theirs. A part of kernel.inl.

constexpr int kMostLines = 8 * kWidth * kWidth;  // wavelengths that are tested together
constexpr int kMostGroups = kMostLines / kWidth;

// Wavelengths of a beam.
struct Lines {
    int count, groups, registers;                                 // groups of kWidth, and registers full of groups
    float middle, half, most;                                     // of all 1/wavelength; the largest
    float weight;                                                 // of all together, at most
    alignas(64) double inverse[kMostLines], weights[kMostLines];  // arranged; in order, 0 behind the last
    alignas(64) float group_middle[kMostGroups], group_half[kMostGroups], group_weight[kMostGroups];

    Lines(const KernelSource* sources, int number, bool alternates)
        : count(number), groups((number + kWidth - 1) / kWidth) {
        registers = (groups + kWidth - 1) / kWidth;
        double low = sources[0].inverse_wavelength, high = low, all = 0;
        for (int g = 0; g < groups; ++g) {
            double least = sources[g * kWidth].inverse_wavelength, largest = least, sum = 0;
            alignas(64) double own[kWidth];
            for (int i = 0; i < kWidth; ++i) {
                const int at = g * kWidth + i < number ? g * kWidth + i : number - 1;
                own[i] = sources[at].inverse_wavelength;
                weights[g * kWidth + i] = g * kWidth + i < number ? sources[at].weight : 0.0;
                sum += absolute(weights[g * kWidth + i]);
                least = own[i] < least ? own[i] : least;
                largest = own[i] > largest ? own[i] : largest;
            }
            const Halves order = arranged(doubles_at(own), doubles_at(own + kHalf), alternates);
            doubles_at(inverse + g * kWidth) = order.first;
            doubles_at(inverse + g * kWidth + kHalf) = order.second;
            put(least, largest, sum, group_middle[g], group_half[g], group_weight[g]);
            low = least < low ? least : low;
            high = largest > high ? largest : high;
            all += sum;
        }
        for (int g = groups; g < registers * kWidth; ++g) {
            group_middle[g] = group_middle[0];
            group_half[g] = group_half[0];
            group_weight[g] = 0;
        }
        put(low, high, all, middle, half, weight);
        most = (float)(high * (1 + 1e-6));
    }

  private:
    static NANOBRAGG_FN_MEMBER void put(double low, double high, double sum, float& mid, float& span, float& total) {
        mid = (float)((low + high) / 2);
        span = (float)((high - low) / 2 * (1 + 1e-4) + 1e-7 * high);
        total = (float)(sum * (1 + 1e-4));
    }
};

// Matrices between which some orientations lie: the middle, and how far any is from it.
struct Range {
    float middle[9], away[9];

    NANOBRAGG_FN_MEMBER void span(const double* orientations, int count, const double* longest) {
        for (int i = 0; i < 9; ++i) {
            double low = orientations[i], high = low;
            for (int m = 1; m < count; ++m) {
                const double x = orientations[9 * m + i];
                low = x < low ? x : low;
                high = x > high ? x : high;
            }
            middle[i] = (float)((low + high) / 2);
            // The rounding of indices is an axis no shorter than any.
            away[i] = (float)((high - low) / 2 * (1 + 1e-4) + kIndexRounding * longest[i / 3]);
        }
    }
};

// Indices times the wavelength of kWidth rays, in the middle of a range, and how far they may be from it.
struct Reach {
    Singles x, y, z;  // directions less the incident one
    NANOBRAGG_FN_MEMBER void along(const float* axis, Singles& out) const {
        out = axis[0] * x + (axis[1] * y + axis[2] * z);
    }
    NANOBRAGG_FN_MEMBER void away(const float* axis, Singles& out) const {
        out = axis[0] * absolute(x) + (axis[1] * absolute(y) + axis[2] * absolute(z));
    }
};

// Some orientations at all wavelengths.
NANOBRAGG_FN Boxes boxes_of(const Range& range, const Reach& to, const Lines& lines) {
    Boxes out;
    NANOBRAGG_UNROLL
    for (int i = 0; i < 3; ++i) {
        Singles middle, away;
        to.along(range.middle + 3 * i, middle);
        to.away(range.away + 3 * i, away);
        out.at[i] = middle * lines.middle;
        out.span[i] = absolute(middle) * lines.half + away * lines.most + kIndexSlack;
    }
    return out;
}

// Rays that have something to evaluate, packed.
struct Packed {
    int count = 0;
    int number[kChunk + kWidth];  // pixels of the chunk
    alignas(64) double x[kChunk + kWidth], y[kChunk + kWidth], z[kChunk + kWidth];
    alignas(64) float structure[kChunk + kWidth], allowed[kChunk + kWidth];

    // Fills the last register with copies that may lose everything.
    void fill() {
        for (int i = count; i % kWidth != 0; ++i) {
            number[i] = number[count - 1];
            x[i] = x[count - 1];
            y[i] = y[count - 1];
            z[i] = z[count - 1];
            structure[i] = 0;
            allowed[i] = 1e30f;
        }
    }
    NANOBRAGG_FN_MEMBER Reach reach(int p) const {
        return {singles_from(x + p), singles_from(y + p), singles_from(z + p)};
    }
};
