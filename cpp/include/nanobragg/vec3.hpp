// A vector in the laboratory frame.
#pragma once

#include <cmath>

namespace nanobragg {

struct Vec3 {
    double x = 0, y = 0, z = 0;
};

inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(double s, Vec3 v) { return {s * v.x, s * v.y, s * v.z}; }
inline Vec3 operator/(Vec3 v, double s) { return {v.x / s, v.y / s, v.z / s}; }
inline double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline double norm(Vec3 v) { return std::sqrt(dot(v, v)); }
// The zero vector stays what it is.
inline Vec3 unit(Vec3 v) {
    const double length = norm(v);
    return length != 0 ? v / length : Vec3{};
}
// Rodrigues' formula, literally, also when the axis is not a unit vector (specs/geometry.md).
inline Vec3 rotate_axis(Vec3 v, Vec3 axis, double angle) {
    const double s = std::sin(angle), c = std::cos(angle);
    const double along = dot(axis, v) * (1.0 - c);
    return along * axis + c * v + s * cross(axis, v);
}

}  // namespace nanobragg
