// Compiled without contraction: every operation is rounded as nonBragg.c's is, whatever the width of the vectors.
#include "nanobragg/amorphous.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "nanobragg/threads.hpp"
#include "targets.hpp"

namespace nanobragg {
namespace {

// Neighbouring pixels that are taken together, for the vector units.
constexpr std::size_t batch = 64;
using Lane = double[batch];
using Points = std::int32_t[batch];

// A source as the loops want it: the directions of its electric and magnetic field come with it.
struct Beam {
    Vec3 travel, electric, magnetic;
    double wavelength, weight;
};

Beam beam_of(const AmorphousSource& source, Vec3 axis) {
    const Vec3 magnetic = unit(cross(axis, source.travel));
    return {source.travel, unit(cross(source.travel, magnetic)), magnetic, source.wavelength, source.weight};
}

// Everything that rows share.
struct Sight {
    const AmorphousScene& scene;
    const Profile& profile;
    std::vector<Beam> beams;
    double weights = 0;  // sum of the beams' weights, over the subpixels
    double subpixel, subheight;

    Sight(const AmorphousScene& s, const Profile& p)
        : scene(s),
          profile(p),
          subpixel(s.pixel_size / static_cast<double>(s.oversample)),
          subheight(s.pixel_height / static_cast<double>(s.oversample)) {
        for (const AmorphousSource& source : s.sources) {
            beams.push_back(beam_of(source, s.polarization_axis));
            weights += source.weight;
        }
        weights *= static_cast<double>(s.oversample * s.oversample);
    }

    std::size_t evaluations() const {
        return beams.size() * static_cast<std::size_t>(scene.oversample * scene.oversample);
    }
};

// Directions of diffracted rays, and the solid angle of their pixels.
struct Rays {
    alignas(64) Lane x, y, z, omega;
};

// What one evaluation of every pixel of a batch gives.
struct Evaluation {
    alignas(64) Lane stol, amplitude, polar;
    alignas(64) Points point;
};

// Where the subpixels (subslow, subfast) of the pixels from `fast` on are.
[[gnu::always_inline]] inline void positions(const Sight& sight, std::size_t slow, std::size_t fast,
                                             std::int64_t subslow, std::int64_t subfast, Rays& rays) {
    const AmorphousScene& s = sight.scene;
    const double oversample = static_cast<double>(s.oversample), half = sight.subpixel / 2.0;
    const double down = sight.subheight * (static_cast<double>(slow) * oversample + static_cast<double>(subslow)) +
                        sight.subheight / 2.0;
    const Vec3 from = down * s.slow_axis, axis = s.fast_axis, origin = s.origin;
    const double sub = static_cast<double>(subfast), subpixel = sight.subpixel;
    const auto first = static_cast<std::int32_t>(fast);
    for (std::size_t i = 0; i < batch; ++i) {
        const double index = static_cast<double>(first + static_cast<std::int32_t>(i)) * oversample + sub;
        const double along = subpixel * index + half;
        rays.x[i] = along * axis.x + from.x + origin.x;
        rays.y[i] = along * axis.y + from.y + origin.y;
        rays.z[i] = along * axis.z + from.z + origin.z;
    }
}

// A curved detector's pixels are all as far away: what were lengths become angles. Sines are not for vector units.
void bend(const AmorphousScene& s, Rays& rays) {
    const Vec3 centre = s.distance * s.beam;
    for (std::size_t i = 0; i < batch; ++i) {
        const Vec3 turned = rotate_axis(centre, s.slow_axis, rays.y[i] / s.distance);
        const Vec3 at = rotate_axis(turned, s.fast_axis, rays.z[i] / s.distance);
        rays.x[i] = at.x;
        rays.y[i] = at.y;
        rays.z[i] = at.z;
    }
}

// From positions to unit vectors and solid angles.
[[gnu::always_inline]] inline void directions(const AmorphousScene& s, Rays& rays) {
    const double area = s.pixel_area, close_distance = s.close_distance;
    const bool point = s.point_pixel;
    for (std::size_t i = 0; i < batch; ++i) {
        const double x = rays.x[i], y = rays.y[i], z = rays.z[i];
        const double path = std::sqrt(x * x + y * y + z * z);
        const double divisor = path != 0.0 ? path : 1.0;
        rays.x[i] = x / divisor;
        rays.y[i] = y / divisor;
        rays.z[i] = z / divisor;
        rays.omega[i] = path;
    }
    // NOLINTNEXTLINE(modernize-loop-convert): all loops of a batch are of one form.
    for (std::size_t i = 0; i < batch; ++i) {
        const double path = rays.omega[i];
        rays.omega[i] = point ? 1.0 / path / path : area / path / path * close_distance / path;
    }
}

[[gnu::always_inline]] inline void scattering(const Beam& beam, const Rays& rays, Lane& stol) {
    const Vec3 travel = beam.travel;
    const double wavelength = beam.wavelength;
    for (std::size_t i = 0; i < batch; ++i) {
        const double x = (rays.x[i] - travel.x) / wavelength, y = (rays.y[i] - travel.y) / wavelength,
                     z = (rays.z[i] - travel.z) / wavelength;
        stol[i] = 0.5 * std::sqrt(x * x + y * y + z * z);
    }
}

// The last point at or below each stol, at least the second, of a table that is in order.
[[gnu::always_inline]] inline void last_below(const Profile& profile, const Lane& stol, Points& point) {
    const double* x = profile.x.data();
    if (profile.steps == 0) {
        const double *begin = x + 2, *end = x + profile.points - 2;
        for (std::size_t i = 0; i < batch; ++i) {
            point[i] = static_cast<std::int32_t>(std::upper_bound(begin, end, stol[i]) - x) - 1;
        }
        return;
    }
    const std::int32_t* first = profile.first.data();
    const double origin = profile.cell_origin, per_unit = profile.cells_per_unit;
    const double last = static_cast<double>(profile.first.size() - 1);
    for (std::size_t i = 0; i < batch; ++i) {
        double cell = (stol[i] - origin) * per_unit;
        cell = cell > 0.0 ? cell : 0.0;  // NaN too
        cell = cell < last ? cell : last;
        point[i] = static_cast<std::int32_t>(cell);
    }
    // NOLINTNEXTLINE(modernize-loop-convert): all loops of a batch are of one form.
    for (std::size_t i = 0; i < batch; ++i) point[i] = first[point[i]];
    for (int step = 0; step < profile.steps; ++step) {
        for (std::size_t i = 0; i < batch; ++i) point[i] += stol[i] >= x[point[i] + 1] ? 1 : 0;
    }
}

[[gnu::always_inline]] inline std::int64_t count_outside(const Profile& profile, const Lane& stol, std::size_t count) {
    const double low = profile.lowest, high = profile.highest;
    std::int64_t outside = 0;
    for (std::size_t i = 0; i < count; ++i) outside += ((stol[i] < low) | (stol[i] > high)) ? 1 : 0;
    return outside;
}

[[gnu::always_inline]] inline void interpolate(const Profile& profile, const Lane& stol, const Points& point,
                                               Lane& amplitude) {
    const double *x = profile.x.data(), *f = profile.f.data();
    const double *d0 = profile.denominator[0].data(), *d1 = profile.denominator[1].data(),
                 *d2 = profile.denominator[2].data(), *d3 = profile.denominator[3].data();
    constexpr double endless = std::numeric_limits<double>::infinity();
    const double low = profile.held ? profile.lowest : -endless, high = profile.held ? profile.highest : endless;
    for (std::size_t i = 0; i < batch; ++i) {
        const std::int32_t k = point[i];
        double at = stol[i];
        at = at < low ? low : at;
        at = at > high ? high : at;
        const double a = at - x[k - 1], b = at - x[k], c = at - x[k + 1], d = at - x[k + 2];
        const double w0 = b * c * d * f[k - 1] / d0[k], w1 = a * c * d * f[k] / d1[k];
        const double w2 = a * b * d * f[k + 1] / d2[k], w3 = a * b * c * f[k + 2] / d3[k];
        amplitude[i] = w0 + w1 + w2 + w3;
    }
}

// Kahn et al., J. Appl. Cryst. 15 (1982) 330. cos 2psi comes from the components along the beam's fields.
[[gnu::always_inline]] inline void polarization(const AmorphousScene& s, const Beam& beam, const Rays& rays,
                                                Lane& polar) {
    const double kahn = s.kahn_factor;
    const Vec3 travel = beam.travel, electric = beam.electric, magnetic = beam.magnetic;
    if (!s.polarized) {
        // NOLINTNEXTLINE(modernize-loop-convert): all loops of a batch are of one form.
        for (std::size_t i = 0; i < batch; ++i) polar[i] = 1.0;
    } else if (kahn == 0.0) {
        for (std::size_t i = 0; i < batch; ++i) {
            const double c = travel.x * rays.x[i] + travel.y * rays.y[i] + travel.z * rays.z[i];
            polar[i] = 0.5 * (1.0 + c * c);
        }
    } else {
        for (std::size_t i = 0; i < batch; ++i) {
            const double x = rays.x[i], y = rays.y[i], z = rays.z[i];
            const double c = travel.x * x + travel.y * y + travel.z * z;
            const double e = x * electric.x + y * electric.y + z * electric.z;
            const double b = x * magnetic.x + y * magnetic.y + z * magnetic.z;
            const double square = e * e + b * b;
            const double cos_two_psi = square != 0.0 ? (e * e - b * b) / square : 1.0;
            polar[i] = 0.5 * (1.0 + c * c - kahn * cos_two_psi * (1.0 - c * c));
        }
    }
}

// Sums over the evaluations of a batch of pixels.
struct Sums {
    alignas(64) Lane intensity, amplitude, stol, factors;
    double solid_angle;
    std::int64_t outside;
};

// What a thread works with.
struct Bench {
    Rays rays;
    Evaluation now;
    Sums sums;
};

// A run of neighbouring pixels, and what is known of its evaluations: stol and point, `batch` of them for each.
struct Run {
    std::size_t slow, fast, count;
    double* stol;
    std::int32_t* point;
    double* omega;  // solid angles of all subpixels, where they are wanted: `batch` for each
};

// The first pass for a table that has to be searched: stol of all evaluations.
[[gnu::always_inline]] inline void stol_of_run(const Sight& sight, const Run& run, Bench& bench) {
    const AmorphousScene& s = sight.scene;
    double* to = run.stol;
    for (std::int64_t subslow = 0; subslow < s.oversample; ++subslow) {
        for (std::int64_t subfast = 0; subfast < s.oversample; ++subfast) {
            positions(sight, run.slow, run.fast, subslow, subfast, bench.rays);
            if (s.curved) bend(s, bench.rays);
            directions(s, bench.rays);
            for (const Beam& beam : sight.beams) {
                scattering(beam, bench.rays, bench.now.stol);
                std::memcpy(to, bench.now.stol, sizeof(Lane));
                to += batch;
            }
        }
    }
}

[[gnu::always_inline]] inline void add(const AmorphousScene& s, const Beam& beam, Bench& bench) {
    const Evaluation& now = bench.now;
    const bool negative = s.signed_intensity;
    const double weight = beam.weight;
    for (std::size_t i = 0; i < batch; ++i) {
        const double f = now.amplitude[i];
        const double sign = (negative & (f < 0.0)) ? -1.0 : 1.0;
        bench.sums.intensity[i] += sign * f * f * now.polar[i] * bench.rays.omega[i] * weight;
    }
}

[[gnu::always_inline]] inline void add_means(const Beam& beam, Bench& bench) {
    const Evaluation& now = bench.now;
    for (std::size_t i = 0; i < batch; ++i) {
        bench.sums.amplitude[i] += now.amplitude[i] * beam.weight;
        bench.sums.stol[i] += now.stol[i] * beam.weight;
        bench.sums.factors[i] += now.polar[i] * bench.rays.omega[i] * beam.weight;
    }
}

// All evaluations of a run; `means`: their means are wanted too.
[[gnu::always_inline]] inline void evaluate_run(const Sight& sight, const Run& run, bool means, Bench& bench) {
    const AmorphousScene& s = sight.scene;
    std::memset(&bench.sums, 0, sizeof(Sums));
    std::size_t at = 0;
    for (std::int64_t subslow = 0; subslow < s.oversample; ++subslow) {
        for (std::int64_t subfast = 0; subfast < s.oversample; ++subfast) {
            positions(sight, run.slow, run.fast, subslow, subfast, bench.rays);
            if (s.curved) bend(s, bench.rays);
            directions(s, bench.rays);
            if (run.omega != nullptr) {
                const auto subpixel = static_cast<std::size_t>(subslow * s.oversample + subfast);
                std::memcpy(run.omega + subpixel * batch, bench.rays.omega, sizeof(Lane));
            }
            double solid[4] = {};
            for (std::size_t i = 0; i < run.count; ++i) solid[i % 4] += bench.rays.omega[i];
            bench.sums.solid_angle += (solid[0] + solid[1]) + (solid[2] + solid[3]);
            for (const Beam& beam : sight.beams) {
                if (run.point == nullptr) {
                    scattering(beam, bench.rays, bench.now.stol);
                    last_below(sight.profile, bench.now.stol, bench.now.point);
                } else {
                    std::memcpy(bench.now.stol, run.stol + at, sizeof(Lane));
                    std::memcpy(bench.now.point, run.point + at, sizeof(Points));
                    at += batch;
                }
                bench.sums.outside += count_outside(sight.profile, bench.now.stol, run.count);
                interpolate(sight.profile, bench.now.stol, bench.now.point, bench.now.amplitude);
                polarization(s, beam, bench.rays, bench.now.polar);
                add(s, beam, bench);
                if (means) add_means(beam, bench);
            }
        }
    }
}

// Several widths of vector (targets.hpp).
using Pass = void (*)(const Sight&, const Run&, bool, Bench&);

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute may not stand in parentheses
#define NANOBRAGG_PASSES(suffix, attribute)                                                          \
    attribute void stol_##suffix(const Sight& sight, const Run& run, bool, Bench& bench) {           \
        stol_of_run(sight, run, bench);                                                              \
    }                                                                                                \
    attribute void evaluate_##suffix(const Sight& sight, const Run& run, bool means, Bench& bench) { \
        evaluate_run(sight, run, means, bench);                                                      \
    }
// NOLINTEND(bugprone-macro-parentheses)

struct Passes {
    Pass stol, evaluate;
};

NANOBRAGG_PASSES(baseline, )
NANOBRAGG_PASSES(avx2, NANOBRAGG_AVX2)
NANOBRAGG_PASSES(avx512, NANOBRAGG_AVX512)

Passes choose_passes() {
    return version_of_run<Passes>({stol_baseline, evaluate_baseline}, {stol_avx2, evaluate_avx2},
                                  {stol_avx512, evaluate_avx512});
}

// Pixels of a run from its sums.
template <class Pixel>
void store(const Sight& sight, const Run& run, const Bench& bench, Pixel* image, const PixelFacts* facts) {
    const AmorphousScene& s = sight.scene;
    const std::size_t at = run.slow * s.fast + run.fast;
    const Sums& sums = bench.sums;
    for (std::size_t i = 0; i < run.count; ++i) {
        double value = sums.intensity[i] * s.cross_section * s.fluence * s.molecules / s.steps;
        if (s.show == AmorphousScene::Show::last_amplitude) value = bench.now.amplitude[i];
        if (s.show == AmorphousScene::Show::mean_amplitude) value = sums.amplitude[i] / sight.weights;
        image[at + i] = static_cast<Pixel>(0.0 + value);
    }
    if (facts == nullptr) return;
    for (std::size_t i = 0; i < run.count; ++i) {
        facts->stol[at + i] = facts->means ? sums.stol[i] / sight.weights : bench.now.stol[i];
        facts->polar[at + i] = facts->means ? sums.factors[i] / sight.weights : bench.now.polar[i];
        facts->omega[at + i] = facts->means ? 1.0 : bench.rays.omega[i];
        facts->point[at + i] = bench.now.point[i];
    }
}

// The part of the rows [first, end) that is in the region, cut into runs.
struct Region {
    std::size_t slow_begin, slow_end, fast_begin, fast_end;

    Region(const AmorphousScene& s, std::size_t first, std::size_t end) {
        const auto within = [](std::int64_t value, std::size_t low, std::size_t high) {
            return static_cast<std::size_t>(
                std::clamp(value, static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)));
        };
        fast_begin = within(s.roi[0], 0, s.fast);
        fast_end = std::max(fast_begin, within(s.roi[1] + 1, 0, s.fast));
        slow_begin = within(s.roi[2], first, end);
        slow_end = std::max(slow_begin, within(s.roi[3] + 1, first, end));
    }

    std::size_t runs_in_row() const { return (fast_end - fast_begin + batch - 1) / batch; }
    std::size_t runs() const { return runs_in_row() * (slow_end - slow_begin); }

    Run run(std::size_t number) const {
        const std::size_t fast = fast_begin + number % runs_in_row() * batch;
        return {slow_begin + number / runs_in_row(), fast, std::min(batch, fast_end - fast), nullptr, nullptr, nullptr};
    }
};

// Evaluations from which threads are worth starting.
constexpr std::size_t small = 1 << 12;

// Up to this many subpixels the solid angle is summed as nonBragg.c sums it, one after the other: its last digit is
// printed.
constexpr std::size_t in_order = 1 << 20;

}  // namespace

AmorphousRenderer::AmorphousRenderer(AmorphousScene scene, Profile profile)
    : scene_(std::move(scene)), profile_(std::move(profile)), searched_(!profile_.in_order()) {
    for (const AmorphousSource& source : scene_.sources) {
        // stol may be infinite: a search that gets there stays there.
        constexpr double tiny = 1e-90;
        searched_ = searched_ || !(std::fabs(source.wavelength) > tiny);
    }
}

template <class Pixel>
void AmorphousRenderer::rows(std::size_t first, std::size_t end, int threads, Pixel* image, const PixelFacts* facts) {
    const Sight sight(scene_, profile_);
    const Passes passes = choose_passes();
    const std::size_t evaluations = sight.evaluations();
    const Region all(scene_, first, end);
    const bool means = scene_.show == AmorphousScene::Show::mean_amplitude || (facts != nullptr && facts->means);
    const int team = all.runs() * batch * std::max<std::size_t>(evaluations, 1) < small ? 1 : thread_count(threads);

    // Rows that are done together: what is searched for is kept in between.
    constexpr std::size_t most = 1 << 22;
    const std::size_t in_row = std::max<std::size_t>(all.runs_in_row() * batch * evaluations, 1);
    const std::size_t together = searched_ ? std::max<std::size_t>(most / in_row, 1) : all.slow_end - all.slow_begin;
    std::vector<double> stol, omega;
    std::vector<std::int32_t> point;
    const auto subpixels = static_cast<std::size_t>(scene_.oversample * scene_.oversample);
    const bool ordered = all.runs() * batch * subpixels <= in_order;
    for (std::size_t slow = all.slow_begin; slow < all.slow_end; slow += together) {
        const Region part(scene_, slow, std::min(slow + together, all.slow_end));
        const auto runs = static_cast<std::int64_t>(part.runs());
        const std::size_t size = evaluations * batch;
        const auto numbered = [&](std::int64_t number) {
            Run run = part.run(static_cast<std::size_t>(number));
            if (ordered) run.omega = omega.data() + static_cast<std::size_t>(number) * subpixels * batch;
            if (!searched_) return run;
            run.stol = stol.data() + static_cast<std::size_t>(number) * size;
            run.point = point.data() + static_cast<std::size_t>(number) * size;
            return run;
        };
        if (ordered) omega.resize(part.runs() * subpixels * batch);
        if (searched_) {
            stol.resize(part.runs() * size);
            point.resize(part.runs() * size);
#pragma omp parallel num_threads(team)
            {
                Bench bench;
#pragma omp for schedule(static)
                for (std::int64_t number = 0; number < runs; ++number) {
                    passes.stol(sight, numbered(number), means, bench);
                }
            }
            for (std::int64_t number = 0; number < runs; ++number) {
                const Run run = numbered(number);
                std::fill_n(run.point, size, 1);
                for (std::size_t i = 0; i < run.count; ++i) {
                    for (std::size_t j = i; j < size; j += batch) {
                        point_ = search_from(profile_, point_, run.stol[j]);
                        run.point[j] = static_cast<std::int32_t>(std::max<std::size_t>(point_, 1));
                    }
                }
            }
        }
        std::vector<double> solid(static_cast<std::size_t>(runs));
        std::int64_t outside = 0;
#pragma omp parallel num_threads(team) reduction(+ : outside)
        {
            Bench bench;
            std::memset(&bench, 0, sizeof(Bench));
#pragma omp for schedule(dynamic, 16)
            for (std::int64_t number = 0; number < runs; ++number) {
                const Run run = numbered(number);
                passes.evaluate(sight, run, means, bench);
                solid[static_cast<std::size_t>(number)] = bench.sums.solid_angle;
                outside += bench.sums.outside;
                store(sight, run, bench, image, facts);
            }
        }
        for (std::int64_t number = 0; number < runs; ++number) {
            if (!ordered) solid_angle_ += solid[static_cast<std::size_t>(number)];
            const Run run = numbered(number);
            for (std::size_t i = 0; ordered && i < run.count; ++i) {
                for (std::size_t j = 0; j < subpixels; ++j) solid_angle_ += run.omega[j * batch + i];
            }
        }
        outside_ += outside;
    }
}

template void AmorphousRenderer::rows(std::size_t, std::size_t, int, float*, const PixelFacts*);
template void AmorphousRenderer::rows(std::size_t, std::size_t, int, double*, const PixelFacts*);

OrderedStatistics ordered_statistics(const float* image, const Frame& frame, std::int64_t count, bool shifted) {
    const std::vector<FrameRow> rows = frame.rows();
    const std::size_t whole = frame.pixels();
    OrderedStatistics out;
    double sum = 0, squares = 0;
    std::int64_t pixels = 0;
    for (const FrameRow& row : rows) {
        for (std::size_t at = row.start + row.begin; at < row.start + row.end; ++at) {
            const float p = image[at], square = p * p;
            if (p > out.maximum) {
                out.maximum = p;
                out.maximum_at = static_cast<std::int64_t>(at);
            }
            sum += static_cast<double>(p);
            squares += static_cast<double>(square);
            ++pixels;
        }
    }
    std::int64_t used = count < 0 ? pixels : count;
    used = std::max<std::int64_t>(used, 1);
    out.mean = sum / static_cast<double>(used);
    used = std::max<std::int64_t>(used, 2);
    out.rms = std::sqrt(squares / static_cast<double>(used - 1));
    double deviations = 0;
    for (const FrameRow& row : rows) {
        for (std::size_t at = row.start + row.begin; at < row.start + row.end; ++at) {
            const std::size_t from = shifted ? at + 1 : at;
            const double p = from < whole ? static_cast<double>(image[from]) : 0.0;
            deviations += (p - out.mean) * (p - out.mean);
        }
    }
    out.rmsd = std::sqrt(deviations / static_cast<double>(std::max<std::int64_t>(pixels, 2) - 1));
    return out;
}

}  // namespace nanobragg
