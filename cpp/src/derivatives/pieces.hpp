// A scene as the kernels of derivatives see it, in pieces of a panel.
#pragma once

#include <cstdint>
#include <vector>

#include "derivatives/task.hpp"
#include "nanobragg/derivatives.hpp"

namespace nanobragg {

// Pixels of a panel that are computed together.
struct SlopePiece {
    std::int64_t panel;
    std::int64_t alone;  // the only pixel's number in the image; -1: one of many, that are all alike
    std::size_t first_run;
    int run_count, count;
    bool interpolated;
};

// What depends on the order of evaluations is in pieces of one pixel (specs/design.md, "Three renderers, one truth").
// Throws InputError for a scene without derivatives, and for pixels that there are not.
class SlopePieces {
  public:
    // `most`: how many pixels a piece has at most.
    SlopePieces(const Scene& scene, const DerivativeOptions& options, int most);
    SlopePieces(const SlopePieces&) = delete;  // its parts point to one another
    SlopePieces& operator=(const SlopePieces&) = delete;

    std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }
    // Those that are computed, and those that are wanted: masked ones are 0.
    std::int64_t pixels() const;
    std::int64_t chosen() const { return chosen_; }

    // `interpolating` serves the one pixel that leaves the range of the interpolation.
    SlopeTask task(std::int64_t number, bool& interpolating, double* image) const;

    const Scene& scene() const { return s; }
    const KernelScene& view() const { return view_; }
    const std::vector<KernelPanel>& panels() const { return panels_; }
    const std::vector<double>& shape() const { return shape_; }
    const std::vector<PixelRun>& runs() const { return runs_; }

  private:
    void check_chosen(const DerivativeOptions& options) const;
    void divide(const PixelRow& row, const DerivativeOptions& options);
    void add_unmasked(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start);
    void add(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start);
    SlopePiece& open(std::int64_t panel, std::int64_t alone, bool interpolated);

    const Scene& s;
    std::vector<KernelSource> sources_;
    std::vector<Layer> layers_;
    KernelScene view_;
    std::vector<KernelPanel> panels_;
    std::vector<double> shape_;
    double unit_;
    std::int64_t first_, out_of_range_, chosen_;
    bool mixed_;
    int most_;
    std::vector<PixelRun> runs_;
    std::vector<SlopePiece> pieces_;
};

}  // namespace nanobragg
