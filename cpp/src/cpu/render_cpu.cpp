// Threads, chunks, and the choice of kernel.
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "cpu/isa.hpp"
#include "cpu/kernel.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"
#include "nanobragg/threads.hpp"
#include "plan/plan.hpp"
#include "plan/precision.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

// A thread is worth waking for half a millisecond's work.
int worthwhile_threads(const Scene& s, int threads) {
    return std::clamp(static_cast<int>(std::min(s.evaluations() / 2e5, 1e6)), 1, threads);
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

// Whether the loops keep the indices or cosines of a chunk: for several wavelengths of a beam, for several beams of a
// wavelength, on curved detectors, and for interpolation.
bool stores_indices(const KernelScene& k, bool tricubic) {
    const double* first = k.sources[0].direction;
    const bool wavelengths = k.source_count > 1 && std::equal(first, first + 3, k.sources[1].direction);
    return tricubic || wavelengths || k.by_wavelength != nullptr || k.curved_distance != 0;
}

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
          reference_(reason_for_reference(scene) != nullptr),
          factors_(options.precision == Precision::mixed && options.factors == nullptr ? squared_factors(scene)
                                                                                       : SquaredFactors()),
          plan_(plan(options.factors == nullptr ? factors_ : *options.factors, options.precision)),
          pieces_(divide()),
          progress_(options, static_cast<std::int64_t>(pieces_.size())) {}

    RenderResult run() {
        first_ = locate_first_evaluation(s_);
        out_of_range_ = locate_out_of_range(s_, threads_);
        chunk_ = plan_.mixed() ? chosen_kernels().chunk_mixed : chosen_kernels().chunk_double;
        clear_around();
        RenderResult result;
        result.interpolation_left = out_of_range_ >= 0;
        const double brightest = render_pieces(result.solid_angle);
        if (plan_.mixed() && takes_short_cut(plan_.panel(0)) && !(brightest >= short_cut_limit(plan_.panel(0)))) {
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
        if (!result.finished) std::fill_n(image_, s_.pixels(), 0.0f);
        result.evaluations = evaluations_.load();
        return result;
    }

  private:
    Plan plan(const SquaredFactors& factors, Precision precision) const {
        const bool mixed = precision == Precision::mixed && mixed_suffices(s_, factors.largest);
        return {s_, mixed, mixed && s_.has_grid() && !factors.squares.empty() ? factors.squares.data() : nullptr};
    }

    // Pixels that no piece holds become 0. Not the others: threads touch their pixels first.
    void clear_around() {
        std::int64_t begin = 0;
        for (const Piece& piece : pieces_) {
            const std::int64_t end = s_.index(piece.panel, piece.slow, piece.fast);
            std::fill(image_ + begin, image_ + end, 0.0f);
            begin = end + piece.end - piece.fast;
        }
        std::fill(image_ + begin, image_ + s_.pixels(), 0.0f);
    }

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
        // Equal pieces, so that none is a mere remainder; short ones also where a pixel takes long, since progress is
        // looked at between them.
        const std::int64_t most =
            stores_indices(plan_.panel(0), s_.has_grid() && s_.interpolation != Interpolation::nearest) ||
                    s_.orientations.size() > 100'000
                ? kStoredChunk
                : kChunk;
        const std::int64_t width = s_.roi[1] - s_.roi[0] + 1, parts = (width + most - 1) / most;
        const std::int64_t step = std::min<std::int64_t>(most, ((width + parts - 1) / parts + 15) / 16 * 16);
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
        const PixelResult result = reference_alone(s_, pixel, first_, out_of_range_);
        image_[pixel] = static_cast<float>(result.value);
        return result;
    }

    void render_piece(const Piece& piece, double* solid_angle, double* brightest) {
        const std::int64_t begin = s_.index(piece.panel, piece.slow, piece.fast), end = begin + piece.end - piece.fast;
        if (reference_) {
            for (std::int64_t pixel = begin; pixel < end && !progress_.check(); ++pixel) {
                image_[pixel] = 0;
                if (s_.rendered(pixel)) *solid_angle += render_alone(pixel).central_omega;
            }
            evaluations_.fetch_add((end - begin) * evaluations_of_pixel(plan_.panel(0)), std::memory_order_relaxed);
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
        const KernelScene& scene = plan_.panel(static_cast<std::size_t>(piece.panel),
                                               {piece.slow, piece.slow, fast, fast + (end - begin) - 1});
        evaluations_.fetch_add((end - begin) * evaluations_of_pixel(scene), std::memory_order_relaxed);
        const ChunkTask task{&scene,
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
    SquaredFactors factors_;  // used where the caller has none
    Plan plan_;
    std::vector<Piece> pieces_;
    Progress progress_;
    std::atomic<std::int64_t> evaluations_{0};
    std::int64_t first_ = -1, out_of_range_ = -1;
    int careful_ = 0;
    ChunkFunction chunk_ = nullptr;
};

}  // namespace

RenderResult render(const Scene& scene, const RenderOptions& options, float* image) {
    validate(scene);
    const bool squares = options.factors != nullptr && scene.interpolation != Interpolation::tricubic;
    if (squares && options.factors->squares.size() != static_cast<std::size_t>(scene.grid_points()) + 1) {
        throw InputError("factors: found those of " + std::to_string(options.factors->squares.size()) +
                         " structure factors, expected " + std::to_string(scene.grid_points()) + " and default_F");
    }
    if (options.reference) {
        RenderResult result;
        result.interpolation_left = render_reference(scene, image);
        result.evaluations = static_cast<std::int64_t>(scene.evaluations());
        return result;
    }
    return CpuRender(scene, options, image).run();
}

}  // namespace nanobragg
