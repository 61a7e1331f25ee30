// Directions to the pixels of a chunk, and the factors that depend on them. A part of kernel.inl.

constexpr int kLanes = 16;  // chunks are padded to a multiple, so that no loop has a remainder

// A row of points, `step` = pixel_size x fast apart, at some offset inside the pixels and some depth.
struct Row {
    double start[3], step[3];  // m
};

// 0, 1, 2...: fetching a number is cheaper than converting it.
struct Numbers {
    alignas(64) double of[kChunk];

    constexpr NANOBRAGG_FN_MEMBER Numbers() : of() {
        for (int p = 0; p < kChunk; ++p) of[p] = p;
    }
};
constexpr Numbers kNumbers;

// Rays from the sample to the pixels of the chunk: 1/distance (0 at the sample itself). Pairs: that of the even ones
// of kWidth pixels, then of the odd ones, and so on.
struct Rays {
    alignas(64) double inverse[kChunk], pairs[kChunk];
    alignas(64) double x[kChunk], y[kChunk], z[kChunk];  // directions, on curved detectors and with dmin
    Row row;
    bool straight;  // the detector is flat
};

struct Chunk {
    const KernelScene& scene;
    int n;  // padded
    double slow, fast;
};

// ---- geometry ---------------------------------------------------------------------------------------------

Row row_at(const Chunk& c, double offset_fast, double offset_slow, double depth) {
    const KernelScene& s = c.scene;
    const double slow = s.pixel_size * (c.slow + offset_slow), fast = s.pixel_size * (c.fast + offset_fast);
    Row out;
    for (int i = 0; i < 3; ++i) {
        out.start[i] = fast * s.fast[i] + slow * s.slow[i] + depth * s.normal[i] + s.origin[i];
        out.step[i] = s.pixel_size * s.fast[i];
    }
    return out;
}

void aim_straight(const Chunk& c, Rays& rays) {
    const double *start = rays.row.start, *step = rays.row.step;
    const double bx = start[0], by = start[1], bz = start[2], fx = step[0], fy = step[1], fz = step[2];
    const auto inverse_at = [&](int p) {
        const Doubles number = *(const Doubles*)(kNumbers.of + p);
        const Doubles x = bx + number * fx, y = by + number * fy, z = bz + number * fz;
        const Doubles inverse = inverse_root(x * x + y * y + z * z);
        *(Doubles*)(rays.inverse + p) = inverse;
        return inverse;
    };
    // must vectorise: rays
    for (int p = 0; p < c.n; p += kWidth) {
        const Doubles first = inverse_at(p), second = inverse_at(p + kHalf);
        *(Doubles*)(rays.pairs + p) = even_of(first, second);
        *(Doubles*)(rays.pairs + p + kHalf) = odd_of(first, second);
    }
}

void aim_curved(const Chunk& c, Rays& rays) {
    for (int p = 0; p < c.n; ++p) {
        double at[3];
        for (int i = 0; i < 3; ++i) at[i] = rays.row.start[i] + p * rays.row.step[i];
        curve_point(c.scene, at);
        const double distance = __builtin_sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]);
        const double inverse = distance > 0 ? 1.0 / distance : 0.0;
        rays.x[p] = at[0] * inverse;
        rays.y[p] = at[1] * inverse;
        rays.z[p] = at[2] * inverse;
        rays.inverse[p] = inverse;
    }
}

NANOBRAGG_FN double dot3(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// The rays' directions along a vector.
void components(const Chunk& c, const Rays& rays, const double* vector, double* out) {
    if (rays.straight) {
        const double first = dot3(vector, rays.row.start), step = dot3(vector, rays.row.step);
#pragma omp simd
        for (int p = 0; p < c.n; ++p) out[p] = (first + step * kNumbers.of[p]) * rays.inverse[p];
    } else {
        const double vx = vector[0], vy = vector[1], vz = vector[2];
#pragma omp simd
        for (int p = 0; p < c.n; ++p) out[p] = rays.x[p] * vx + rays.y[p] * vy + rays.z[p] * vz;
    }
}

void aim(const Chunk& c, const Row& row, Rays& rays) {
    static const double kX[3] = {1, 0, 0}, kY[3] = {0, 1, 0}, kZ[3] = {0, 0, 1};
    rays.row = row;
    rays.straight = c.scene.curved_distance == 0;
    rays.straight ? aim_straight(c, rays) : aim_curved(c, rays);
    if (rays.straight && c.scene.dmin > 0) {
        components(c, rays, kX, rays.x);
        components(c, rays, kY, rays.y);
        components(c, rays, kZ, rays.z);
    }
}

// ---- factors ----------------------------------------------------------------------------------------------

void solid_angles(const Chunk& c, const Rays& rays, double* omega) {
    const KernelScene& s = c.scene;
    const double area = s.pixel_size * s.pixel_size * s.close_distance;
    const bool point = s.point_pixel;
#pragma omp simd
    for (int p = 0; p < c.n; ++p) {
        omega[p] = solid_angle_of(rays.inverse[p], area, point);
    }
}

// Fraction absorbed between two depths, for rays that meet the sensor at an angle.
void captures(const Chunk& c, const Rays& rays, double front, double back, double* capture) {
    const KernelScene& s = c.scene;
    const double near = -front * s.attenuation, far = -back * s.attenuation;
    alignas(64) double parallax[kChunk];
    components(c, rays, s.normal, parallax);
    double least = parallax[0];
#pragma omp simd reduction(min : least)
    for (int p = 0; p < c.n; ++p) least = parallax[p] < least ? parallax[p] : least;
    if (near <= 0 && far <= 0 && least > 1e-300) {
#pragma omp simd
        for (int p = 0; p < c.n; ++p) {
            capture[p] = exp_negative(near / parallax[p]) - exp_negative(far / parallax[p]);
        }
    } else {  // from behind, or without attenuation: the exponents may have any sign
        for (int p = 0; p < c.n; ++p) capture[p] = exp(near / parallax[p]) - exp(far / parallax[p]);
    }
}

void polarizations(const Chunk& c, const Rays& rays, const KernelSource& source, double* polar) {
    const double kahn = c.scene.kahn_factor;
    alignas(64) double incident[kChunk], electric[kChunk], magnetic[kChunk];
    components(c, rays, source.direction, incident);
    if (kahn == 0) {  // unpolarized: where E and B point does not matter
#pragma omp simd
        for (int p = 0; p < c.n; ++p) polar[p] = polarization_factor(0, incident[p], 1, 0);
        return;
    }
    components(c, rays, source.electric, electric);
    components(c, rays, source.magnetic, magnetic);
#pragma omp simd
    for (int p = 0; p < c.n; ++p) polar[p] = polarization_factor(kahn, incident[p], electric[p], magnetic[p]);
}
