// The sweep over beams of one wavelength. A part of kernel.inl.

// Beams of one wavelength differ by a constant in each index, for one orientation: cos(2 pi (h - g)) is a sum of two
// products, once the cosines and sines of both are known. That is all a polynomial of cosines asks for.

constexpr int kFan = 64;  // beams that share a pixel's cosines at a time

// cos and sin of 2 pi h, k and l.
template <class Real, int size>
struct Phasors {
    alignas(64) Real cos_h[size], sin_h[size], cos_k[size], sin_k[size], cos_l[size], sin_l[size];
};

struct Fan {
    alignas(64) double x[kFan], y[kFan], z[kFan];  // directions
    double weight[kFan];
    int count, padded;
    double inverse_wavelength;
};

NANOBRAGG_FN void phasor(double index, double& c, double& s) {
    const double rest = index - round_whole(index);
    c = cos_two_pi(rest);
    s = sin_two_pi(rest);
}
NANOBRAGG_FN void phasor(double index, float& c, float& s) {
    const int32_t phase = phase_of(index + kPhaseShift);
    c = cos_two_pi(phase);
    s = sin_two_pi(phase);
}

template <class Real>
void turn_pixels(const Indices& at, double scale, int n, Phasors<Real, kChunk>& out) {
// must vectorise: phasors of pixels
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double h = at.h[p] * scale, k = at.k[p] * scale, l = at.l[p] * scale;
        phasor(h, out.cos_h[p], out.sin_h[p]);
        phasor(k, out.cos_k[p], out.sin_k[p]);
        phasor(l, out.cos_l[p], out.sin_l[p]);
    }
}

template <class Real>
void turn_beams(const Fan& fan, const double* o, Phasors<Real, kFan>& out) {
    const double scale = fan.inverse_wavelength;
    const double ax = o[0] * scale, ay = o[1] * scale, az = o[2] * scale;
    const double bx = o[3] * scale, by = o[4] * scale, bz = o[5] * scale;
    const double cx = o[6] * scale, cy = o[7] * scale, cz = o[8] * scale;
// must vectorise: phasors of beams
#pragma omp simd
    for (int i = 0; i < fan.padded; ++i) {
        const double x = fan.x[i], y = fan.y[i], z = fan.z[i];
        phasor(ax * x + ay * y + az * z, out.cos_h[i], out.sin_h[i]);
        phasor(bx * x + by * y + bz * z, out.cos_k[i], out.sin_k[i]);
        phasor(cx * x + cy * y + cz * z, out.cos_l[i], out.sin_l[i]);
    }
}

template <class Lattice, class Real>
void add_beam(const KernelScene& s, const Phasors<Real, kChunk>& pixels, const Phasors<Real, kFan>& beams, int beam,
              int n, Real weight, Real* sum) {
    const Real ch = beams.cos_h[beam], sh = beams.sin_h[beam], ck = beams.cos_k[beam], sk = beams.sin_k[beam],
               cl = beams.cos_l[beam], sl = beams.sin_l[beam];
// must vectorise: evaluations, fan
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const Real h = pixels.cos_h[p] * ch + pixels.sin_h[p] * sh, k = pixels.cos_k[p] * ck + pixels.sin_k[p] * sk,
                   l = pixels.cos_l[p] * cl + pixels.sin_l[p] * sl;
        sum[p] += weight * Lattice::of_cosines(s.few, h, k, l);
    }
}

// acc += sum over orientations and the beams of a fan.
template <class Lattice, class Real>
void sweep_fan(const KernelScene& s, const Beamline& line, const Fan& fan, int n, double* acc) {
    const int most_terms = sizeof(Real) == sizeof(float) ? kMostTerms : 1 << 30;
    const double F_squared = s.default_F * s.default_F;
    alignas(64) Real part[kChunk];
    Indices indices;
    Phasors<Real, kChunk> pixels;
    Phasors<Real, kFan> beams;
    int terms = 0;
    for (int p = 0; p < n; ++p) part[p] = 0;
    const auto flush = [&] {
        join(n, 1.0, part, acc);
        terms = 0;
    };
    for (int64_t m = 0; m < s.orientation_count; ++m) {
        const double* o = s.orientations + 9 * m;
        store_indices(line, o, n, indices);
        turn_pixels(indices, fan.inverse_wavelength, n, pixels);
        turn_beams(fan, o, beams);
        for (int i = 0; i < fan.count; ++i) {
            add_beam<Lattice>(s, pixels, beams, i, n, (Real)(F_squared * fan.weight[i]), part);
            if (++terms == most_terms) flush();
        }
    }
    flush();
}

using FanSweep = void (*)(const KernelScene&, const Beamline&, const Fan&, int, double*);

// All sources seen from one row of subpixels, those of one wavelength together.
bool sum_fans(const KernelScene& s, Beamline& line, int n, double* sum, FanSweep sweep, const Poll& poll) {
    static const double no_direction[3] = {0, 0, 0};
    line.incident = no_direction;
    Fan fan;
    for (int64_t begin = 0; begin < s.source_count; begin += fan.count) {
        const KernelSource* first = s.by_wavelength + begin;
        fan.inverse_wavelength = first->inverse_wavelength;
        fan.count = 0;
        while (fan.count < kFan && begin + fan.count < s.source_count &&
               first[fan.count].inverse_wavelength == fan.inverse_wavelength) {
            const KernelSource& source = first[fan.count];
            fan.x[fan.count] = source.direction[0];
            fan.y[fan.count] = source.direction[1];
            fan.z[fan.count] = source.direction[2];
            fan.weight[fan.count++] = source.weight;
        }
        fan.padded = (fan.count + kLanes - 1) / kLanes * kLanes;
        for (int i = fan.count; i < fan.padded; ++i) fan.x[i] = fan.y[i] = fan.z[i] = 0;
        sweep(s, line, fan, n, sum);
        if (poll.stop(poll.context)) return false;
    }
    return true;
}
