#include "derivatives/pieces.hpp"

#include <algorithm>
#include <string>

#include "derivatives/scene_edges.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/threads.hpp"
#include "plan/precision.hpp"
#include "plan/view.hpp"

namespace nanobragg {
namespace {

void check_differentiable(const Scene& scene) {
    validate(scene);
    const char* reason = reason_for_reference(scene);
    if (reason != nullptr) throw InputError(std::string("derivatives: found a scene without them: ") + reason);
    for (const double n : scene.cells) {
        if (!(n >= 1)) throw InputError("Scene: cells: found " + std::to_string(n) + ", expected at least 1");
    }
}

}  // namespace

SlopePieces::SlopePieces(const Scene& scene, const DerivativeOptions& options, int most)
    : s((check_differentiable(scene), scene)),
      sources_(sources_of(scene)),
      layers_(scene.all_layers()),
      view_(view_of(scene, layers_, sources_, nullptr)),
      panels_(panels_of(scene)),
      shape_(shape_parameters(scene, view_)),
      unit_(unit_of(scene, view_)),
      first_(locate_first_evaluation(scene)),
      out_of_range_(locate_out_of_range(scene, thread_count(options.threads))),
      chosen_(options.pixels == nullptr ? scene.pixels() : options.pixel_count),
      mixed_(options.precision == Precision::mixed && mixed_slopes_suffice(scene)),
      most_(most) {
    check_chosen(options);
    for (const PixelRow& row : scene.rows()) divide(row, options);
}

std::int64_t SlopePieces::pixels() const {
    std::int64_t sum = 0;
    for (const SlopePiece& piece : pieces_) sum += piece.count;
    return sum;
}

SlopeTask SlopePieces::task(std::int64_t number, bool& interpolating, double* image) const {
    const SlopePiece& piece = pieces_[static_cast<std::size_t>(number)];
    const auto panel_number = static_cast<std::size_t>(piece.panel);
    const Panel& panel = s.panels[panel_number];
    SlopeTask out{};
    out.scene = &view_;
    out.panel = &panels_[panel_number];
    out.panel_number = piece.panel;
    out.first_fast = panel.first_fast;
    out.first_slow = panel.first_slow;
    out.runs = runs_.data() + piece.first_run;
    out.run_count = piece.run_count;
    out.count = piece.count;
    out.shape = shape_.data();
    out.unit = unit_;
    out.first = piece.alone >= 0 && piece.alone == first_ ? &s.first_orientations.front().a.x : nullptr;
    out.mixed = mixed_;
    out.tricubic = lookup_of(s) == Lookup::tricubic && piece.interpolated;
    interpolating = true;
    out.interpolating = piece.alone >= 0 && piece.alone == out_of_range_ ? &interpolating : nullptr;
    out.image = image;
    return out;
}

void SlopePieces::check_chosen(const DerivativeOptions& options) const {
    for (std::int64_t i = 0; options.pixels != nullptr && i < options.pixel_count; ++i) {
        const std::int64_t before = i == 0 ? -1 : options.pixels[i - 1];
        if (options.pixels[i] > before && options.pixels[i] < s.pixels()) continue;
        throw InputError("pixels: found number " + std::to_string(options.pixels[i]) + " after " +
                         std::to_string(before) + ", expected ascending numbers below " + std::to_string(s.pixels()));
    }
}

// The pixels of a row that are chosen and not masked.
void SlopePieces::divide(const PixelRow& row, const DerivativeOptions& options) {
    const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
    if (options.pixels == nullptr) return add_unmasked(row, panel.roi[0], panel.roi[1] + 1, row.start);
    const std::int64_t* end = options.pixels + options.pixel_count;
    const std::int64_t* now = std::lower_bound(options.pixels, end, row.start + panel.roi[0]);
    while (now != end && *now <= row.start + panel.roi[1]) {
        const std::int64_t* next = now + 1;
        while (next != end && *next == next[-1] + 1 && *next <= row.start + panel.roi[1]) ++next;
        const std::int64_t fast = *now - row.start;
        add_unmasked(row, fast, fast + (next - now), now - options.pixels - fast);
        now = next;
    }
}

// From one pixel of a row up to another; the place of the row's first pixel.
void SlopePieces::add_unmasked(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start) {
    const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
    while (fast < end) {
        std::int64_t next = panel.mask == nullptr ? end : fast;
        while (next < end && panel.unmasked(row.slow, next)) ++next;
        if (next > fast) add(row, fast, next, start);
        fast = next;
        while (fast < end && !panel.unmasked(row.slow, fast)) ++fast;
    }
}

void SlopePieces::add(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start) {
    const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
    for (std::int64_t next = end; fast < end; fast = next, next = end) {
        const std::int64_t pixel = row.start + fast;
        const bool alone = pixel == first_ || pixel == out_of_range_;
        for (const std::int64_t special : {first_, out_of_range_}) {
            if (special > pixel) next = std::min(next, special - row.start);
        }
        if (alone) next = fast + 1;
        SlopePiece& piece = open(row.panel, alone ? pixel : -1, out_of_range_ < 0 || pixel <= out_of_range_);
        next = std::min(next, fast + most_ - piece.count);
        const auto count = static_cast<int>(next - fast);
        runs_.push_back({panel.first_slow + row.slow, panel.first_fast + fast, start + fast, count});
        ++piece.run_count;
        piece.count += count;
    }
}

// The last piece, if it has room for such a pixel; or a new one.
SlopePiece& SlopePieces::open(std::int64_t panel, std::int64_t alone, bool interpolated) {
    const bool fits = !pieces_.empty() && pieces_.back().panel == panel && pieces_.back().alone < 0 && alone < 0 &&
                      pieces_.back().interpolated == interpolated && pieces_.back().count < most_;
    if (!fits) pieces_.push_back({panel, alone, runs_.size(), 0, 0, interpolated});
    return pieces_.back();
}

}  // namespace nanobragg
