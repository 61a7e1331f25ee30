#include "nanobragg/reference.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace nanobragg {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Of an index h. The original's, for whole n, does not know of the nearest index; for others that one is where the
// peak is.
double grating(double h, double n) {
    const double x = kPi * (n == std::floor(n) ? h : h - std::ceil(h - 0.5));
    return x == 0.0 ? n : std::sin(x * n) / std::sin(x);
}

double sphere(double x) { return x == 0.0 ? 1.0 : 3.0 * (std::sin(x) / x - std::cos(x)) / (x * x); }

// Kahn et al. (1982), J. Appl. Cryst. 15, 330; specs/physics.md.
double polarization(double kahn_factor, Vec3 incident, Vec3 diffracted, Vec3 axis) {
    const double cos2theta = dot(incident, diffracted);
    const double cos_sqr = cos2theta * cos2theta;
    double cos2psi = 1.0;
    if (kahn_factor != 0.0) {
        const Vec3 magnetic = unit(cross(axis, incident));
        const Vec3 electric = unit(cross(incident, magnetic));
        const double e = dot(diffracted, electric), m = dot(diffracted, magnetic);
        const double total = e * e + m * m;
        cos2psi = total != 0.0 ? (e * e - m * m) / total : 1.0;
    }
    return 0.5 * (1.0 + cos_sqr - kahn_factor * cos2psi * (1.0 - cos_sqr));
}

// Cubic Lagrange polynomial through four values at start, start+1, start+2, start+3.
double lagrange(double start, const double values[4], double x) {
    double result = 0;
    for (int i = 0; i < 4; ++i) {
        double numerator = 1, denominator = 1;
        for (int j = 0; j < 4; ++j) {
            if (j == i) continue;
            numerator *= x - (start + j);
            denominator *= i - j;
        }
        result += numerator * values[i] / denominator;
    }
    return result;
}

struct Index3 {
    std::int64_t h, k, l;
};

// ceil(x - 1/2): halves round down.
std::int64_t nearest(double x) {
    const double whole = std::ceil(x - 0.5);
    // Outside this range (or NaN) no grid is reached; the conversion itself must stay defined.
    return whole > -1e15 && whole < 1e15 ? static_cast<std::int64_t>(whole) : std::int64_t{1} << 60;
}

double grid_value(const Scene& s, Index3 at) {
    const std::int64_t h = at.h - s.f_min[0], k = at.k - s.f_min[1], l = at.l - s.f_min[2];
    const bool inside = h >= 0 && h < s.f_shape[0] && k >= 0 && k < s.f_shape[1] && l >= 0 && l < s.f_shape[2];
    return inside ? s.f_grid[(h * s.f_shape[1] + k) * s.f_shape[2] + l] : s.default_F;
}

bool tricubic_in_range(const Scene& s, double h, double k, double l) {
    const double index[3] = {h, k, l};
    for (int axis = 0; axis < 3; ++axis) {
        const double lowest = static_cast<double>(s.f_min[axis]), range = static_cast<double>(s.f_shape[axis]);
        // Written so that NaN is out of range.
        if (!(index[axis] - lowest + 3 <= range && index[axis] - 2 >= lowest)) return false;
    }
    return true;
}

double tricubic(const Scene& s, double h, double k, double l) {
    const auto floor_of = [](double x) { return static_cast<std::int64_t>(std::floor(x)); };
    const Index3 start{floor_of(h) - 1, floor_of(k) - 1, floor_of(l) - 1};
    double along_h[4], along_k[4], along_l[4];
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            for (int m = 0; m < 4; ++m) along_l[m] = grid_value(s, {start.h + i, start.k + j, start.l + m});
            along_k[j] = lagrange(static_cast<double>(start.l), along_l, l);
        }
        along_h[i] = lagrange(static_cast<double>(start.k), along_k, k);
    }
    return lagrange(static_cast<double>(start.h), along_h, h);
}

struct Lattice {
    double h, k, l;
    Index3 nearest_index;
    double F_latt;
};

Lattice lattice(const Scene& s, const Orientation& o, Vec3 q) {
    Lattice out{dot(o.a, q), dot(o.b, q), dot(o.c, q), {}, 1.0};
    out.nearest_index = {nearest(out.h), nearest(out.k), nearest(out.l)};
    const double na = s.cells[0], nb = s.cells[1], nc = s.cells[2];
    if (s.shape == Shape::square) {
        if (na > 1) out.F_latt *= grating(out.h, na);
        if (nb > 1) out.F_latt *= grating(out.k, nb);
        if (nc > 1) out.F_latt *= grating(out.l, nc);
        return out;
    }
    const double dh = out.h - std::ceil(out.h - 0.5), dk = out.k - std::ceil(out.k - 0.5),
                 dl = out.l - std::ceil(out.l - 0.5);
    const Vec3 miss{dh * s.a_star.x + dk * s.b_star.x + dl * s.c_star.x,
                    dh * s.a_star.y + dk * s.b_star.y + dl * s.c_star.y,
                    dh * s.a_star.z + dk * s.b_star.z + dl * s.c_star.z};
    const double miss_sqr = dot(miss, miss) * na * na * nb * nb * nc * nc;
    const double size = na * nb * nc;
    switch (s.shape) {
        case Shape::square:
            break;
        case Shape::round: {
            const double radius_sqr = dh * dh * na * na + dk * dk * nb * nb + dl * dl * nc * nc;
            out.F_latt = size * 0.723601254558268 * sphere(kPi * std::sqrt(radius_sqr * s.fudge));
            break;
        }
        case Shape::gauss:
            out.F_latt = size * std::exp(-(miss_sqr / 0.63 * s.fudge));
            break;
        case Shape::tophat:
            out.F_latt = size * (miss_sqr * s.fudge < 0.3969);
            break;
        case Shape::gauss_index: {
            const double ab = s.cells_off_diagonal[0], bc = s.cells_off_diagonal[1], ac = s.cells_off_diagonal[2];
            const Vec3 cells{na * dh + ab * dk + ac * dl, ab * dh + nb * dk + bc * dl, ac * dh + bc * dk + nc * dl};
            out.F_latt = s.block_size() * std::exp(-(dot(cells, cells) / 0.63 * s.fudge));
            break;
        }
    }
    return out;
}

// Everything about a subpixel that does not depend on source or crystal.
struct Ray {
    Vec3 position, direction;
    double airpath;
};

Ray ray_to(const Scene& s, const Panel& panel, double fast, double slow, double depth) {
    Vec3 p{fast * panel.fast.x + slow * panel.slow.x + depth * panel.normal.x + panel.origin.x,
           fast * panel.fast.y + slow * panel.slow.y + depth * panel.normal.y + panel.origin.y,
           fast * panel.fast.z + slow * panel.slow.z + depth * panel.normal.z + panel.origin.z};
    if (s.curved_distance != 0.0) {
        const Vec3 start = s.curved_distance * s.beam_direction;
        const Vec3 turned = rotate_axis(start, panel.slow, p.y / s.curved_distance);
        p = rotate_axis(turned, panel.fast, p.z / s.curved_distance);
    }
    const double airpath = norm(p);
    return {p, airpath != 0.0 ? Vec3{p.x / airpath, p.y / airpath, p.z / airpath} : Vec3{}, airpath};
}

// Where a slab of thickness 1 absorbs, on average, if exp(-x z) is left at depth z.
double mean_absorption_depth(double x) { return std::abs(x) < 1e-4 ? 0.5 - x / 12.0 : 1.0 / x - 1.0 / std::expm1(x); }

double solid_angle(const Scene& s, const Panel& panel, double airpath) {
    if (s.point_pixel) return 1.0 / airpath / airpath;
    return panel.pixel_area() / airpath / airpath * panel.close_distance / airpath;
}

double capture_fraction(const Scene& s, const Panel& panel, const Layer& layer, Vec3 direction) {
    const double parallax = dot(direction, panel.normal);
    const double attenuation = s.sensor(panel).attenuation;
    return std::exp(-layer.front * attenuation / parallax) - std::exp(-layer.back * attenuation / parallax);
}

bool culled(const Scene& s, double stol) { return s.dmin > 0.0 && stol > 0.0 && s.dmin > 0.5 / stol; }

// To a subpixel of a pixel, which is counted from the corner of the panel's raster.
Ray subpixel_ray(const Scene& s, const Panel& panel, PixelPlace at, std::int64_t sub_slow, std::int64_t sub_fast,
                 double depth) {
    const double parts = static_cast<double>(s.oversample);
    const double wide = panel.pixel_fast / parts, high = panel.pixel_slow / parts;
    const double fast = wide * static_cast<double>(at.fast * s.oversample + sub_fast) + wide / 2.0;
    const double slow = high * static_cast<double>(at.slow * s.oversample + sub_slow) + high / 2.0;
    return ray_to(s, panel, fast, slow, depth);
}

// To where it stands in a layer.
Ray subpixel_ray(const Scene& s, const Panel& panel, PixelPlace at, std::int64_t sub_slow, std::int64_t sub_fast,
                 const Layer& layer) {
    if (layer.thickness == 0.0) return subpixel_ray(s, panel, at, sub_slow, sub_fast, layer.depth);
    const double parallax = dot(subpixel_ray(s, panel, at, sub_slow, sub_fast, 0.0).direction, panel.normal);
    const double attenuation = s.sensor(panel).attenuation;
    const double sunk = layer.thickness * mean_absorption_depth(layer.thickness * attenuation / parallax);
    return subpixel_ray(s, panel, at, sub_slow, sub_fast, layer.depth + sunk);
}

PixelPlace in_raster(const Panel& panel, PixelPlace at) {
    return {at.panel, panel.first_slow + at.slow, panel.first_fast + at.fast};
}

// The walk through one pixel, in the original's order of loops.
class PixelWalk {
  public:
    PixelWalk(const Scene& scene, PixelPlace at, RunState& state, Observer* observer)
        : s_(scene),
          panel_(scene.panels[static_cast<std::size_t>(at.panel)]),
          sensor_(scene.sensor(panel_)),
          at_(in_raster(panel_, at)),
          state_(state),
          observer_(observer),
          centre_(centre_ray()) {}

    PixelResult walk() {
        sum_ = s_.background_sum;
        background_ = s_.background_sum;
        polar_ = s_.polar == Factor::off ? 1.0 : 0.0;
        if (s_.omega == Factor::centre) omega_ = solid_angle(s_, panel_, centre_.airpath);
        for (std::size_t t = 0; t < sensor_.layers.size(); ++t) layer(t);
        return finish();
    }

  private:
    void multiply(double factor) {
        sum_ *= factor;
        background_ *= factor;
    }

    Ray centre_ray() const {
        return ray_to(s_, panel_, panel_.pixel_fast * (static_cast<double>(at_.fast) + 0.5),
                      panel_.pixel_slow * (static_cast<double>(at_.slow) + 0.5), 0.0);
    }

    double capture_at_centre(std::size_t t) const {
        return capture_fraction(s_, panel_, sensor_.layers[t], centre_.direction);
    }

    void layer(std::size_t t) {
        now_.layer = static_cast<std::int64_t>(t);
        capture_ = s_.capture == Factor::off ? 1.0 : s_.capture == Factor::centre ? capture_at_centre(t) : 0.0;
        for (std::int64_t i = 0; i < s_.oversample; ++i) {
            for (std::int64_t j = 0; j < s_.oversample; ++j) subpixel(i, j, t);
        }
    }

    void subpixel(std::int64_t i, std::int64_t j, std::size_t t) {
        const Layer& layer = sensor_.layers[t];
        const Ray ray = subpixel_ray(s_, panel_, at_, i, j, layer);
        if (s_.omega == Factor::each || (s_.omega == Factor::first && omega_ == 0.0)) {
            omega_ = solid_angle(s_, panel_, ray.airpath);
        }
        if (s_.capture == Factor::each) {
            capture_ = capture_fraction(s_, panel_, layer, ray.direction);
        } else if (s_.capture == Factor::first && capture_ == 0.0) {
            const bool here = layer.thickness == 0.0 && layer.incidence_depth == layer.depth;
            const Vec3 direction =
                here ? ray.direction : subpixel_ray(s_, panel_, at_, i, j, layer.incidence_depth).direction;
            capture_ = capture_fraction(s_, panel_, layer, direction);
        }
        now_.sub_slow = i;
        now_.sub_fast = j;
        now_.position = ray.position;
        now_.diffracted = ray.direction;
        now_.airpath = ray.airpath;
        for (std::size_t n = 0; n < s_.sources.size(); ++n) source(n);
    }

    void source(std::size_t n) {
        const Source& source = s_.sources[n];
        const Vec3 incident = source.direction, d = now_.diffracted;
        const Vec3 q{(d.x - incident.x) / source.wavelength, (d.y - incident.y) / source.wavelength,
                     (d.z - incident.z) / source.wavelength};
        const double stol = 0.5 * norm(q);
        if (culled(s_, stol)) return;
        if (s_.polar == Factor::each || (s_.polar == Factor::first && polar_ == 0.0)) {
            polar_ = polarization(s_.kahn_factor, incident, d, s_.polarization_axis);
        } else if (s_.polar == Factor::centre) {
            polar_ = polarization(s_.kahn_factor, incident, centre_.direction, s_.polarization_axis);
        }
        now_.source = static_cast<std::int64_t>(n);
        now_.incident = incident;
        now_.wavelength = source.wavelength;
        now_.scattering = q;
        now_.stol = stol;
        const auto& orientations = state_.first_pending ? s_.first_orientations : s_.orientations;
        state_.first_pending = false;
        for (std::size_t m = 0; m < orientations.size(); ++m) evaluate(orientations[m], m, source.weight);
    }

    void evaluate(const Orientation& orientation, std::size_t m, double weight) {
        const Lattice at = lattice(s_, orientation, now_.scattering);
        const bool skip = at.F_latt == 0.0 && s_.background_sum == 0.0;
        double F_cell = 0;
        bool interpolated = false;
        if (!skip) {
            F_cell = structure_factor(at, interpolated);
            const double term = with_factors(F_cell * F_cell * at.F_latt * at.F_latt * weight);
            sum_ += term;
            now_.term = term;
            if (s_.running_product) {
                if (s_.capture == Factor::each) multiply(capture_);
                if (s_.polar == Factor::each) multiply(polar_);
                if (s_.omega == Factor::each) multiply(omega_);
            }
        }
        if (observer_ == nullptr) return;
        now_.orientation = static_cast<std::int64_t>(m);
        now_.a = orientation.a;
        now_.b = orientation.b;
        now_.c = orientation.c;
        now_.h = at.h;
        now_.k = at.k;
        now_.l = at.l;
        now_.h0 = at.nearest_index.h;
        now_.k0 = at.nearest_index.k;
        now_.l0 = at.nearest_index.l;
        now_.F_latt = at.F_latt;
        now_.F_cell = F_cell;
        now_.interpolated = interpolated;
        now_.skipped = skip;
        if (skip) now_.term = 0;
        now_.sum = sum_;
        now_.omega = omega_;
        now_.capture = capture_;
        now_.polar = polar_;
        observer_->evaluation(now_);
    }

    // The capture fraction stays in the sum where it differs from layer to layer or subpixel to subpixel.
    bool capture_inside() const {
        return s_.capture == Factor::each || (s_.capture != Factor::off && !s_.one_capture());
    }
    double inner_capture() const { return capture_inside() ? capture_ : 1.0; }
    // Times what the running product does not multiply it by. 0 stays 0, even if a capture fraction leaves the range of
    // numbers.
    double with_factors(double term) const {
        if (term == 0.0) return term;
        if (!s_.running_product || s_.capture != Factor::each) term *= inner_capture();
        if (s_.polar == Factor::centre || (s_.polar == Factor::each && !s_.running_product)) term *= polar_;
        if (s_.omega == Factor::each && !s_.running_product) term *= omega_;
        return term;
    }

    double structure_factor(const Lattice& at, bool& interpolated) {
        if (s_.interpolation != Interpolation::nearest && state_.interpolating) {
            if (tricubic_in_range(s_, at.h, at.k, at.l)) {
                interpolated = true;
                return tricubic(s_, at.h, at.k, at.l);
            }
            if (s_.interpolation == Interpolation::tricubic_sticky) state_.interpolating = false;
        }
        return s_.has_grid() ? grid_value(s_, at.nearest_index) : s_.default_F;
    }

    // Factors of what is added once per pixel: at its centre, all layers, all sources by weight.
    double central_omega() const { return solid_angle(s_, panel_, centre_.airpath); }
    double central_capture() const {
        if (s_.capture == Factor::off) return 1.0;
        return capture_fraction(s_, panel_, {0.0, 0.0, sensor_.depth, 0.0, 0.0}, centre_.direction);
    }
    double central_polar() const {
        if (s_.polar == Factor::off) return 1.0;
        double total = 0, weights = 0;
        for (const Source& source : s_.sources) {
            total +=
                source.weight * polarization(s_.kahn_factor, source.direction, centre_.direction, s_.polarization_axis);
            weights += source.weight;
        }
        return total / weights;
    }

    PixelResult finish() {
        PixelResult out;
        out.sum = sum_;
        out.per_step = sum_ / s_.steps;
        out.omega = omega_;
        out.capture = capture_;
        out.polar = polar_;
        out.central_omega = central_omega();
        const bool polar_inside = s_.polar == Factor::each || s_.polar == Factor::centre;
        // A background inside the sum has not met the factors that went to the terms.
        double terms = sum_;
        double own = 1.0;
        if (s_.background_sum != 0.0 && !s_.running_product) {
            if (capture_inside()) own *= central_capture();
            if (polar_inside) own *= central_polar();
            if (s_.omega == Factor::each) own *= central_omega();
        } else if (s_.background_sum != 0.0) {
            if (s_.capture != Factor::each && capture_inside()) own *= central_capture();
            if (s_.polar == Factor::centre) own *= central_polar();
        }
        if (own != 1.0) terms += background_ * (own - 1.0);
        double value = s_.scale * terms / s_.steps;
        if (!capture_inside()) value *= capture_;
        if (!polar_inside) value *= polar_;
        if (s_.omega != Factor::each) value *= omega_;
        if (s_.background != 0.0) value += s_.background * central_omega() * central_polar() * central_capture();
        out.value = value;
        return out;
    }

    const Scene& s_;
    const Panel& panel_;
    const Sensor sensor_;
    PixelPlace at_;
    RunState& state_;
    Observer* observer_;
    Ray centre_;
    double sum_ = 0, omega_ = 0, capture_ = 0, polar_ = 0;
    double background_ = 0;  // what is left of background_sum in sum_ after the running product
    Evaluation now_;
};

bool sticky(const Scene& scene) { return scene.interpolation == Interpolation::tricubic_sticky && scene.has_grid(); }

// Calls visit(layer, ray, source, q) for every source of the pixel that is not culled, until it returns true.
template <class Visit>
bool any_source(const Scene& s, PixelPlace pixel, Visit visit) {
    const Panel& panel = s.panels[static_cast<std::size_t>(pixel.panel)];
    const PixelPlace at = in_raster(panel, pixel);
    for (const Layer& layer : s.sensor(panel).layers) {
        for (std::int64_t i = 0; i < s.oversample; ++i) {
            for (std::int64_t j = 0; j < s.oversample; ++j) {
                const Ray ray = subpixel_ray(s, panel, at, i, j, layer);
                for (const Source& source : s.sources) {
                    const Vec3 d = ray.direction, in = source.direction;
                    const Vec3 q{(d.x - in.x) / source.wavelength, (d.y - in.y) / source.wavelength,
                                 (d.z - in.z) / source.wavelength};
                    if (culled(s, 0.5 * norm(q))) continue;
                    if (visit(q)) return true;
                }
            }
        }
    }
    return false;
}

// The longest axes of all orientations, m: |h| <= |a| |q|, whatever the orientation.
struct Reach {
    double a = 0, b = 0, c = 0;

    explicit Reach(const Scene& s) {
        for (const auto* list : {&s.orientations, &s.first_orientations}) {
            for (const Orientation& o : *list) {
                a = std::max(a, norm(o.a));
                b = std::max(b, norm(o.b));
                c = std::max(c, norm(o.c));
            }
        }
    }
    // No orientation's indices are out of range at scattering vectors of this length, 1/m. A little more than that
    // length, for rounding.
    bool within(const Scene& s, double q) const {
        const double most = q * (1.0 + 1e-9);
        return tricubic_in_range(s, a * most, b * most, c * most) &&
               tricubic_in_range(s, -a * most, -b * most, -c * most);
    }
};

// No ray to the pixel can leave the range. On a flat panel its rays lie in a cone between those to its corners, at the
// front and the back of the sensor; where these are less than 90 degrees from a beam, one of them is the farthest.
bool pixel_within(const Scene& s, const Reach& reach, PixelPlace at) {
    if (s.curved_distance != 0.0) return false;
    const Panel& panel = s.panels[static_cast<std::size_t>(at.panel)];
    const PixelPlace place = in_raster(panel, at);
    double back = 0;
    for (const Layer& layer : s.sensor(panel).layers) back = std::max(back, layer.depth + layer.thickness);
    for (const double depth : {0.0, back}) {
        for (const std::int64_t corner : {0, 1, 2, 3}) {
            const Ray ray = ray_to(s, panel, panel.pixel_fast * static_cast<double>(place.fast + corner % 2),
                                   panel.pixel_slow * static_cast<double>(place.slow + (corner >= 2 ? 1 : 0)), depth);
            for (const Source& source : s.sources) {
                const Vec3 d = ray.direction, i = source.direction;
                const double q = norm({d.x - i.x, d.y - i.y, d.z - i.z}) / source.wavelength;
                if (!(dot(d, i) > 0) || !reach.within(s, q)) return false;
            }
        }
    }
    return true;
}

// `first`: the run's very first evaluation is this pixel's.
bool pixel_leaves_range(const Scene& s, const Reach& reach, PixelPlace at, bool first) {
    // Worth it where a pixel has more points than corners.
    const bool many = s.oversample * s.oversample * static_cast<std::int64_t>(s.layers.size()) > 8;
    if (many && pixel_within(s, reach, at)) return false;
    return any_source(s, at, [&](Vec3 q) {
        const auto& orientations = first ? s.first_orientations : s.orientations;
        first = false;
        if (reach.within(s, norm(q))) return false;
        for (const Orientation& o : orientations) {
            if (tricubic_in_range(s, dot(o.a, q), dot(o.b, q), dot(o.c, q))) continue;
            if (s.background_sum != 0.0 || lattice(s, o, q).F_latt != 0.0) return true;
        }
        return false;
    });
}

// No evaluation of the run can leave the range: |q| <= 2/wavelength.
bool never_leaves_range(const Scene& s, const Reach& reach) {
    double shortest = s.sources.front().wavelength;
    for (const Source& source : s.sources) shortest = std::min(shortest, source.wavelength);
    if (!(shortest > 0)) return false;
    double q = 2.0 / shortest;
    if (s.dmin > 0.0) q = std::min(q, 1.0 / s.dmin);
    return reach.within(s, q);
}

}  // namespace

RunState initial_state(const Scene& scene) {
    return {!scene.first_orientations.empty(), scene.has_grid() && scene.interpolation != Interpolation::nearest};
}

PixelResult reference_pixel(const Scene& scene, PixelPlace at, RunState& state, Observer* observer) {
    return PixelWalk(scene, at, state, observer).walk();
}

std::int64_t locate_first_evaluation(const Scene& s) {
    if (s.first_orientations.empty()) return -1;
    for (const PixelRow& row : s.rows()) {
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        for (std::int64_t fast = panel.roi[0]; fast <= panel.roi[1]; ++fast) {
            const PixelPlace at{row.panel, row.slow, fast};
            if (panel.unmasked(row.slow, fast) && any_source(s, at, [](Vec3) { return true; })) return row.start + fast;
        }
    }
    return -1;
}

std::int64_t locate_out_of_range(const Scene& s, int threads) {
    if (!sticky(s)) return -1;
    const Reach reach(s);
    if (never_leaves_range(s, reach)) return -1;
    const std::int64_t first_evaluation = locate_first_evaluation(s);
    const std::vector<PixelRow> rows = s.rows();
    const auto count = static_cast<std::int64_t>(rows.size());
    std::atomic<std::int64_t> found{s.pixels()};
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t i = 0; i < count; ++i) {
        const PixelRow& row = rows[static_cast<std::size_t>(i)];
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        for (std::int64_t fast = panel.roi[0]; fast <= panel.roi[1]; ++fast) {
            const std::int64_t pixel = row.start + fast;
            if (pixel >= found.load(std::memory_order_relaxed)) break;
            if (!panel.unmasked(row.slow, fast) ||
                !pixel_leaves_range(s, reach, {row.panel, row.slow, fast}, pixel == first_evaluation)) {
                continue;
            }
            std::int64_t best = found.load();
            while (pixel < best && !found.compare_exchange_weak(best, pixel)) {
            }
            break;
        }
    }
    return found < s.pixels() ? found.load() : -1;
}

RunState state_at(const Scene& scene, std::int64_t pixel, std::int64_t first_evaluation, std::int64_t out_of_range) {
    RunState state = initial_state(scene);
    // Pixels before the first evaluation are culled altogether, so that "pending" does no harm there.
    state.first_pending = state.first_pending && pixel <= first_evaluation;
    state.interpolating = state.interpolating && (out_of_range < 0 || pixel <= out_of_range);
    return state;
}

PixelResult reference_alone(const Scene& s, std::int64_t pixel, std::int64_t first_evaluation,
                            std::int64_t out_of_range) {
    RunState state = state_at(s, pixel, first_evaluation, out_of_range);
    return reference_pixel(s, s.place(pixel), state);
}

bool render_reference(const Scene& s, float* image) {
    std::fill(image, image + s.pixels(), 0.0f);
    RunState state = initial_state(s);
    const bool began = state.interpolating;
    for (const PixelRow& row : s.rows()) {
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        for (std::int64_t fast = panel.roi[0]; fast <= panel.roi[1]; ++fast) {
            if (!panel.unmasked(row.slow, fast)) continue;
            image[row.start + fast] = static_cast<float>(reference_pixel(s, {row.panel, row.slow, fast}, state).value);
        }
    }
    return began && !state.interpolating;
}

}  // namespace nanobragg
