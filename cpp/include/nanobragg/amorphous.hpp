// Scattering of amorphous material: photons per pixel from a table of structure factors (specs/nonbragg.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nanobragg/random.hpp"
#include "nanobragg/vec3.hpp"

namespace nanobragg {

/// Structure factors (electrons) against sin(theta)/lambda (1/m), interpolated by cubic Lagrange polynomials.
class Profile {
  public:
    /// `stol` and `amplitude` as in the file, in its order; both of the same length, at least 1. `hold`: outside the
    /// table the first or last value; otherwise a straight line through the two points there. A NaN amplitude is 0.
    /// Throws InputError without a point.
    Profile(const std::vector<double>& stol, const std::vector<double>& amplitude, bool hold);

    /// Whether points never go back, so that what is found does not depend on what was found before.
    bool in_order() const { return in_order_; }

    // Two far points stand before and behind those of the file, and behind these there are some of NaN: a search for
    // infinity ends there and never comes back.
    std::vector<double> x, f;
    std::size_t points = 0;  // without those of NaN
    // Products of the distances of points k - 1 ... k + 2 from each other, by k: the polynomial's denominators.
    std::vector<double> denominator[4];
    double lowest = 0, highest = 0;  // first and last of the file's points, in the order of the file
    bool held = false;
    // Cells of equal width that lead to the last point at or below a value: the one to begin with, by cell, and how
    // many points a cell holds at most (0: too many, search instead).
    std::vector<std::int32_t> first;
    double cell_origin = 0, cells_per_unit = 0;
    int steps = 0;

  private:
    void make_cells();

    bool in_order_ = false;
};

/// Where nonBragg.c's search ends that began at `point` (0 at first): up while x is below `stol`, then down.
std::size_t search_from(const Profile& profile, std::size_t point, double stol);

struct AmorphousSource {
    Vec3 travel;  // unit vector, or zero
    double wavelength = 0, weight = 1;
};

/// One panel, the beam, and the sample in it.
struct AmorphousScene {
    std::size_t slow = 0, fast = 0;
    std::int64_t roi[4] = {0, 0, 0, 0};  // fast first, last, slow first, last; may reach beyond the panel
    Vec3 origin, fast_axis, slow_axis;   // m; unit vectors
    Vec3 beam;                           // unit vector of travel
    double pixel_size = 0, pixel_height = 0, pixel_area = 0;  // along fast and slow
    double close_distance = 0, distance = 0;                  // m; to the plane, and along the beam
    std::int64_t oversample = 1;
    bool curved = false, point_pixel = false;

    std::vector<AmorphousSource> sources;
    bool polarized = true;  // false: no polarization factor
    double kahn_factor = 0;
    Vec3 polarization_axis;

    // pixel = sum * cross_section * fluence * molecules / steps, in this order
    double cross_section = 0, fluence = 0, molecules = 0, steps = 1;
    bool signed_intensity = true;  // a negative F gives -F^2

    enum class Show { photons, last_amplitude, mean_amplitude };
    Show show = Show::photons;
};

/// What the last subpixel and source of a pixel had, or the means over all of them: for the way back from an image.
struct PixelFacts {
    double *stol = nullptr, *polar = nullptr, *omega = nullptr;  // the image's shape each
    std::int32_t* point = nullptr;                               // points of the table, the far ones counted
    bool means = false;  // polar: of polar * omega * weight over the weights, and omega 1
};

/// Renders rows of the panel, in threads. Only the search in a table that is not in order takes one evaluation after
/// the other.
class AmorphousRenderer {
  public:
    AmorphousRenderer(AmorphousScene scene, Profile profile);

    /// Rows [first, end): `image` and `facts` have the whole panel's shape; pixels outside the region are left alone.
    /// Where the profile is not in order, rows must come in order. The result does not depend on the threads. Pixels
    /// are float or double.
    template <class Pixel>
    void rows(std::size_t first, std::size_t end, int threads, Pixel* image, const PixelFacts* facts);

    const AmorphousScene& scene() const { return scene_; }

    /// Steradian, of all subpixels rendered so far.
    double solid_angle() const { return solid_angle_; }

    /// Evaluations so far below the table's first and above its last point.
    std::int64_t outside() const { return outside_; }

  private:
    AmorphousScene scene_;
    Profile profile_;
    bool searched_ = false;  // what is found depends on what was found before
    double solid_angle_ = 0;
    std::int64_t outside_ = 0;
    std::size_t point_ = 0;  // where the previous search ended
};

struct OrderedStatistics {
    double mean = 0, rms = 0, rmsd = 0;
    float maximum = 0;
    std::int64_t maximum_at = -1;
};

/// Statistics as nonBragg.c takes them: sums over the region in reading order, squares in float. `count`: that of mean
/// and rms (negative: the number of pixels). `shifted`: the deviations are those of the pixel behind.
OrderedStatistics ordered_statistics(const float* image, const Frame& frame, std::int64_t count, bool shifted);

/// Means of an image's amplitudes for every point of a table.
struct BinnedProfile {
    std::vector<float> mean, deviation;  // of each bin, the far points counted; sums in float
    std::vector<float> values;           // values of all bins, one after the other
};

/// `amplitude` and `bin` have `pixels` elements; bin 0 holds what does not count. `count[b]` values of bin b are used.
/// As nonBragg.c lays them out (specs/nonbragg.md): bins one after the other in one block with room for twice their
/// number, so that what overflows from bin 0 stands where others' values are.
BinnedProfile binned_profile(const float* amplitude, const std::int32_t* bin, std::size_t pixels,
                             const std::vector<std::int64_t>& count);

}  // namespace nanobragg
