// How much the terms of a scene can add, for images within a tolerance (specs/physics.md, "Within a stated error").
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/bounds.hpp"
#include "physics/kernel_scene.hpp"

namespace nanobragg {

// Why all terms of a scene are computed whatever its tolerance is, or null. `largest_F`: that of precision.hpp.
const char* reason_for_all_terms(const Scene& scene, double largest_F);

// For scenes without such a reason.
class TermBounds {
  public:
    // `view`: the scene as the kernels see it.
    TermBounds(const Scene& scene, const KernelScene& view, double largest_F);
    TermBounds(const TermBounds&) = delete;  // its parts point to one another
    TermBounds& operator=(const TermBounds&) = delete;

    const Bounds& bounds() const { return bounds_; }
    // Neighbours are alike from then on; before, orientations are in the scene's order.
    void order_orientations(const Scene& scene);
    // Whether most of those that are taken together then have nothing in common, which the bounds say from then on.
    bool find_powder();

  private:
    void weigh_distances(const Scene& scene, const KernelScene& view);
    void find_maxima(const Scene& scene);
    void raise_to_interpolated(const Scene& scene, float* own);

    Bounds bounds_{};
    std::vector<double> orientations_;
    std::unique_ptr<float[]> maxima_;
    struct FreeAligned {
        void operator()(float* numbers) const { ::operator delete[](numbers, std::align_val_t{64}); }
    };
    std::unique_ptr<float[], FreeAligned> elements_;
    std::vector<std::uint8_t> unlike_;
};

// The least eigenvalue of a symmetric matrix with ones on its diagonal, {12, 23, 13} beside it, or a little less; at
// least 0.
double least_eigenvalue(const double beside[3]);

}  // namespace nanobragg
