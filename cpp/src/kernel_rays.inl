// Directions to the pixels of a chunk, and the factors that depend on them. A part of kernel.inl.

constexpr int kLanes = 16;  // chunks are padded to a multiple, so that no loop has a remainder

// Directions from the sample to the pixels of the chunk, 1/distance (0 at the sample itself), and p times it for the
// chunk's pixel p. Pairs: 1/distance of the even ones of kWidth pixels, then of the odd ones, and so on.
struct Rays {
    alignas(64) double x[kChunk], y[kChunk], z[kChunk], inverse[kChunk], along[kChunk], pairs[kChunk];
};

struct Chunk {
    const KernelScene& scene;
    int n;  // padded
    double slow, fast;
    bool pairs;  // are wanted
};

// ---- geometry ---------------------------------------------------------------------------------------------

void curve(const KernelScene& s, int n, Rays& rays) {
    for (int p = 0; p < n; ++p) {
        double at[3] = {rays.x[p], rays.y[p], rays.z[p]};
        curve_point(s, at);
        rays.x[p] = at[0];
        rays.y[p] = at[1];
        rays.z[p] = at[2];
    }
}

// A row of points, `step` = pixel_size x fast apart, at some offset inside the pixels and some depth.
struct Subpixel {
    double start[3];  // m
};

Subpixel subpixel_at(const Chunk& c, double offset_fast, double offset_slow, double depth) {
    const KernelScene& s = c.scene;
    const double slow = s.pixel_size * (c.slow + offset_slow), fast = s.pixel_size * (c.fast + offset_fast);
    Subpixel out;
    for (int i = 0; i < 3; ++i) out.start[i] = fast * s.fast[i] + slow * s.slow[i] + depth * s.normal[i] + s.origin[i];
    return out;
}

void aim(const Chunk& c, const Subpixel& at, Rays& rays) {
    const KernelScene& s = c.scene;
    const double bx = at.start[0], by = at.start[1], bz = at.start[2];
    const double fx = s.pixel_size * s.fast[0], fy = s.pixel_size * s.fast[1], fz = s.pixel_size * s.fast[2];
    const bool curved = s.curved_distance != 0;
    if (curved) {
        for (int p = 0; p < c.n; ++p) {
            rays.x[p] = bx + p * fx;
            rays.y[p] = by + p * fy;
            rays.z[p] = bz + p * fz;
        }
        curve(s, c.n, rays);
    }
    // must vectorise: rays
    for (int p = 0; p < c.n; p += kHalf) {
        Doubles *const to_x = (Doubles*)(rays.x + p), *const to_y = (Doubles*)(rays.y + p),
                       *const to_z = (Doubles*)(rays.z + p);
        const Doubles number = (double)p + kCount;
        const Doubles x = curved ? *to_x : bx + number * fx, y = curved ? *to_y : by + number * fy,
                      z = curved ? *to_z : bz + number * fz;
        const Doubles inverse = inverse_root(x * x + y * y + z * z);
        *to_x = x * inverse;
        *to_y = y * inverse;
        *to_z = z * inverse;
        *(Doubles*)(rays.inverse + p) = inverse;
        *(Doubles*)(rays.along + p) = number * inverse;
    }
    for (int p = 0; p < c.n && c.pairs; p += kWidth) {
        for (int i = 0; i < kHalf; ++i) {
            rays.pairs[p + i] = rays.inverse[p + 2 * i];
            rays.pairs[p + kHalf + i] = rays.inverse[p + 2 * i + 1];
        }
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
    const double nx = s.normal[0], ny = s.normal[1], nz = s.normal[2];
    const double near = -front * s.attenuation, far = -back * s.attenuation;
    bool plain = near <= 0 && far <= 0;
    for (int p = 0; p < c.n && plain; ++p) plain = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz > 1e-300;
    if (plain) {
#pragma omp simd
        for (int p = 0; p < c.n; ++p) {
            const double parallax = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz;
            capture[p] = exp_negative(near / parallax) - exp_negative(far / parallax);
        }
    } else {  // from behind, or without attenuation: the exponents may have any sign
        for (int p = 0; p < c.n; ++p) {
            const double parallax = rays.x[p] * nx + rays.y[p] * ny + rays.z[p] * nz;
            capture[p] = exp(near / parallax) - exp(far / parallax);
        }
    }
}

void polarizations(const Chunk& c, const Rays& rays, const KernelSource& source, double* polar) {
    const double ix = source.direction[0], iy = source.direction[1], iz = source.direction[2];
    const double ex = source.electric[0], ey = source.electric[1], ez = source.electric[2];
    const double mx = source.magnetic[0], my = source.magnetic[1], mz = source.magnetic[2];
    const double kahn = c.scene.kahn_factor;
    if (kahn == 0) {  // unpolarized: where E and B point does not matter
#pragma omp simd
        for (int p = 0; p < c.n; ++p) {
            polar[p] = polarization_factor(0, rays.x[p] * ix + rays.y[p] * iy + rays.z[p] * iz, 1, 0);
        }
        return;
    }
#pragma omp simd
    for (int p = 0; p < c.n; ++p) {
        const double x = rays.x[p], y = rays.y[p], z = rays.z[p];
        polar[p] =
            polarization_factor(kahn, x * ix + y * iy + z * iz, x * ex + y * ey + z * ez, x * mx + y * my + z * mz);
    }
}
