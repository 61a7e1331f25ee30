// Threads, chunks, and the choice of kernel.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <memory>
#include <thread>

#include "cpu/isa.hpp"
#include "cpu/kernel.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/render.hpp"
#include "nanobragg/threads.hpp"
#include "plan/plan.hpp"
#include "plan/precision.hpp"
#include "plan/spots.hpp"
#include "plan/term_bounds.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

// A thread is worth waking for half a millisecond's work.
int worthwhile_threads(const Scene& s, int threads) {
    return std::clamp(static_cast<int>(std::min(s.evaluations() / 2e5, 1e6)), 1, threads);
}

// Read in a few nanoseconds, where the system has such a clock: right to some milliseconds.
double coarse_seconds() {
#ifdef CLOCK_MONOTONIC_COARSE
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
#else
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
}

class Progress {
  public:
    Progress(const RenderOptions& options, std::int64_t total)
        : options_(options), total_(std::max<std::int64_t>(1, total)) {}

    void add(std::int64_t rounds) { done_.fetch_add(rounds, std::memory_order_relaxed); }
    void restart(std::int64_t total) {
        total_ = std::max<std::int64_t>(1, total);
        done_.store(0);
    }
    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

    // Only the calling thread may run the user's code.
    bool check() {
        if (options_.tick && std::this_thread::get_id() == caller_) {
            const double now = coarse_seconds();
            if (now - last_ > 0.05) {
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
    std::thread::id caller_ = std::this_thread::get_id();
    double last_ = coarse_seconds();
};

// Whether the loops keep the indices or cosines of a chunk: for several wavelengths of a beam, for several beams of a
// wavelength, where rows are not straight, and for interpolation.
bool stores_indices(const KernelScene& k, const std::vector<Layer>& layers, bool tricubic) {
    const double* first = k.sources[0].direction;
    const bool wavelengths = k.source_count > 1 && std::equal(first, first + 3, k.sources[1].direction);
    const bool sunk = std::any_of(layers.begin(), layers.end(), [](const Layer& l) { return l.thickness != 0; });
    return tricubic || wavelengths || k.by_wavelength != nullptr || k.curved_distance != 0 || sunk;
}

// A piece of a row, or of up to kTall rows: what is rendered together. Pieces are cut where a raster has multiples of
// their size.
struct Piece {
    std::int64_t panel, slow, fast, end;  // in the panel
    std::int64_t start;                   // where the panel's row begins in the image
    std::int64_t rows;

    std::int64_t pixels() const { return rows * (end - fast); }
};

// Pixels of a sample by which it is judged whether leaving out terms saves time, and what preparing for it may cost.
constexpr std::int64_t kSample = 64;
constexpr double kMostPreparation = 0.035;

// What a chunk gives.
struct ChunkOutput {
    double solid_angle = 0, brightest = 0;
    Tally tally{};
    float* image = nullptr;
    std::int64_t evaluations = 0, all_evaluations = 0;  // made, and what all terms would have been
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
          given_(options.factors),
          only_if_faster_(options.only_if_faster),
          plan_(plan(options.factors == nullptr ? factors_ : *options.factors, options.precision)),
          piece_(piece_size()),
          pieces_(divide()),
          rounds_(gather()),
          progress_(options, static_cast<std::int64_t>(rounds_.size()) - 1) {}

    RenderResult run() {
        first_ = locate_first_evaluation(s_);
        out_of_range_ = locate_out_of_range(s_, threads_);
        chunk_ = plan_.mixed() ? chosen_kernels().chunk_mixed : chosen_kernels().chunk_double;
        clear_around();
        RenderResult result;
        if (s_.tolerance > 0) result.all_terms = bound_terms();
        result.interpolation_left = out_of_range_ >= 0;
        const double brightest = render_pieces(result.solid_angle);
        if (plan_.mixed() && takes_short_cut(plan_.scene()) && !(brightest >= short_cut_limit(plan_.scene()))) {
            careful_ = 1;
            progress_.restart(static_cast<std::int64_t>(rounds_.size()) - 1);
            render_pieces(result.solid_angle);
        }
        if (!progress_.stopped() && !reference_) {
            for (const std::int64_t pixel : {first_, out_of_range_}) {
                if (pixel >= 0) render_alone(pixel);
            }
        }
        result.finished = !progress_.stopped();
        if (!result.finished) std::fill_n(image_, s_.pixels(), 0.0f);
        result.evaluations = evaluations_;
        if (bounds_ != nullptr) result.left_out = all_evaluations_ - result.evaluations;
        // What is lost is known as the difference of two allowances, in double.
        // (Around a spot that is listed, pixels beyond its reach are counted and given nothing.)
        if (result.left_out > 0 || spots_ != nullptr) result.error_bound = (used_up_ + 1e-9) * s_.tolerance;
        return result;
    }

  private:
    const SquaredFactors& factors() const { return given_ == nullptr ? factors_ : *given_; }

    // Prepares to leave out terms; returns why none may be, or an empty text.
    std::string bound_terms() {
        static const char* const no_gain = "finding out which matter would take as long";
        if (reference_) return reason_for_reference(s_);
        if (only_if_faster_ && !(preparation() < kMostPreparation * term() * s_.evaluations())) return no_gain;
        const double largest = plan_.mixed() ? factors().largest : largest_structure_factor(s_);
        const char* reason = reason_for_all_terms(s_, largest);
        if (reason != nullptr) return reason;
        bounds_ = std::make_unique<TermBounds>(s_, plan_.scene(), largest);
        spots_ = std::make_unique<Spots>(s_, plan_, bounds_->bounds(), piece_, threads_, only_if_faster_);
        if (spots_->known()) return {};
        spots_.reset();
        bounds_->order_orientations(s_);
        const bool in_order = s_.interpolation == Interpolation::tricubic_sticky;
        if (few_wavelengths() && !in_order && bounds_->find_powder()) cut_tall(true);
        if (!only_if_faster_ || worthwhile()) return {};
        bounds_.reset();
        if (tall_) {
            cut_tall(false);
            clear_around();
        }
        return no_gain;
    }

    // Orientations that have nothing in common are tested for pixels next to one another.
    void cut_tall(bool tall) {
        tall_ = tall;
        piece_ = piece_size();
        pieces_ = divide();
        rounds_ = gather();
        progress_.restart(static_cast<std::int64_t>(rounds_.size()) - 1);
    }
    bool few_wavelengths() const {
        const KernelScene& k = plan_.scene();
        return k.source_count == 1 ||
               !std::equal(k.sources[0].direction, k.sources[0].direction + 3, k.sources[1].direction);
    }

    // Whether leaving out terms saves time, judged by some pixels all over the image: one in a hundred, so that this
    // costs little where it does not.
    bool worthwhile() {
        constexpr std::int64_t kMostSamples = 32, kFewSamples = 4, kApart = 100;
        constexpr double kGain = 0.9, kHopeless = 1.3, kPixel = 4;  // a pixel's own
        const auto all = static_cast<std::int64_t>(pieces_.size());
        const std::int64_t allowed = s_.roi_pixels() / kApart / kLanes * kLanes;
        const std::int64_t size = std::min<std::int64_t>(allowed, kSample) / (tall_ ? kTall : 1);
        if (size == 0) return false;
        const std::int64_t samples = std::min({all, allowed / (size * (tall_ ? kTall : 1)), kMostSamples});
        double with = 0, without = 0, pixels = 0;
        for (std::int64_t i = 0; i < samples; ++i) {
            const Piece& piece = pieces_[static_cast<std::size_t>((2 * i + 1) * all / (2 * samples))];
            if (!sample(piece, i % 5, size, with, without, pixels)) return false;
            if (i + 1 >= kFewSamples && with > kHopeless * without) return false;
        }
        const double image = static_cast<double>(s_.roi_pixels()) / std::max(1.0, pixels);
        return (with + kPixel * pixels) * image < kGain * without * image;
    }
    // Renders `size` pixels from the part `place`, in quarters, of a piece; false if it was stopped. In evaluations.
    bool sample(Piece piece, std::int64_t place, std::int64_t size, double& with, double& without, double& pixels) {
        piece.fast += std::max<std::int64_t>(0, piece.end - piece.fast - size) * place / 4;
        piece.end = std::min(piece.end, piece.fast + size);
        ChunkOutput output{};
        output.image = image_ + piece.start + piece.fast;  // to be rendered again
        const ChunkTask task = task_of(piece, interpolates(), output);
        if (!chunk_(task)) return false;
        with += output.tally.work;
        without += term() * static_cast<double>(piece.pixels() * evaluations_of_pixel(*task.scene));
        pixels += static_cast<double>(piece.pixels());
        return true;
    }
    // An evaluation's cost, in those of mixed precision.
    double term() const { return interpolates() ? kTricubicTerm : plan_.mixed() ? 1.0 : 2.0; }
    // What bounds take to prepare.
    double preparation() const {
        return (interpolates() ? 40.0 : 1.0) * static_cast<double>(s_.grid_points()) +
               200.0 * static_cast<double>(s_.orientations.size());
    }

    Plan plan(const SquaredFactors& factors, Precision precision) const {
        const bool mixed = precision == Precision::mixed && mixed_suffices(s_, factors.largest);
        return {s_, mixed, mixed && s_.has_grid() && !factors.squares.empty() ? factors.squares.data() : nullptr};
    }

    // Pixels that no piece holds become 0. Not the others: threads touch their pixels first.
    void clear_around() {
        std::int64_t begin = 0;
        for (const Piece& piece : pieces_) {
            std::fill(image_ + begin, image_ + piece.start + piece.fast, 0.0f);
            begin = piece.start + piece.end;
        }
        std::fill(image_ + begin, image_ + s_.pixels(), 0.0f);
    }

    // Renders everything; returns the largest sum of terms of any pixel.
    double render_pieces(double& solid_angle) {
        std::vector<ChunkOutput> outputs(pieces_.size());
        const auto count = static_cast<std::int64_t>(rounds_.size()) - 1;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
        for (std::int64_t i = 0; i < count; ++i) {
            if (progress_.check()) continue;
            const auto round = static_cast<std::size_t>(i);
            for (std::size_t at = rounds_[round]; at < rounds_[round + 1]; ++at) render_piece(pieces_[at], outputs[at]);
            progress_.add(1);
        }
        double brightest = 0;
        solid_angle = 0;
        used_up_ = spots_ == nullptr ? 0 : spots_->used_up();
        evaluations_ = all_evaluations_ = 0;
        for (const ChunkOutput& part : outputs) {
            solid_angle += part.solid_angle;
            brightest = std::max(brightest, part.brightest);
            used_up_ = std::max(used_up_, part.tally.used_up);
            evaluations_ += part.evaluations;
            all_evaluations_ += part.all_evaluations;
        }
        return brightest;
    }

    bool interpolates() const { return s_.has_grid() && s_.interpolation != Interpolation::nearest; }

    // Short ones also where a pixel takes long, since progress is looked at between them.
    std::int64_t piece_size() const {
        if (tall_) return kChunk / kTall;
        return stores_indices(plan_.scene(), s_.all_layers(), interpolates()) || s_.orientations.size() > 100'000
                   ? kStoredChunk
                   : kChunk;
    }

    std::vector<Piece> divide() const {
        std::vector<Piece> pieces;
        const std::vector<PixelRow> all = s_.rows();
        for (std::size_t i = 0, rows = 0; i < all.size(); i += rows) {
            const PixelRow& row = all[i];
            const Panel& panel = s_.panels[static_cast<std::size_t>(row.panel)];
            rows = 1;
            while (tall_ && i + rows < all.size() && all[i + rows].panel == row.panel &&
                   (panel.first_slow + all[i + rows].slow) / kTall == (panel.first_slow + row.slow) / kTall) {
                ++rows;
            }
            for (std::int64_t fast = panel.roi[0], end = 0; fast <= panel.roi[1]; fast = end) {
                end = std::min(fast + piece_ - (panel.first_fast + fast) % piece_, panel.roi[1] + 1);
                const Piece piece{row.panel, row.slow, fast, end, row.start, static_cast<std::int64_t>(rows)};
                if (tall_ || !masked(piece)) pieces.push_back(piece);
            }
        }
        return pieces;
    }

    // What one thread takes at a time: pieces from each of these numbers to the next, of as much work as makes asking
    // for them, looking at progress and counting it no matter, however short rows are.
    std::vector<std::size_t> gather() const {
        constexpr double kWork = 2e4;  // evaluations
        const auto each = static_cast<double>(evaluations_of_pixel(plan_.scene()));
        std::vector<std::size_t> rounds{0};
        double work = 0;
        for (std::size_t i = 0; i < pieces_.size(); ++i) {
            const double more = each * static_cast<double>(pieces_[i].pixels());
            if (work > 0 && work + more > kWork) {
                rounds.push_back(i);
                work = 0;
            }
            work += more;
        }
        if (!pieces_.empty()) rounds.push_back(pieces_.size());
        return rounds;
    }

    PixelResult render_alone(std::int64_t pixel) {
        const PixelResult result = reference_alone(s_, pixel, first_, out_of_range_);
        image_[pixel] = static_cast<float>(result.value);
        return result;
    }

    void render_piece(const Piece& piece, ChunkOutput& output) {
        if (reference_) {
            const Panel& panel = panel_of(piece);
            for (std::int64_t fast = piece.fast; fast < piece.end && !progress_.check(); ++fast) {
                image_[piece.start + fast] = 0;
                if (panel.unmasked(piece.slow, fast))
                    output.solid_angle += render_alone(piece.start + fast).central_omega;
            }
            output.evaluations += (piece.end - piece.fast) * evaluations_of_pixel(plan_.scene());
            return;
        }
        // Before the first evaluation out of range, all is interpolated; from it on, nothing is.
        Piece before = piece, after = piece;
        if (s_.interpolation == Interpolation::tricubic_sticky && out_of_range_ >= 0) {
            before.end = std::clamp(out_of_range_ - piece.start, piece.fast, piece.end);
        }
        after.fast = before.end;
        const bool tricubic = s_.interpolation != Interpolation::nearest;
        if (before.end > before.fast) render_chunk(before, tricubic, output);
        if (after.end > after.fast) render_chunk(after, false, output);
    }

    const Panel& panel_of(const Piece& piece) const { return s_.panels[static_cast<std::size_t>(piece.panel)]; }

    bool masked(const Piece& piece) const {
        const Panel& panel = panel_of(piece);
        if (panel.mask == nullptr) return false;
        const std::uint8_t* row = panel.mask + piece.slow * panel.nfast;
        return std::all_of(row + piece.fast, row + piece.end, [](std::uint8_t value) { return value == 0; });
    }

    // The whole piece of the raster that a part of one lies in: its spectrum is that of the part, however the raster
    // was cut.
    Tile whole_piece(std::int64_t slow, std::int64_t fast) const {
        const std::int64_t begin = fast / piece_ * piece_, top = tall_ ? slow / kTall * kTall : slow;
        return {top, tall_ ? top + kTall - 1 : slow, begin, begin + piece_ - 1};
    }

    // Its image goes where `output` says, whose numbers are raised.
    ChunkTask task_of(const Piece& piece, bool tricubic, ChunkOutput& output) const {
        const Panel& panel = panel_of(piece);
        const auto number = static_cast<std::size_t>(piece.panel);
        const std::int64_t slow = panel.first_slow + piece.slow, fast = panel.first_fast + piece.fast;
        const std::int64_t lead = fast % (tall_                       ? kTall
                                          : tricubic && s_.has_grid() ? kCubicChunk
                                                                      : kLanes),
                           above = tall_ ? slow % kTall : 0;
        const std::uint8_t* mask = panel.mask == nullptr ? nullptr : panel.mask + piece.slow * panel.nfast + piece.fast;
        return {&plan_.scene(number, whole_piece(slow, fast)),
                &plan_.panel(number),
                slow - above,
                fast - lead,
                static_cast<int>(lead),
                static_cast<int>(piece.end - piece.fast),
                tall_ ? 1 : 0,
                static_cast<int>(above),
                static_cast<int>(piece.rows),
                panel.nfast,
                tricubic,
                careful_,
                &output.brightest,
                mask,
                output.image,
                &output.solid_angle,
                {Progress::poll, const_cast<Progress*>(&progress_)},
                bounds_ == nullptr ? nullptr : &bounds_->bounds(),
                nullptr,
                &output.tally};
    }

    void render_chunk(const Piece& piece, bool tricubic, ChunkOutput& output) {
        output.image = image_ + piece.start + piece.fast;
        ChunkTask task = task_of(piece, tricubic, output);
        SpotList spots{};
        if (spots_ != nullptr) {
            spots = spots_->around(static_cast<std::size_t>(piece.panel), task.slow, task.fast + task.lead);
            task.spots = &spots;
        }
        const std::int64_t evaluations = piece.pixels() * evaluations_of_pixel(*task.scene),
                           before = output.tally.terms;
        const bool finished = chunk_(task);
        output.evaluations += task.bounds != nullptr ? output.tally.terms - before : evaluations;
        output.all_evaluations += evaluations;
        if (!finished || task.mask == nullptr) return;
        for (std::int64_t row = 0; row < piece.rows; ++row) {
            for (std::int64_t i = row * task.stride; i < row * task.stride + task.count; ++i) {
                if (task.mask[i] == 0) task.image[i] = 0.0f;
            }
        }
    }

    const Scene& s_;
    float* image_;
    int threads_;
    bool reference_;
    SquaredFactors factors_;       // used where the caller has none
    const SquaredFactors* given_;  // the caller's, or null
    bool only_if_faster_;
    Plan plan_;
    bool tall_ = false;   // pieces are of up to kTall rows
    std::int64_t piece_;  // pixels of a row
    std::vector<Piece> pieces_;
    std::vector<std::size_t> rounds_;
    Progress progress_;
    std::int64_t evaluations_ = 0, all_evaluations_ = 0;  // made, and what all terms would have been
    std::unique_ptr<TermBounds> bounds_;                  // where terms may be left out
    std::unique_ptr<Spots> spots_;                        // where they are known
    double used_up_ = 0;                                  // of the tolerance, at most
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
        if (scene.tolerance > 0) result.all_terms = "the reference renderer leaves none out";
        return result;
    }
    return CpuRender(scene, options, image).run();
}

}  // namespace nanobragg
