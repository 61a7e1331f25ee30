// A pixel as specs/physics.md has it, in extended precision and without a thought for speed: what derivatives are
// compared with. N is a real number (specs/derivatives.md).
#pragma once

#include <cmath>
#include <cstdint>

#include "nanobragg/reference.hpp"
#include "nanobragg/scene.hpp"

namespace nanobragg {

namespace exact {

using Exact = long double;

struct Vector {
    Exact x = 0, y = 0, z = 0;

    Vector() = default;
    Vector(Exact a, Exact b, Exact c) : x(a), y(b), z(c) {}
    explicit Vector(Vec3 v) : x(v.x), y(v.y), z(v.z) {}
};

inline Vector operator+(Vector a, Vector b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vector operator-(Vector a, Vector b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vector operator*(Exact s, Vector v) { return {s * v.x, s * v.y, s * v.z}; }
inline Exact dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vector cross(Vector a, Vector b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline Exact norm(Vector v) { return std::sqrt(dot(v, v)); }
inline Vector unit(Vector v) { return norm(v) > 0 ? (1 / norm(v)) * v : v; }
inline Vector turned(Vector v, Vector axis, Exact angle) {
    const Exact s = std::sin(angle), c = std::cos(angle);
    return (dot(axis, v) * (1 - c)) * axis + c * v + s * cross(axis, v);
}

class Pixel {
  public:
    Pixel(const Scene& scene, PixelPlace at, RunState state)
        : s_(scene),
          panel_(scene.panels[static_cast<std::size_t>(at.panel)]),
          sensor_(scene.sensor(panel_)),
          at_(at),
          state_(state) {}

    Exact value() {
        Exact terms = 0;
        for (std::size_t t = 0; t < sensor_.layers.size(); ++t) {
            Exact capture = 0;
            for (std::int64_t i = 0; i < s_.oversample * s_.oversample; ++i) subpixel(t, i, capture, terms);
            capture_ = capture;
        }
        const Vector centre = direction(0.5L, 0.5L, 0);
        const bool inside = capture_inside(), polar_inside = s_.polar == Factor::each || s_.polar == Factor::centre;
        const Exact omega = central_omega(), polar = central_polar(centre), capture = central_capture(centre);
        terms += s_.background_sum * (inside ? capture : 1) * (polar_inside ? polar : 1) *
                 (s_.omega == Factor::each ? omega : 1);
        Exact value = s_.scale * terms / s_.steps;
        if (!inside && s_.capture != Factor::off) value *= capture_;
        if (s_.polar == Factor::first) value *= polar_;
        if (s_.omega == Factor::first) value *= omega_;
        if (s_.omega == Factor::centre) value *= omega;
        return value + s_.background * omega * polar * capture;
    }

  private:
    static constexpr Exact kPi = 3.14159265358979323846264338327950288L;

    // Where a subpixel stands in its layer.
    Vector point_in(const Layer& layer, Exact fast, Exact slow) const {
        if (layer.thickness == 0) return point(fast, slow, layer.depth);
        const Exact x = layer.thickness * sensor_.attenuation / dot(direction(fast, slow, 0), Vector(panel_.normal));
        const Exact mean = std::abs(x) < 1e-3L ? 0.5L - x / 12 + x * x * x / 720 - x * x * x * x * x / 30240
                                               : 1 / x - 1 / std::expm1(x);
        return point(fast, slow, layer.depth + layer.thickness * mean);
    }
    Vector point(Exact fast, Exact slow, Exact depth) const {
        const Exact f = (static_cast<Exact>(panel_.first_fast + at_.fast) + fast) * panel_.pixel_fast;
        const Exact w = (static_cast<Exact>(panel_.first_slow + at_.slow) + slow) * panel_.pixel_slow;
        const Vector fast_axis(panel_.fast), slow_axis(panel_.slow);
        const Vector p = Vector(panel_.origin) + f * fast_axis + w * slow_axis + depth * Vector(panel_.normal);
        if (s_.curved_distance == 0) return p;
        const Exact radius = s_.curved_distance;
        return turned(turned(radius * Vector(s_.beam_direction), slow_axis, p.y / radius), fast_axis, p.z / radius);
    }
    Vector direction(Exact fast, Exact slow, Exact depth) const { return unit(point(fast, slow, depth)); }

    Exact solid_angle(Vector at) const {
        const Exact near = 1 / norm(at);
        if (s_.point_pixel) return near * near;
        const Exact spanned = norm(cross(Vector(panel_.fast), Vector(panel_.slow)));
        const Exact area = panel_.area > 0 ? panel_.area : spanned * panel_.pixel_fast * panel_.pixel_slow;
        return area * near * near * (panel_.close_distance * near);
    }
    Exact absorbed(Vector d, Exact front, Exact back) const {
        const Exact parallax = dot(d, Vector(panel_.normal));
        return std::exp(-front * sensor_.attenuation / parallax) - std::exp(-back * sensor_.attenuation / parallax);
    }
    Exact polarization(Vector incident, Vector d) const {
        const Vector magnetic = unit(cross(Vector(s_.polarization_axis), incident));
        const Vector electric = unit(cross(incident, magnetic));
        const Exact c = dot(incident, d) * dot(incident, d), e = dot(d, electric), m = dot(d, magnetic);
        const Exact cos2psi = e * e + m * m > 0 ? (e * e - m * m) / (e * e + m * m) : 1;
        return (1 + c - s_.kahn_factor * cos2psi * (1 - c)) / 2;
    }

    bool capture_inside() const {
        return s_.capture == Factor::each || (s_.capture != Factor::off && !s_.one_capture());
    }
    Exact central_omega() const { return solid_angle(point(0.5L, 0.5L, 0)); }
    Exact central_capture(Vector centre) const {
        return s_.capture == Factor::off ? 1 : absorbed(centre, 0, sensor_.depth);
    }
    Exact central_polar(Vector centre) const {
        if (s_.polar == Factor::off) return 1;
        Exact total = 0, weights = 0;
        for (const Source& source : s_.sources) {
            total += source.weight * polarization(Vector(source.direction), centre);
            weights += source.weight;
        }
        return total / weights;
    }

    void subpixel(std::size_t t, std::int64_t number, Exact& capture, Exact& terms) {
        const Layer& layer = sensor_.layers[t];
        const Exact fast = (static_cast<Exact>(number % s_.oversample) + 0.5L) / static_cast<Exact>(s_.oversample);
        const Exact slow = (static_cast<Exact>(number / s_.oversample) + 0.5L) / static_cast<Exact>(s_.oversample);
        const Vector p = point_in(layer, fast, slow), d = unit(p), centre = direction(0.5L, 0.5L, 0);
        const Vector deep = direction(fast, slow, layer.incidence_depth);
        if (s_.capture == Factor::each) capture = absorbed(d, layer.front, layer.back);
        if (s_.capture == Factor::centre) capture = absorbed(centre, layer.front, layer.back);
        // (What is too little for a double counts as 0.)
        if (s_.capture == Factor::first && static_cast<double>(capture) == 0) {
            capture = absorbed(deep, layer.front, layer.back);
        }
        if (t == 0 && number == 0) omega_ = solid_angle(p);
        for (const Source& source : s_.sources) {
            const Vector incident(source.direction), q = (1 / static_cast<Exact>(source.wavelength)) * (d - incident);
            if (s_.dmin > 0 && norm(q) > 0 && s_.dmin > 1 / norm(q)) continue;
            if (s_.polar == Factor::first && polar_ == 0) polar_ = polarization(incident, d);
            Exact factor = source.weight;
            if (capture_inside()) factor *= capture;
            if (s_.polar == Factor::each) factor *= polarization(incident, d);
            if (s_.polar == Factor::centre) factor *= polarization(incident, centre);
            if (s_.omega == Factor::each) factor *= solid_angle(p);
            terms += factor * intensity(q);
        }
    }

    // The sum over the orientations.
    Exact intensity(Vector q) {
        const auto& orientations = state_.first_pending ? s_.first_orientations : s_.orientations;
        state_.first_pending = false;
        Exact sum = 0;
        for (const Orientation& o : orientations) {
            const Exact h[3] = {dot(Vector(o.a), q), dot(Vector(o.b), q), dot(Vector(o.c), q)};
            const Exact whole[3] = {std::ceil(h[0] - 0.5L), std::ceil(h[1] - 0.5L), std::ceil(h[2] - 0.5L)};
            const Exact miss[3] = {h[0] - whole[0], h[1] - whole[1], h[2] - whole[2]};
            const Exact lattice = lattice_factor(miss);
            if (lattice == 0 && s_.background_sum == 0) continue;
            const Exact factor = structure_factor(h, whole);
            sum += factor * factor * lattice * lattice;
        }
        return sum;
    }

    Exact lattice_factor(const Exact miss[3]) const {
        const Exact n[3] = {s_.cells[0], s_.cells[1], s_.cells[2]}, size = n[0] * n[1] * n[2];
        if (s_.shape == Shape::square) {
            Exact product = 1;
            for (int i = 0; i < 3; ++i) {
                product *= miss[i] == 0 ? n[i] : std::sin(kPi * n[i] * miss[i]) / std::sin(kPi * miss[i]);
            }
            return product;
        }
        if (s_.shape == Shape::round) {
            Exact square = 0;
            for (int i = 0; i < 3; ++i) square += miss[i] * n[i] * miss[i] * n[i];
            const Exact x = kPi * std::sqrt(square * s_.fudge);
            return size * 0.723601254558268L * sphere(x);
        }
        if (s_.shape == Shape::gauss_index) return gauss_index(miss);
        const Vector v = miss[0] * Vector(s_.a_star) + miss[1] * Vector(s_.b_star) + miss[2] * Vector(s_.c_star);
        const Exact square = dot(v, v) * size * size * s_.fudge;
        if (s_.shape == Shape::gauss) return size * std::exp(-square / 0.63);
        return square < 0.3969 ? size : 0;
    }

    // det N exp(-|N miss|^2 fudge/0.63) of the symmetric N, its determinant by Sarrus' rule.
    Exact gauss_index(const Exact miss[3]) const {
        const double* off = s_.cells_off_diagonal;
        const Exact n[3][3] = {
            {s_.cells[0], off[0], off[2]}, {off[0], s_.cells[1], off[1]}, {off[2], off[1], s_.cells[2]}};
        Exact square = 0, size = 0;
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            const Exact part = n[i][0] * miss[0] + n[i][1] * miss[1] + n[i][2] * miss[2];
            square += part * part;
            size += n[0][i] * n[1][j] * n[2][k] - n[0][i] * n[1][k] * n[2][j];
        }
        return size * std::exp(-square * s_.fudge / 0.63);
    }

    // 3 (sin x / x - cos x) / x^2; its Taylor series where that cancels.
    static Exact sphere(Exact x) {
        if (x > 2) return 3 * (std::sin(x) / x - std::cos(x)) / (x * x);
        Exact sum = 0, term = 0.5L;  // 3 (2n + 2)/(2n + 3)! (-x^2)^n
        for (int n = 0; n < 25; ++n) {
            sum += term * (2 * n + 2);
            term *= -x * x / ((2 * n + 4) * (2 * n + 5));
        }
        return sum;
    }

    Exact grid_value(std::int64_t h, std::int64_t k, std::int64_t l) const {
        h -= s_.f_min[0];
        k -= s_.f_min[1];
        l -= s_.f_min[2];
        const bool inside = h >= 0 && h < s_.f_shape[0] && k >= 0 && k < s_.f_shape[1] && l >= 0 && l < s_.f_shape[2];
        return inside ? s_.f_grid[(h * s_.f_shape[1] + k) * s_.f_shape[2] + l] : s_.default_F;
    }

    Exact structure_factor(const Exact h[3], const Exact whole[3]) {
        if (!s_.has_grid()) return s_.default_F;
        if (s_.interpolation != Interpolation::nearest && state_.interpolating) {
            bool inside = true;
            for (int i = 0; i < 3; ++i) {
                const auto lowest = static_cast<Exact>(s_.f_min[i]), range = static_cast<Exact>(s_.f_shape[i]);
                inside = inside && h[i] - lowest + 3 <= range && h[i] - 2 >= lowest;
            }
            if (inside) return tricubic(h);
            if (s_.interpolation == Interpolation::tricubic_sticky) state_.interpolating = false;
        }
        return grid_value(std::llround(whole[0]), std::llround(whole[1]), std::llround(whole[2]));
    }

    Exact tricubic(const Exact h[3]) const {
        Exact weights[3][4];
        std::int64_t start[3];
        for (int axis = 0; axis < 3; ++axis) {
            start[axis] = static_cast<std::int64_t>(std::floor(h[axis])) - 1;
            for (int i = 0; i < 4; ++i) {
                weights[axis][i] = 1;
                for (int j = 0; j < 4; ++j) {
                    if (j == i) continue;
                    weights[axis][i] *= (h[axis] - static_cast<Exact>(start[axis] + j)) / (i - j);
                }
            }
        }
        Exact sum = 0;
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                for (int m = 0; m < 4; ++m) {
                    sum += weights[0][i] * weights[1][j] * weights[2][m] *
                           grid_value(start[0] + i, start[1] + j, start[2] + m);
                }
            }
        }
        return sum;
    }

    const Scene& s_;
    const Panel& panel_;
    const Sensor sensor_;
    PixelPlace at_;
    RunState state_;
    Exact omega_ = 0, capture_ = 0, polar_ = 0;
};

}  // namespace exact

}  // namespace nanobragg
