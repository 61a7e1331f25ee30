// The kernels' view of a Scene, and which kernels it may use: shared by the CPU and the GPU renderer.
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Largest |F| of the grid and of default_F.
double largest_structure_factor(const Scene& scene);

// F^2 for mixed precision, and default_F^2 behind the last.
std::vector<float> squared_grid(const Scene& scene);

// Whether single precision keeps its promise (specs/performance.md); where it does not, mixed means double.
bool mixed_suffices(const Scene& scene, double largest_F);

// Why only the reference renderer can render a scene, or null: order-dependent factors; a negative or NaN radius scale,
// which leaves the range of the kernels' functions; grids beyond the kernels' 32-bit indices.
const char* reason_for_reference(const Scene& scene);

// Evaluations that a pixel takes.
std::int64_t evaluations_of_pixel(const KernelScene& scene);

// The orientations stay the Scene's, and the grids the caller's; the rest belongs to the Plan.
class Plan {
  public:
    // `squares`: the squared grid of a scene in mixed precision, or null.
    Plan(const Scene& scene, bool mixed, const float* squares);
    Plan(const Plan&) = delete;  // its parts point to one another
    Plan& operator=(const Plan&) = delete;

    const KernelScene& panel(std::size_t index) const { return levels_.back().panels[index]; }
    std::size_t panel_count() const { return levels_.back().panels.size(); }
    // The same with as few sources as do for a part of the panel, of these pixels (last ones included).
    const KernelScene& panel(std::size_t index, std::int64_t slow, std::int64_t fast, std::int64_t last_fast) const;
    // Plans of one Scene but for its orientations have the same sources if these are the same.
    bool same_spectra(const Plan& other) const {
        return spectral_rate_ == other.spectral_rate_ && most_nodes_ == other.most_nodes_;
    }
    bool mixed() const { return mixed_; }

    // A pixel must have this sum of terms for the cosine polynomials to be accurate enough everywhere: their error is
    // largest where two axes are on a peak and the third is next to a zero, up to about 1e-6 (N_j N_k)^2 of a term's
    // unit, and may be 1e-7 of the brightest pixel. Their typical error is a quarter of that. In fans it is twice as
    // large.
    double short_cut_limit() const;

  private:
    // Sources that do for scattering vectors (unit vectors' differences) up to `reach`.
    struct Level {
        double reach;
        std::vector<KernelSource> sources, by_wavelength;
        std::vector<KernelScene> panels;
    };

    void add_source(const Scene& scene, const Source& source);
    void fill_common(const Scene& scene, const float* squares);
    void add_panels(const Scene& scene);
    void shorten_spectra(const Scene& scene);
    void order_by_wavelength();

    bool mixed_;
    KernelScene common_{};
    std::vector<double> layers_;
    std::vector<Level> levels_;  // the last one is for the whole detector
    double spectral_rate_ = 0, most_nodes_ = 0, spread_ = 0;
};

}  // namespace nanobragg
