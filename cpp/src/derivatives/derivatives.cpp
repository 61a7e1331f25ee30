// Threads, and sums in one fixed order.
#include "nanobragg/derivatives.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "cpu/isa.hpp"
#include "derivatives/columns.hpp"
#include "derivatives/parts.hpp"
#include "derivatives/pieces.hpp"
#include "nanobragg/threads.hpp"

namespace nanobragg {
namespace {

const SlopeTable& chosen_slopes() {
    const std::string name = chosen_kernels().name;
#ifdef NANOBRAGG_KERNELS_AVX2
    if (name == avx2::kSlopeTable.name) return avx2::kSlopeTable;
#endif
#ifdef NANOBRAGG_KERNELS_AVX512
    if (name == avx512::kSlopeTable.name) return avx512::kSlopeTable;
#endif
    return baseline::kSlopeTable;
}

// How many parts an image is summed in: as many as keep many threads busy, if the memory that they take is modest. It
// depends on the scene alone, and so does the result.
std::int64_t part_count(const SlopePieces& pieces, bool with_grid) {
    const double most = std::min(256.0, 256e6 / (8.0 * part_numbers(pieces.scene(), with_grid)));
    return std::clamp(static_cast<std::int64_t>(most), std::int64_t{1}, std::max<std::int64_t>(1, pieces.size()));
}

// What a thread keeps of a part of the image, as registers have it, until a row or the part is done (BackwardSums).
// That pays where a part has several pieces, and a processor holds it beside all else: else there is none.
class Lanes {
  public:
    Lanes(const Scene& scene, const SlopePieces& pieces, std::int64_t parts) {
        constexpr std::size_t most = 1024;  // 0.6 MB, and 1 MB along a row
        const KernelScene& view = pieces.view();
        const auto lines = static_cast<std::size_t>(view.layer_count * view.oversample * view.oversample);
        const std::size_t orientations = scene.orientations.size(), sums = orientations * lines * scene.sources.size();
        if (pieces.size() < 4 * parts) return;
        if (orientations <= most) by_orientation_ = kSumLanes * 9 * orientations;
        if (sums > most) return;
        along_rows_ = kSumLanes * kMoments * sums;
        lines_.resize(lines);
    }

    std::int64_t bytes() const { return static_cast<std::int64_t>((by_orientation_ + along_rows_) * sizeof(double)); }
    // `memory`: that many bytes, of zeros.
    void lend(double* memory, BackwardSums& sums) {
        sums.lanes = by_orientation_ > 0 ? memory : nullptr;
        sums.straight.lanes = along_rows_ > 0 ? memory + by_orientation_ : nullptr;
        sums.straight.lines = lines_.data();
    }

  private:
    std::size_t by_orientation_ = 0, along_rows_ = 0;
    std::vector<StraightLine> lines_;
};

// Memory for one thread, where full registers begin.
class Scratch {
  public:
    explicit Scratch(std::int64_t bytes) : memory_(new char[static_cast<std::size_t>(bytes) + 64]) {
        std::size_t space = static_cast<std::size_t>(bytes) + 64;
        start_ = memory_.get();
        std::align(64, static_cast<std::size_t>(bytes), start_, space);
    }
    void* data() const { return start_; }

  private:
    std::unique_ptr<char[]> memory_;
    void* start_ = nullptr;
};

}  // namespace

SceneChange render_vjp(const Scene& scene, const double* weights, const DerivativeOptions& options) {
    const SlopePieces pieces(scene, options, kSlopeChunkCpu);
    const SlopeTable& kernels = chosen_slopes();
    const bool grid = options.grid && scene.has_grid();
    if (options.image != nullptr && pieces.pixels() < pieces.chosen()) {  // the others are 0
        std::fill(options.image, options.image + pieces.chosen(), 0.0);
    }
    const std::int64_t count = part_count(pieces, grid);
    std::vector<std::unique_ptr<SlopePart>> parts;
    for (std::int64_t i = 0; i < count; ++i) parts.push_back(std::make_unique<SlopePart>(scene, grid));
#pragma omp parallel num_threads(thread_count(options.threads))
    {
        Lanes lanes(scene, pieces, count);
        Scratch scratch(lanes.bytes());
        std::memset(scratch.data(), 0, static_cast<std::size_t>(lanes.bytes()));
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t number = 0; number < count; ++number) {
            SlopePart& part = *parts[static_cast<std::size_t>(number)];
            lanes.lend(static_cast<double*>(scratch.data()), part.sums);
            const std::int64_t begin = number * pieces.size() / count, end = (number + 1) * pieces.size() / count;
            for (std::int64_t i = begin; i < end; ++i) {  // as their weights lie in memory
                bool interpolating = true;
                kernels.backward({pieces.task(i, interpolating, options.image), weights, &part.sums});
            }
            kernels.finish(part.sums, static_cast<std::int64_t>(scene.orientations.size()));
        }
    }
    return gathered(scene, pieces.view(), parts, grid);
}

void render_jvp(const Scene& scene, const std::vector<SceneChange>& directions, double* changes,
                const DerivativeOptions& options) {
    const SlopePieces pieces(scene, options, kSlopeChunkCpu);
    const SlopeTable& kernels = chosen_slopes();
    const SlopeColumns columns(scene, pieces.view(), directions);
    const auto count = static_cast<std::int64_t>(directions.size());
    const std::int64_t chosen = pieces.chosen();
    if (pieces.pixels() < chosen) {  // the others are 0
        std::fill(changes, changes + count * chosen, 0.0);
        if (options.image != nullptr) std::fill(options.image, options.image + chosen, 0.0);
    }
#pragma omp parallel num_threads(thread_count(options.threads))
    {
        Scratch scratch(kernels.forward_scratch(count));
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t i = 0; i < pieces.size(); ++i) {
            bool interpolating = true;
            kernels.forward({pieces.task(i, interpolating, options.image), columns.all().data(), count, changes, chosen,
                             scratch.data()});
        }
    }
}

}  // namespace nanobragg
