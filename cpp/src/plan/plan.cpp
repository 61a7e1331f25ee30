#include "plan/plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "plan/spectrum.hpp"

namespace nanobragg {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kLevels = 8;
constexpr std::int64_t kMostLines = 4096;      // of one spectrum that is shortened as a whole
constexpr std::int64_t kManySources = 20'000;  // more are not kept once for each level
constexpr std::int64_t kMostInFans = 200'000;  // sources, of all levels, that are kept once more in another order
constexpr std::size_t kFewestInFan = 3;        // beams of one wavelength that are worth sharing it
// Sums over a spectrum may be wrong by this part of the smallest lattice factor that is not next to a zero, 1.
constexpr double kSpectralAccuracy = 1e-12;

void store(Vec3 v, double out[3]) {
    out[0] = v.x;
    out[1] = v.y;
    out[2] = v.z;
}

// sin(N x)/sin(x) = U_{N-1}(cos x) as a polynomial of c = cos(2 x): from sums of cosines for odd N, and for even N
// after taking out 2 cos x, whose square is 2 + 2 c. Short enough to be exact in single precision up to N = 8.
CellPolynomials few_cells(const double cells[3]) {
    static constexpr double kOdd[4][4] = {{1, 0, 0, 0}, {1, 2, 0, 0}, {-1, 2, 4, 0}, {-1, -4, 4, 8}};
    static constexpr double kEven[4][4] = {{1, 0, 0, 0}, {0, 2, 0, 0}, {-1, 0, 4, 0}, {0, -4, 0, 8}};
    CellPolynomials few{};
    for (int axis = 0; axis < 3; ++axis) {
        if (!(cells[axis] <= 8)) {
            few.degree = -1;
            few.any_even = false;
            return few;
        }
        const int n = static_cast<int>(cells[axis]);
        const bool even = n % 2 == 0;
        const int own = (n - 1) / 2;
        std::copy_n(even ? kEven[own] : kOdd[own], 4, few.polynomial[axis]);
        few.even[axis] = even ? 2 : 0;
        few.odd[axis] = even ? 2 : 1;
        few.degree = std::max(few.degree, own);
        few.any_even |= even;
    }
    return few;
}

// The longest difference between the direction to a pixel of this part of a panel and that of the first source. The
// directions within an angle below 90 degrees are a convex cone, so that the corners decide.
double reach_of(const KernelScene& k, std::int64_t slow, std::int64_t last_slow, std::int64_t fast,
                std::int64_t last_fast) {
    constexpr double kAny = 2.0;
    if (k.curved_distance != 0) return kAny;
    const double* beam = k.sources[0].direction;
    double longest = 0;
    for (const double s : {static_cast<double>(slow), static_cast<double>(last_slow) + 1.0}) {
        for (const double f : {static_cast<double>(fast), static_cast<double>(last_fast) + 1.0}) {
            for (std::int64_t layer = 0; layer <= k.layer_count; ++layer) {
                const double depth = layer < k.layer_count ? k.layers[4 * layer] : 0.0;
                double at[3], length = 0, along = 0;
                for (int i = 0; i < 3; ++i) {
                    at[i] = k.pixel_size * (f * k.fast[i] + s * k.slow[i]) + depth * k.normal[i] + k.origin[i];
                    length += at[i] * at[i];
                    along += at[i] * beam[i];
                }
                if (!(along > 0)) return kAny;
                length = std::sqrt(length);
                double squares = 0;
                for (int i = 0; i < 3; ++i) squares += (at[i] / length - beam[i]) * (at[i] / length - beam[i]);
                longest = std::max(longest, std::sqrt(squares));
            }
        }
    }
    return longest;
}

// Radians that the fastest term of a lattice factor turns through when 1/wavelength grows by one, for scattering
// vectors of length 1; rounded up, so that turning the crystal changes nothing. 0: there is no such bound.
double spectral_rate_of(const Scene& scene) {
    double rate = 0;
    for (const Orientation& o : scene.orientations) {
        const Vec3 a = (scene.cells[0] - 1) * o.a, b = (scene.cells[1] - 1) * o.b, c = (scene.cells[2] - 1) * o.c;
        rate = std::max({rate, norm(a + b + c), norm(a + b - c), norm(a - b + c), norm(a - b - c)});
    }
    if (!(rate > 0 && std::isfinite(rate))) return 0;
    return 2 * kPi * std::exp2(std::ceil(8 * std::log2(rate)) / 8);
}

// How far the directions of sources are from the first one's, at most.
double spread_of(const std::vector<KernelSource>& sources) {
    double spread = 0;
    for (const KernelSource& source : sources) {
        const double *d = source.direction, *first = sources.front().direction;
        spread = std::max(spread, std::hypot(d[0] - first[0], d[1] - first[1], d[2] - first[2]));
    }
    return spread;
}

// For each of the levels, up to a part of `reach`: the spectrum, or a shorter one that does as well.
std::vector<std::vector<SpectralLine>> rules_of(const std::vector<SpectralLine>& lines, double rate, double accuracy,
                                                std::size_t levels, double reach, double most_nodes) {
    std::vector<std::vector<SpectralLine>> out(levels, lines);
    const auto worthwhile = static_cast<int>(std::min(0.75 * static_cast<double>(lines.size()), most_nodes));
    const SpectralRange range = range_of(lines);
    if (worthwhile < 1 || !(range.total > 0 && std::isfinite(range.total))) return out;
    std::vector<int> nodes(levels);
    int most = 0;
    for (std::size_t i = 0; i < levels; ++i) {
        const double part = reach * static_cast<double>(i + 1) / static_cast<double>(levels);
        nodes[i] = nodes_for(rate * part * (range.high - range.low) / 2, accuracy, worthwhile);
        if (nodes[i] <= worthwhile) most = nodes[i];
    }
    if (most == 0) return out;
    const Spectrum spectrum(lines, most);
    for (std::size_t i = 0; i < levels; ++i) {
        if (nodes[i] <= worthwhile) out[i] = spectrum.nodes(nodes[i]);
    }
    return out;
}

}  // namespace

double largest_structure_factor(const Scene& s) {
    double largest = std::abs(s.default_F);
    for (std::int64_t i = 0; i < s.grid_points(); ++i) largest = std::max(largest, std::abs(s.f_grid[i]));
    return largest;
}

std::vector<float> squared_grid(const Scene& scene) {
    const std::int64_t size = scene.grid_points();
    std::vector<float> squares(static_cast<std::size_t>(size) + 1);
    for (std::int64_t i = 0; i < size; ++i) {
        squares[static_cast<std::size_t>(i)] = static_cast<float>(scene.f_grid[i] * scene.f_grid[i]);
    }
    squares.back() = static_cast<float>(scene.default_F * scene.default_F);
    return squares;
}

bool mixed_suffices(const Scene& s, double largest_F) {
    double longest = 0, shortest = s.sources.front().wavelength;
    for (const Orientation& o : s.orientations) longest = std::max({longest, norm(o.a), norm(o.b), norm(o.c)});
    for (const Source& source : s.sources) shortest = std::min(shortest, source.wavelength);
    const double cells = std::max({s.cells[0], s.cells[1], s.cells[2]});
    const double peak = s.cells[0] * s.cells[1] * s.cells[2] * largest_F;
    // Written so that NaN does not suffice.
    const bool indices = longest * 2.0 / shortest < 4e5 && shortest > 0;
    const double radius = s.shape == Shape::round ? std::sqrt(std::max(1.0, s.fudge)) : 1.0;
    const bool phases = cells * radius <= 2000.0;
    return indices && phases && peak * peak < 1e35;
}

const char* reason_for_reference(const Scene& s) {
    if (s.order_dependent())
        return "factors that multiply the running sum make its pixels depend on the order of evaluations";
    if (!(s.fudge >= 0)) return "the fudge factor is negative or not a number";
    if (s.grid_points() >= (std::int64_t{1} << 31)) return "it has 2^31 structure factors or more";
    return nullptr;
}

std::int64_t evaluations_of_pixel(const KernelScene& s) {
    return s.layer_count * s.oversample * s.oversample * s.source_count * s.orientation_count;
}

Plan::Plan(const Scene& scene, bool mixed, const float* squares) : mixed_(mixed) {
    for (const Layer& layer : scene.layers) {
        layers_.insert(layers_.end(), {layer.depth, layer.front, layer.back, layer.incidence_depth});
    }
    levels_.push_back({2.0, {}, {}, {}});
    for (const Source& source : scene.sources) add_source(scene, source);
    fill_common(scene, squares);
    add_panels(scene);
    shorten_spectra(scene);
    order_by_wavelength();
}

void Plan::add_panels(const Scene& scene) {
    for (Level& level : levels_) {
        level.panels.assign(scene.panels.size(), common_);
        for (std::size_t i = 0; i < scene.panels.size(); ++i) {
            KernelScene& k = level.panels[i];
            const Panel& panel = scene.panels[i];
            store(panel.origin, k.origin);
            store(panel.fast, k.fast);
            store(panel.slow, k.slow);
            store(panel.normal, k.normal);
            k.close_distance = panel.close_distance;
            k.sources = level.sources.data();
            k.source_count = static_cast<std::int64_t>(level.sources.size());
        }
    }
}

const KernelScene& Plan::panel(std::size_t index, std::int64_t slow, std::int64_t fast, std::int64_t last_fast) const {
    if (levels_.size() == 1) return panel(index);
    const double reach = reach_of(panel(index), slow, slow, fast, last_fast) + spread_;
    const auto found =
        std::find_if(levels_.begin(), levels_.end() - 1, [&](const Level& l) { return l.reach >= reach; });
    return found->panels[index];
}

// Fewer wavelengths of each direction where no sum can tell (spectrum.hpp).
void Plan::shorten_spectra(const Scene& scene) {
    if (scene.shape != Shape::square || scene.has_grid() || scene.dmin > 0) return;
    const std::vector<KernelSource>& all = levels_.back().sources;
    const bool weighted = std::all_of(all.begin(), all.end(), [](const KernelSource& s) { return s.weight >= 0; });
    if (!weighted) return;
    spectral_rate_ = spectral_rate_of(scene);
    if (spectral_rate_ == 0) return;
    // Finding n nodes takes n^2 steps for each line, which must be less than its evaluations take.
    most_nodes_ = std::sqrt(scene.evaluations() / static_cast<double>(scene.sources.size()) / 8);
    const double size = scene.cells[0] * scene.cells[1] * scene.cells[2], accuracy = kSpectralAccuracy / (size * size);
    double reach = 0;
    for (const KernelScene& panel : levels_.back().panels) {
        reach = std::max(reach, reach_of(panel, scene.roi[2], scene.roi[3], scene.roi[0], scene.roi[1]));
    }
    spread_ = spread_of(all);
    reach += spread_;
    const auto count = static_cast<std::int64_t>(all.size());
    const int levels = count > kManySources ? 1 : kLevels;
    std::vector<Level> shortened;
    for (int i = 1; i <= levels; ++i) shortened.push_back({reach * i / levels, {}, {}, {}});
    std::vector<SpectralLine> lines;                // of the spectrum before
    std::vector<std::vector<SpectralLine>> chosen;  // for each level
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
        const KernelSource& first = all[static_cast<std::size_t>(begin)];
        std::vector<SpectralLine> own;
        while (end < count && end - begin < kMostLines &&
               std::equal(first.direction, first.direction + 3, all[static_cast<std::size_t>(end)].direction)) {
            const KernelSource& source = all[static_cast<std::size_t>(end++)];
            own.push_back({source.inverse_wavelength, source.weight});
        }
        if (own != lines) {
            lines = std::move(own);
            chosen = rules_of(lines, spectral_rate_, accuracy, shortened.size(), reach, most_nodes_);
        }
        for (std::size_t i = 0; i < shortened.size(); ++i) {
            for (const SpectralLine& line : chosen[i]) {
                shortened[i].sources.push_back(first);
                shortened[i].sources.back().inverse_wavelength = line.inverse_wavelength;
                shortened[i].sources.back().weight = line.weight;
            }
        }
    }
    if (shortened.front().sources.size() == all.size()) return;
    levels_ = std::move(shortened);
    add_panels(scene);
}

// Beams of one wavelength share what depends on the pixel and the orientation (the kernels' fans).
void Plan::order_by_wavelength() {
    for (Level& level : levels_) {
        const std::size_t count = level.sources.size();
        if (static_cast<std::int64_t>(count * levels_.size()) > kMostInFans) return;
        std::vector<KernelSource> ordered = level.sources;
        std::sort(ordered.begin(), ordered.end(), [](const KernelSource& a, const KernelSource& b) {
            return a.inverse_wavelength < b.inverse_wavelength;
        });
        std::size_t wavelengths = 1;
        for (std::size_t i = 1; i < count; ++i) {
            wavelengths += ordered[i].inverse_wavelength != ordered[i - 1].inverse_wavelength;
        }
        if (count < kFewestInFan * wavelengths) return;
        level.by_wavelength = std::move(ordered);
        for (KernelScene& k : level.panels) k.by_wavelength = level.by_wavelength.data();
    }
}

double Plan::short_cut_limit() const {
    const double a = common_.cells[0], b = common_.cells[1], c = common_.cells[2];
    const double edge = std::max({a * b, b * c, a * c});
    const double terms = static_cast<double>(common_.orientation_count * common_.layer_count) * common_.weight_sum *
                         static_cast<double>(common_.oversample * common_.oversample);
    const double fan = panel(0).by_wavelength != nullptr ? 2.0 : 1.0;  // a cosine of two products
    return fan * 4.0 * edge * edge * common_.default_F * common_.default_F * terms;
}

void Plan::add_source(const Scene& scene, const Source& source) {
    KernelSource out{};
    store(source.direction, out.direction);
    out.inverse_wavelength = 1.0 / source.wavelength;
    out.weight = source.weight;
    const Vec3 magnetic = unit(cross(scene.polarization_axis, source.direction));
    store(magnetic, out.magnetic);
    store(unit(cross(source.direction, magnetic)), out.electric);
    levels_.back().sources.push_back(out);
    common_.weight_sum += source.weight;
}

void Plan::fill_common(const Scene& scene, const float* squares) {
    KernelScene& k = common_;
    k.pixel_size = scene.pixel_size;
    k.curved_distance = scene.curved_distance;
    store(scene.beam_direction, k.beam);
    k.layers = layers_.data();
    k.layer_count = static_cast<std::int64_t>(scene.layers.size());
    k.attenuation = scene.attenuation;
    k.sensor_depth = scene.sensor_depth;
    k.omega = scene.omega;
    k.polar = scene.polar;
    k.capture = scene.capture;
    k.capture_inside = scene.capture == Factor::each || (scene.capture != Factor::off && !scene.one_capture());
    k.point_pixel = scene.point_pixel;
    k.kahn_factor = scene.kahn_factor;
    static_assert(sizeof(Orientation) == 9 * sizeof(double), "three vectors, nine numbers in a row");
    k.orientations = &scene.orientations.front().a.x;
    k.orientation_count = static_cast<std::int64_t>(scene.orientations.size());
    k.shape = scene.shape;
    std::copy(scene.cells, scene.cells + 3, k.cells);
    k.few = few_cells(scene.cells);
    k.fudge = scene.fudge;
    const double size = scene.cells[0] * scene.cells[1] * scene.cells[2], square = size * size;
    k.metric[0] = dot(scene.a_star, scene.a_star) * square;
    k.metric[1] = dot(scene.b_star, scene.b_star) * square;
    k.metric[2] = dot(scene.c_star, scene.c_star) * square;
    k.metric[3] = 2 * dot(scene.a_star, scene.b_star) * square;
    k.metric[4] = 2 * dot(scene.b_star, scene.c_star) * square;
    k.metric[5] = 2 * dot(scene.a_star, scene.c_star) * square;
    k.f_grid = scene.f_grid;
    k.f_sqr_grid = squares;
    std::copy(scene.f_shape, scene.f_shape + 3, k.f_shape);
    std::copy(scene.f_min, scene.f_min + 3, k.f_min);
    k.default_F = scene.default_F;
    k.oversample = scene.oversample;
    k.dmin = scene.dmin;
    k.background_sum = scene.background_sum;
    k.background = scene.background;
    k.scale = scene.scale;
    k.steps = scene.steps;
}

}  // namespace nanobragg
