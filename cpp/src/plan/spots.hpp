// Where on the detector each reflection of each orientation can matter, for compact spots (specs/physics.md, "Within a
// stated error"): work in proportion to the spots instead of to orientations times pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "nanobragg/scene.hpp"
#include "physics/bounds.hpp"
#include "plan/plan.hpp"

namespace nanobragg {

class Spots {
  public:
    // `bounds`: of this scene and plan. `piece`: pixels of a row that are rendered together, a multiple of 16. Nothing
    // is known where `only_if_faster` and an estimate sees no gain.
    Spots(const Scene& scene, const Plan& plan, const Bounds& bounds, std::int64_t piece, int threads,
          bool only_if_faster);
    Spots(const Spots&) = delete;  // its parts point to one another
    Spots& operator=(const Spots&) = delete;

    // Whether the lists hold everything that can matter.
    bool known() const { return known_; }
    // The part of the tolerance that any pixel loses by what they do not hold, at most.
    double used_up() const { return used_up_; }
    // Those that may matter for a piece, all of it in one row and between two multiples of the piece's size.
    SpotList around(std::size_t panel, std::int64_t slow, std::int64_t fast) const;

  private:
    // Reflections that can matter at all: indices, squared lengths (1/m^2), what rounding goes by, squares of the
    // distance in the transform of the block beyond which they do not matter, and the same as a length (1/m).
    struct Reflections {
        std::vector<float> h, k, l, length_squared, rounding, limit, width, f_squared;
        void add(const std::int32_t at[3], double square, double most, double stretch, const Vec3 star[3]);
    };
    struct Raster {
        Vec3 origin, along_fast, along_slow, normal;
        double distance;
        double width_fast, width_slow;                              // of a metre, in pixels
        std::int64_t first_slow, last_slow, first_fast, last_fast;  // of the pixels that are rendered
        std::int64_t tiles, first_tile, first_band;                 // tiles of a band
        std::size_t first;
    };

    bool compact(const Scene& scene, const Plan& plan);
    bool allow(const Scene& scene, const Plan& plan, const Bounds& bounds);
    bool view_panels(const Scene& scene, const Plan& plan);
    bool view_crystal(const Plan& plan, const Bounds& bounds);
    bool worthwhile(const KernelScene& view, const Bounds& bounds, double reach, bool only_if_faster) const;
    double reach_of_reflections(const Plan& plan) const;
    bool list_reflections(const KernelScene& view, const Bounds& bounds, double reach);
    double limit_of(double factor) const;
    // Of all its rows.
    struct Found {
        Spot spot;
        std::int32_t panel, first_slow, last_slow;
    };

    void find(const KernelScene& view, const Bounds& bounds, std::int64_t source, std::int64_t orientation,
              const std::vector<float>& most, std::vector<Found>& out) const;
    void project(Vec3 towards, double versine, Found found, std::vector<Found>& out) const;
    bool gather(const KernelScene& view, const Bounds& bounds, int threads);
    bool sort_into_tiles(const std::vector<std::vector<Found>>& found);
    template <class Visit>
    void each_tile(const Found& found, const Visit& visit) const;

    bool known_ = false;
    Shape shape_;
    double used_up_ = 0, threshold_ = 0;       // F^2
    double least_stretch_ = 0;                 // distance in the transform of the block for one of 1/m, at least
    double sharpness_ = 0;                     // SpotList
    double widest_ = 0, longest_ = 0;          // reach of a reflection, 1/wavelength; 1/m
    double offset_low_ = 0, offset_high_ = 0;  // of subpixels
    std::int64_t piece_, orientations_;
    std::vector<Raster> rasters_;
    Reflections reflections_;
    std::vector<Spot> spots_;  // SpotList, tile by tile
    std::vector<std::uint8_t> rows_;
    std::vector<std::size_t> begins_;
    std::size_t tiles_ = 0;
};

}  // namespace nanobragg
