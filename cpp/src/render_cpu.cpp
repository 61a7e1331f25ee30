// Threads, chunks, and the choice of kernel.
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "isa.hpp"
#include "kernel.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"

namespace nanobragg {
namespace {

void store(Vec3 v, double out[3]) {
    out[0] = v.x;
    out[1] = v.y;
    out[2] = v.z;
}

// sin(N x)/sin(x) = U_{N-1}(cos x) as a polynomial of c = cos(2 x): from sums of cosines for odd N, and for even N
// after taking out 2 cos x, whose square is 2 + 2 c. Short enough to be exact in single precision up to N = 8.
FewCells few_cells(const double cells[3]) {
    static constexpr double kOdd[4][4] = {{1, 0, 0, 0}, {1, 2, 0, 0}, {-1, 2, 4, 0}, {-1, -4, 4, 8}};
    static constexpr double kEven[4][4] = {{1, 0, 0, 0}, {0, 2, 0, 0}, {-1, 0, 4, 0}, {0, -4, 0, 8}};
    FewCells few{};
    int degree = 0;
    bool any_even = false;
    for (int axis = 0; axis < 3; ++axis) {
        if (!(cells[axis] <= 8)) {
            few.kind = -1;
            return few;
        }
        const int n = static_cast<int>(cells[axis]);
        const bool even = n % 2 == 0;
        const int own = (n - 1) / 2;
        std::copy_n(even ? kEven[own] : kOdd[own], 4, few.polynomial[axis]);
        few.even[axis] = even ? 2 : 0;
        few.odd[axis] = even ? 2 : 1;
        degree = std::max(degree, own);
        any_even |= even;
    }
    few.kind = 2 * degree + (any_even ? 1 : 0);
    return few;
}

// The kernels' view of a Scene; it keeps what the plain pointers point to.
class Plan {
  public:
    Plan(const Scene& scene, bool mixed) : mixed_(mixed) {
        for (const Layer& layer : scene.layers) {
            layers_.insert(layers_.end(), {layer.depth, layer.front, layer.back, layer.incidence_depth});
        }
        for (const Source& source : scene.sources) add_source(scene, source);
        if (mixed_ && scene.has_grid() && scene.interpolation != Interpolation::tricubic) square_grid(scene);
        fill_common(scene);
        for (const Panel& panel : scene.panels) {
            store(panel.origin, common_.origin);
            store(panel.fast, common_.fast);
            store(panel.slow, common_.slow);
            store(panel.normal, common_.normal);
            common_.close_distance = panel.close_distance;
            panels_.push_back(common_);
        }
    }

    const KernelScene& panel(std::int64_t index) const { return panels_[static_cast<std::size_t>(index)]; }
    bool mixed() const { return mixed_; }

    // A pixel must have this sum of terms for the cosine polynomials to be accurate enough everywhere: their error is
    // largest where two axes are on a peak and the third is next to a zero, up to about 1e-6 (N_j N_k)^2 of a term's
    // unit, and may be 1e-7 of the brightest pixel. Their typical error is a quarter of that.
    double short_cut_limit() const {
        const double a = common_.cells[0], b = common_.cells[1], c = common_.cells[2];
        const double edge = std::max({a * b, b * c, a * c});
        const double terms = static_cast<double>(common_.orientation_count * common_.layer_count) * common_.weight_sum *
                             static_cast<double>(common_.oversample * common_.oversample);
        return 4.0 * edge * edge * common_.default_F * common_.default_F * terms;
    }

  private:
    void add_source(const Scene& scene, const Source& source) {
        KernelSource out{};
        store(source.direction, out.direction);
        out.inverse_wavelength = 1.0 / source.wavelength;
        out.weight = source.weight;
        const Vec3 magnetic = unit(cross(scene.polarization_axis, source.direction));
        store(magnetic, out.magnetic);
        store(unit(cross(source.direction, magnetic)), out.electric);
        sources_.push_back(out);
        common_.weight_sum += source.weight;
    }

    void square_grid(const Scene& scene) {
        const std::int64_t size = scene.f_shape[0] * scene.f_shape[1] * scene.f_shape[2];
        f_sqr_.resize(static_cast<std::size_t>(size) + 1);
        for (std::int64_t i = 0; i < size; ++i) {
            f_sqr_[static_cast<std::size_t>(i)] = static_cast<float>(scene.f_grid[i] * scene.f_grid[i]);
        }
        f_sqr_.back() = static_cast<float>(scene.default_F * scene.default_F);
    }

    void fill_common(const Scene& scene) {
        KernelScene& k = common_;
        k.pixel_size = scene.pixel_size;
        k.curved_distance = scene.curved_distance;
        store(scene.beam_direction, k.beam);
        k.layers = layers_.data();
        k.layer_count = static_cast<std::int64_t>(scene.layers.size());
        k.attenuation = scene.attenuation;
        k.sensor_depth = scene.sensor_depth;
        k.omega = static_cast<int>(scene.omega);
        k.polar = static_cast<int>(scene.polar);
        k.capture = static_cast<int>(scene.capture);
        k.capture_inside = scene.capture == Factor::each || (scene.capture != Factor::off && !scene.one_capture());
        k.point_pixel = scene.point_pixel;
        k.kahn_factor = scene.kahn_factor;
        k.sources = sources_.data();
        k.source_count = static_cast<std::int64_t>(scene.sources.size());
        static_assert(sizeof(Orientation) == 9 * sizeof(double), "three vectors, nine numbers in a row");
        k.orientations = &scene.orientations.front().a.x;
        k.orientation_count = static_cast<std::int64_t>(scene.orientations.size());
        k.shape = static_cast<int>(scene.shape);
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
        k.f_sqr_grid = f_sqr_.empty() ? nullptr : f_sqr_.data();
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

    bool mixed_;
    KernelScene common_{};
    std::vector<double> layers_;
    std::vector<KernelSource> sources_;
    std::vector<float> f_sqr_;
    std::vector<KernelScene> panels_;
};

// Where single precision would lose more than its promise (specs/performance.md), mixed means double.
bool mixed_suffices(const Scene& s) {
    double longest = 0, shortest = s.sources.front().wavelength, largest_F = std::abs(s.default_F);
    for (const Orientation& o : s.orientations) longest = std::max({longest, norm(o.a), norm(o.b), norm(o.c)});
    for (const Source& source : s.sources) shortest = std::min(shortest, source.wavelength);
    const std::int64_t size = s.f_shape[0] * s.f_shape[1] * s.f_shape[2];
    for (std::int64_t i = 0; i < size; ++i) largest_F = std::max(largest_F, std::abs(s.f_grid[i]));
    const double cells = std::max({s.cells[0], s.cells[1], s.cells[2]});
    const double peak = s.cells[0] * s.cells[1] * s.cells[2] * largest_F;
    // Written so that NaN does not suffice.
    const bool indices = longest * 2.0 / shortest < 4e5 && shortest > 0;
    const double radius = s.shape == Shape::round ? std::sqrt(std::max(1.0, s.fudge)) : 1.0;
    const bool phases = cells * radius <= 2000.0;
    return indices && phases && peak * peak < 1e35;
}

// A thread is worth waking for half a millisecond's work.
int worthwhile_threads(const Scene& s, int threads) {
    const double width = static_cast<double>(std::max<std::int64_t>(0, s.roi[1] - s.roi[0] + 1));
    const double height = static_cast<double>(std::max<std::int64_t>(0, s.roi[3] - s.roi[2] + 1));
    const double evaluations = width * height * static_cast<double>(s.panels.size() * s.layers.size()) *
                               static_cast<double>(s.sources.size()) * static_cast<double>(s.orientations.size()) *
                               static_cast<double>(s.oversample * s.oversample);
    return std::clamp(static_cast<int>(std::min(evaluations / 2e5, 1e6)), 1, threads);
}

// Order-dependent factors; a negative or NaN radius scale, which leaves the range of the kernels' functions; grids
// beyond the kernels' 32-bit indices.
bool needs_reference(const Scene& s) {
    const std::int64_t size = s.f_shape[0] * s.f_shape[1] * s.f_shape[2];
    return s.order_dependent() || !(s.fudge >= 0) || size >= (std::int64_t{1} << 31);
}

class Progress {
  public:
    Progress(const RenderOptions& options, std::int64_t total)
        : options_(options), total_(std::max<std::int64_t>(1, total)) {}

    void add(std::int64_t pieces) { done_.fetch_add(pieces, std::memory_order_relaxed); }
    void restart() { done_.store(0); }
    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

    // Only the calling thread may run the user's code.
    bool check() {
        if (omp_get_thread_num() == 0 && options_.tick) {
            const auto now = std::chrono::steady_clock::now();
            if (now - last_ > std::chrono::milliseconds(50)) {
                last_ = now;
                const double fraction =
                    static_cast<double>(done_.load(std::memory_order_relaxed)) / static_cast<double>(total_);
                if (!options_.tick(fraction)) stopped_.store(true);
            }
        }
        return stopped();
    }
    static bool poll(void* self) { return static_cast<Progress*>(self)->check(); }

  private:
    const RenderOptions& options_;
    std::int64_t total_;
    std::atomic<std::int64_t> done_{0};
    std::atomic<bool> stopped_{false};
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// A piece of a row: what one thread takes at a time.
struct Piece {
    std::int64_t panel, slow, fast, end;
};

class CpuRender {
  public:
    CpuRender(const Scene& scene, const RenderOptions& options, float* image)
        : s_(scene),
          image_(image),
          threads_(worthwhile_threads(scene, thread_count(options.threads))),
          reference_(needs_reference(scene)),
          plan_(scene, options.precision == Precision::mixed && mixed_suffices(scene)),
          pieces_(divide()),
          progress_(options, static_cast<std::int64_t>(pieces_.size())) {}

    RenderResult run() {
        first_ = locate_first_evaluation(s_);
        out_of_range_ = locate_out_of_range(s_, threads_);
        chunk_ = plan_.mixed() ? chosen_kernels().chunk_mixed : chosen_kernels().chunk_double;
        std::fill_n(image_, s_.pixels(), 0.0f);
        RenderResult result;
        result.interpolation_left = out_of_range_ >= 0;
        const double brightest = render_pieces(result.solid_angle);
        if (plan_.mixed() && takes_short_cut(plan_.panel(0)) && !(brightest >= plan_.short_cut_limit())) {
            careful_ = 1;
            progress_.restart();
            render_pieces(result.solid_angle);
        }
        if (!progress_.stopped() && !reference_) {
            for (const std::int64_t pixel : {first_, out_of_range_}) {
                if (pixel >= 0) render_alone(pixel);
            }
        }
        result.finished = !progress_.stopped();
        return result;
    }

  private:
    // Renders everything; returns the largest sum of terms of any pixel.
    double render_pieces(double& solid_angle) {
        std::vector<double> solid_angles(pieces_.size(), 0.0), brightest(pieces_.size(), 0.0);
        const auto count = static_cast<std::int64_t>(pieces_.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
        for (std::int64_t i = 0; i < count; ++i) {
            if (progress_.check()) continue;
            const auto at = static_cast<std::size_t>(i);
            render_piece(pieces_[at], &solid_angles[at], &brightest[at]);
            progress_.add(1);
        }
        solid_angle = 0;
        for (const double part : solid_angles) solid_angle += part;
        return brightest.empty() ? 0.0 : *std::max_element(brightest.begin(), brightest.end());
    }

    std::vector<Piece> divide() const {
        std::vector<Piece> pieces;
        if (s_.roi[1] < s_.roi[0] || s_.roi[3] < s_.roi[2]) return pieces;
        // Equal pieces, so that none is a mere remainder.
        const std::int64_t width = s_.roi[1] - s_.roi[0] + 1, parts = (width + kChunk - 1) / kChunk;
        const std::int64_t step = std::min<std::int64_t>(kChunk, ((width + parts - 1) / parts + 15) / 16 * 16);
        for (std::int64_t panel = 0; panel < static_cast<std::int64_t>(s_.panels.size()); ++panel) {
            for (std::int64_t slow = s_.roi[2]; slow <= s_.roi[3]; ++slow) {
                for (std::int64_t fast = s_.roi[0]; fast <= s_.roi[1]; fast += step) {
                    const Piece piece{panel, slow, fast, std::min(fast + step, s_.roi[1] + 1)};
                    const std::int64_t begin = s_.index(panel, slow, fast);
                    if (!masked(begin, begin + piece.end - fast)) pieces.push_back(piece);
                }
            }
        }
        return pieces;
    }

    PixelResult render_alone(std::int64_t pixel) {
        const std::int64_t panel = pixel / (s_.nslow * s_.nfast), rest = pixel % (s_.nslow * s_.nfast);
        RunState state = state_at(s_, pixel, first_, out_of_range_);
        const PixelResult result = reference_pixel(s_, panel, rest / s_.nfast, rest % s_.nfast, state);
        image_[pixel] = static_cast<float>(result.value);
        return result;
    }

    void render_piece(const Piece& piece, double* solid_angle, double* brightest) {
        const std::int64_t begin = s_.index(piece.panel, piece.slow, piece.fast), end = begin + piece.end - piece.fast;
        if (reference_) {
            for (std::int64_t pixel = begin; pixel < end && !progress_.check(); ++pixel) {
                if (s_.rendered(pixel)) *solid_angle += render_alone(pixel).central_omega;
            }
            return;
        }
        // Before the first evaluation out of range, all is interpolated; from it on, nothing is.
        std::int64_t split = end;
        if (s_.interpolation == Interpolation::tricubic_sticky && out_of_range_ >= 0) {
            split = std::clamp(out_of_range_, begin, end);
        }
        const bool tricubic = s_.interpolation != Interpolation::nearest;
        if (split > begin) render_chunk(piece, begin, split, tricubic, solid_angle, brightest);
        if (end > split) render_chunk(piece, split, end, false, solid_angle, brightest);
    }

    bool masked(std::int64_t begin, std::int64_t end) const {
        if (s_.mask == nullptr) return false;
        return std::all_of(s_.mask + begin, s_.mask + end, [](std::uint8_t value) { return value == 0; });
    }

    void render_chunk(const Piece& piece, std::int64_t begin, std::int64_t end, bool tricubic, double* solid_angle,
                      double* brightest) {
        const std::int64_t fast = begin - s_.index(piece.panel, piece.slow, 0);
        const ChunkTask task{&plan_.panel(piece.panel),
                             piece.slow,
                             fast,
                             static_cast<int>(end - begin),
                             tricubic,
                             careful_,
                             brightest,
                             s_.mask == nullptr ? nullptr : s_.mask + begin,
                             image_ + begin,
                             solid_angle,
                             {Progress::poll, &progress_}};
        if (!chunk_(task) || s_.mask == nullptr) return;
        for (std::int64_t pixel = begin; pixel < end; ++pixel) {
            if (s_.mask[pixel] == 0) image_[pixel] = 0.0f;
        }
    }

    const Scene& s_;
    float* image_;
    int threads_;
    bool reference_;
    Plan plan_;
    std::vector<Piece> pieces_;
    Progress progress_;
    std::int64_t first_ = -1, out_of_range_ = -1;
    int careful_ = 0;
    ChunkFunction chunk_ = nullptr;
};

}  // namespace

int thread_count(int threads) { return threads > 0 ? threads : std::max(1, omp_get_num_procs()); }

RenderResult render(const Scene& scene, const RenderOptions& options, float* image) {
    validate(scene);
    if (options.reference) {
        RenderResult result;
        result.interpolation_left = render_reference(scene, image);
        return result;
    }
    return CpuRender(scene, options, image).run();
}

}  // namespace nanobragg
