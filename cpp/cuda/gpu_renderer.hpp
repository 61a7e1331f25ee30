// From a Scene to an image on a device, for any number of images: the structure factors and buffers stay there.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "device.hpp"
#include "nanobragg/render.hpp"
#include "plan/plan.hpp"

namespace nanobragg::gpu {

struct DeviceResult {
    std::shared_ptr<Buffer> image;  // float32 on the device, in the order of Scene::pixels()
    bool finished = true;           // false: stopped by tick
    double solid_angle = 0;         // steradian, of all rendered pixels
    bool interpolation_left = false;
    std::int64_t evaluations = 0;  // evaluations that were made
};

// Evaluations of the cheapest kind in one launch: a fraction of a second's work.
constexpr double kBudget = 4e9;

// Enough for the largest of today's devices. A number and not the device's own, so that every device adds in the same
// order.
constexpr std::int64_t kTeams = 2048;

class GpuRenderer {
  public:
    // `teams`: that keep a device busy; fewer pixels are made up for by slices of the sums.
    explicit GpuRenderer(std::shared_ptr<Device> device, double budget = kBudget, std::int64_t teams = kTeams);

    // Takes a scene, whose grid and masks must outlive the renderer or the next load. `same_grid`: its structure
    // factors (grid, limits and default_F) are those of the scene before, and stay on the device. Throws InputError for
    // what only the CPU renders.
    void load(const Scene& scene, Precision precision, bool same_grid);

    // Replaces the orientations of the scene, and those of its first evaluation (as many, or none).
    void orient(std::vector<Orientation> orientations, std::vector<Orientation> first);

    // `tick` as in RenderOptions. `threads`: of the host, where a search through the pixels is needed.
    DeviceResult render(const std::function<bool(double)>& tick, int threads = 0);

    const Scene& scene() const { return scene_; }

  private:
    struct Jobs;

    void upload_grid();
    void upload_mask();
    void upload_panels();
    void upload_beams();
    void refresh();
    StreamScene stream(const Buffer& image) const;
    Instance instance(bool short_cut) const;
    Jobs divide(Instance instance) const;
    bool render_stream(Instance instance, const std::function<bool(double)>& tick, DeviceResult& result,
                       double& brightest);
    bool run(const StreamScene& g, Instance instance, const Jobs& jobs, const std::function<bool(double)>& tick);

    std::shared_ptr<Device> device_;
    double budget_;
    std::int64_t teams_;
    Scene scene_;
    Precision precision_ = Precision::full;
    double largest_F_ = 0;
    std::unique_ptr<Plan> plan_;
    std::int64_t beam_count_ = 0;
    std::int32_t panel_count_ = 0;
    std::int64_t first_ = -1, out_of_range_ = -1;
    std::unique_ptr<Buffer> grid_, squares_, mask_, panels_, layers_, sources_, beams_, orientations_, sums_, parts_;
};

}  // namespace nanobragg::gpu
