// The least and the largest eigenvalue of a symmetric matrix.
#pragma once

#include <algorithm>
#include <cmath>

#include "nanobragg/vec3.hpp"
#include "physics/inlined.hpp"

namespace nanobragg {

struct Eigenvalues {
    double least, most;
};

// The trigonometric solution of the characteristic polynomial.
inline Eigenvalues eigenvalues(const double m[3][3]) {
    const double mean = (m[0][0] + m[1][1] + m[2][2]) / 3;
    double p = 0;
    Vec3 b[3];
    for (int i = 0; i < 3; ++i) {
        const double row[3] = {m[i][0] - (i == 0 ? mean : 0), m[i][1] - (i == 1 ? mean : 0),
                               m[i][2] - (i == 2 ? mean : 0)};
        for (const double element : row) p += element * element / 6;
        b[i] = {row[0], row[1], row[2]};
    }
    p = std::sqrt(p);
    if (!(p > 1e-14 * mean)) return {mean, mean};
    const double cosine = std::clamp(dot(b[0], cross(b[1], b[2])) / (2 * p * p * p), -1.0, 1.0);
    const double angle = std::acos(cosine) / 3;
    return {mean + 2 * p * std::cos(angle + 2 * kPi / 3), mean + 2 * p * std::cos(angle)};
}

}  // namespace nanobragg
