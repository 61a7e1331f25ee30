#include "gpu_renderer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/threads.hpp"
#include "plan/precision.hpp"
#include "plan/view.hpp"

namespace nanobragg::gpu {
namespace {

constexpr std::int64_t kTeamPixels = std::int64_t{kMostThreads} * kPixels;
constexpr std::int64_t kFewestPixels = 1 << 18;  // the least for a launch that does not cover the image

// At least as large as asked for; kept if it is already.
double* room(std::unique_ptr<Buffer>& buffer, const std::shared_ptr<Device>& device, std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(1, count)) * sizeof(double);
    if (!buffer || buffer->bytes() < bytes) {
        buffer.reset();
        buffer = std::make_unique<Buffer>(device, bytes);
    }
    return buffer->as<double>();
}

// An evaluation's price against that of the cheapest.
double price(Instance instance) {
    if (instance.lookup == Lookup::tricubic) return 40;
    return (instance.mixed ? 1.0 : 2.0) * (instance.lookup == Lookup::nearest ? 2.0 : 1.0);
}

// Sources from `begin` on that share a direction; beyond dmin, each has pixels of its own.
std::vector<Beam> beams_of(const KernelScene& s) {
    std::vector<Beam> beams;
    for (std::int64_t n = 0; n < s.source_count; ++n) {
        const double* own = s.sources[n].direction;
        if (!beams.empty() && !(s.dmin > 0) && beams.back().count < kWavelengths &&
            std::equal(own, own + 3, s.sources[beams.back().first].direction)) {
            ++beams.back().count;
        } else {
            beams.push_back({n, 1});
        }
    }
    return beams;
}

std::int64_t up(std::int64_t value, std::int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

// How the work is divided into launches.
struct GpuRenderer::Jobs {
    std::int64_t pixels = 0, rays = 0, orientations = 0;                   // in all
    std::int64_t pixel_step = 1, ray_step = 1, orientation_step = 1;       // in one launch
    std::int64_t ray_slices = 1, orientation_slices = 1, finish_step = 1;  // summed apart; pixels in a last launch
    double count = 0;
};

GpuRenderer::GpuRenderer(std::shared_ptr<Device> device, double budget, std::int64_t teams)
    : device_(std::move(device)), budget_(budget), teams_(teams) {}

void GpuRenderer::load(const Scene& scene, Precision precision, bool same_grid) {
    validate(scene);
    if (const char* reason = reason_for_reference(scene)) {
        throw InputError(std::string("device: found cuda, expected cpu, since ") + reason);
    }
    const bool keep = same_grid && plan_ && scene_.has_grid() == scene.has_grid() &&
                      std::equal(scene.f_shape, scene.f_shape + 3, scene_.f_shape) &&
                      std::equal(scene.f_min, scene.f_min + 3, scene_.f_min) && scene.default_F == scene_.default_F;
    plan_.reset();
    scene_ = scene;
    precision_ = precision;
    try {
        if (!keep) upload_grid();
        upload_mask();
        refresh();
        upload_panels();
        upload_beams();
    } catch (...) {
        plan_.reset();  // half a scene is none
        throw;
    }
}

void GpuRenderer::orient(std::vector<Orientation> orientations, std::vector<Orientation> first) {
    if (!plan_) throw InputError("orientations: found no scene, expected one to be loaded first");
    Scene next = scene_;
    next.orientations = std::move(orientations);
    next.first_orientations = std::move(first);
    validate(next);
    // The divisor counts the orientations; the grids stay.
    next.steps *= static_cast<double>(next.orientations.size()) / static_cast<double>(scene_.orientations.size());
    scene_ = std::move(next);
    const std::unique_ptr<Plan> before = std::move(plan_);
    try {
        refresh();
        if (!plan_->same_spectra(*before)) upload_beams();
    } catch (...) {
        plan_.reset();
        throw;
    }
}

void GpuRenderer::upload_grid() {
    grid_.reset();
    squares_.reset();
    largest_F_ = largest_structure_factor(scene_);
    if (!scene_.has_grid()) return;
    grid_ = uploaded(device_, scene_.f_grid, static_cast<std::size_t>(scene_.grid_points()));
}

// Of the whole image; panels without a mask have ones.
void GpuRenderer::upload_mask() {
    mask_.reset();
    const auto masked = [](const Panel& panel) { return panel.mask != nullptr; };
    if (std::none_of(scene_.panels.begin(), scene_.panels.end(), masked)) return;
    std::vector<std::uint8_t> mask;
    mask.reserve(static_cast<std::size_t>(scene_.pixels()));
    for (const Panel& panel : scene_.panels) {
        if (masked(panel)) {
            mask.insert(mask.end(), panel.mask, panel.mask + panel.pixels());
        } else {
            mask.insert(mask.end(), static_cast<std::size_t>(panel.pixels()), std::uint8_t{1});
        }
    }
    mask_ = uploaded(device_, mask.data(), mask.size());
}

// Those with pixels to render.
void GpuRenderer::upload_panels() {
    std::vector<StreamPanel> panels;
    std::int64_t begin = 0, start = 0;
    for (std::size_t i = 0; i < scene_.panels.size(); ++i) {
        const Panel& panel = scene_.panels[i];
        const std::int64_t pixels = panel.roi_width() * panel.roi_height();
        if (pixels > 0) {
            panels.push_back({plan_->panel(i), begin, panel.roi_width(), panel.first_fast + panel.roi[0],
                              panel.first_slow + panel.roi[2], start + panel.roi[2] * panel.nfast + panel.roi[0],
                              panel.nfast});
        }
        begin += pixels;
        start += panel.pixels();
    }
    panels_ = panels.empty() ? nullptr : uploaded(device_, panels.data(), panels.size());
    panel_count_ = static_cast<std::int32_t>(panels.size());
}

void GpuRenderer::upload_beams() {
    const KernelScene& k = plan_->scene();
    const std::vector<Layer> layers = scene_.all_layers();
    layers_ = uploaded(device_, layers.data(), layers.size());
    sources_ = uploaded(device_, k.sources, static_cast<std::size_t>(k.source_count));
    const std::vector<Beam> beams = beams_of(k);
    beams_ = uploaded(device_, beams.data(), beams.size());
    beam_count_ = static_cast<std::int64_t>(beams.size());
}

// What depends on the orientations.
void GpuRenderer::refresh() {
    const bool mixed = precision_ == Precision::mixed && mixed_suffices(scene_, largest_F_);
    if (mixed && scene_.has_grid() && scene_.interpolation == Interpolation::nearest && !squares_) {
        const std::vector<float> squares = squared_grid(scene_);
        squares_ = uploaded(device_, squares.data(), squares.size());
    }
    plan_ = std::make_unique<Plan>(scene_, mixed, nullptr);
    const auto bytes = scene_.orientations.size() * sizeof(Orientation);
    if (!orientations_ || orientations_->bytes() != bytes) {
        orientations_.reset();
        orientations_ = std::make_unique<Buffer>(device_, bytes);
    }
    device_->upload(orientations_->as<void>(), scene_.orientations.data(), bytes);
}

StreamScene GpuRenderer::stream(const Buffer& image) const {
    StreamScene g{};
    g.scene = plan_->scene();
    g.scene.layers = layers_->as<Layer>();
    g.scene.sources = sources_->as<KernelSource>();
    g.scene.by_wavelength = nullptr;
    g.scene.orientations = orientations_->as<double>();
    g.scene.f_grid = grid_ ? grid_->as<double>() : nullptr;
    g.scene.f_sqr_grid = squares_ ? squares_->as<float>() : nullptr;
    g.panels = panels_->as<StreamPanel>();
    g.panel_count = panel_count_;
    g.pixels = scene_.roi_pixels();
    g.beams = beams_->as<Beam>();
    g.beam_count = beam_count_;
    g.mask = mask_ ? mask_->as<std::uint8_t>() : nullptr;
    const bool sticky = scene_.interpolation == Interpolation::tricubic_sticky && out_of_range_ >= 0;
    g.tricubic_end = sticky ? out_of_range_ : scene_.pixels();
    g.image = image.as<float>();
    return g;
}

Instance GpuRenderer::instance(bool short_cut) const {
    const KernelScene& k = plan_->scene();
    Instance out{plan_->mixed(), {}, lookup_of(scene_)};
    if (out.lookup == Lookup::tricubic) out.mixed = false;
    out.formula = formula_of(k, out.mixed, short_cut);
    return out;
}

GpuRenderer::Jobs GpuRenderer::divide(Instance instance) const {
    Jobs jobs;
    const KernelScene& k = plan_->scene();
    jobs.pixels = scene_.roi_pixels();
    jobs.rays = k.layer_count * k.oversample * k.oversample * beam_count_;
    jobs.orientations = k.orientation_count;
    const std::int64_t teams = (jobs.pixels + kTeamPixels - 1) / kTeamPixels;
    const std::int64_t slices = std::clamp<std::int64_t>(teams_ / teams, 1, 1024);
    jobs.orientation_slices = std::min(slices, (jobs.orientations + 15) / 16);
    jobs.ray_slices = std::min((slices + jobs.orientation_slices - 1) / jobs.orientation_slices, jobs.rays);
    // The evaluations of one ray and orientation are those of a beam's wavelengths.
    const double wavelengths = static_cast<double>(k.source_count) / static_cast<double>(beam_count_);
    // A ray's geometry and factors cost about as much as 20 evaluations.
    const double orientations = static_cast<double>(jobs.orientations);
    const double each_pair = wavelengths + 20.0 / orientations;
    const double budget = std::max(1.0, budget_ / (price(instance) * each_pair));
    const double each = static_cast<double>(jobs.rays) * static_cast<double>(jobs.orientations);
    const auto fitting = static_cast<std::int64_t>(std::min(budget / each, 1e15));
    jobs.pixel_step =
        std::clamp(up(fitting, kTeamPixels), std::min(up(kFewestPixels, kTeamPixels), up(jobs.pixels, kTeamPixels)),
                   up(jobs.pixels, kTeamPixels));
    const double share = budget / static_cast<double>(std::min(jobs.pixels, jobs.pixel_step));
    const auto rays = static_cast<std::int64_t>(std::min(share / static_cast<double>(jobs.orientations), 1e15));
    jobs.ray_step = std::clamp<std::int64_t>(rays, 1, jobs.rays);
    jobs.orientation_step =
        rays >= 1 ? jobs.orientations
                  : std::clamp<std::int64_t>(static_cast<std::int64_t>(std::min(share, 1e15)), 1, jobs.orientations);
    // The last step looks at every source where a background or a polarization needs it.
    const double sources = static_cast<double>(k.source_count * k.layer_count * k.oversample * k.oversample);
    jobs.finish_step = up(
        static_cast<std::int64_t>(std::clamp(budget_ / sources, 1.0, static_cast<double>(jobs.pixels))), kMostThreads);
    const auto steps = [](std::int64_t n, std::int64_t step) {
        return std::ceil(static_cast<double>(n) / static_cast<double>(step));
    };
    jobs.count = steps(jobs.pixels, jobs.pixel_step) * steps(jobs.rays, jobs.ray_step) *
                 steps(jobs.orientations, jobs.orientation_step);
    return jobs;
}

bool GpuRenderer::run(const StreamScene& g, Instance instance, const Jobs& jobs,
                      const std::function<bool(double)>& tick) {
    Job job{};
    job.ray_slices = jobs.ray_slices;
    job.orientation_slices = jobs.orientation_slices;
    double done = 0;
    for (std::int64_t pixel = 0; pixel < jobs.pixels; pixel += jobs.pixel_step) {
        job.pixel_begin = pixel;
        job.pixel_count = std::min(jobs.pixel_step, jobs.pixels - pixel);
        for (std::int64_t ray = 0; ray < jobs.rays; ray += jobs.ray_step) {
            job.ray_begin = ray;
            job.ray_end = std::min(ray + jobs.ray_step, jobs.rays);
            for (std::int64_t m = 0; m < jobs.orientations; m += jobs.orientation_step) {
                job.orientation_begin = m;
                job.orientation_end = std::min(m + jobs.orientation_step, jobs.orientations);
                job.first = ray == 0 && m == 0;
                if (tick && done > 0) {
                    device_->wait();
                    if (!tick(done / jobs.count)) return false;
                }
                device_->accumulate(instance, g, job);
                done += 1;
            }
        }
    }
    for (std::int64_t pixel = 0; pixel < jobs.pixels; pixel += jobs.finish_step) {
        job.pixel_begin = pixel;
        job.pixel_count = std::min(jobs.finish_step, jobs.pixels - pixel);
        if (tick && pixel > 0) {
            device_->wait();
            if (!tick(done / jobs.count)) return false;
        }
        device_->finish(g, job, jobs.ray_slices * jobs.orientation_slices);
    }
    return true;
}

bool GpuRenderer::render_stream(Instance instance, const std::function<bool(double)>& tick, DeviceResult& result,
                                double& brightest) {
    const Jobs jobs = divide(instance);
    const std::int64_t parts = (jobs.pixels + device_->team_size() - 1) / device_->team_size();
    StreamScene g = stream(*result.image);
    g.sums = room(sums_, device_, jobs.pixels * jobs.ray_slices * jobs.orientation_slices);
    g.solid_angles = room(parts_, device_, 2 * parts);
    g.brightest = g.solid_angles + parts;
    if (!run(g, instance, jobs, tick)) return false;
    result.evaluations += jobs.pixels * evaluations_of_pixel(g.scene);
    const std::vector<double> found = downloaded(*parts_, 2 * parts);
    const auto half = found.begin() + parts;
    result.solid_angle = std::accumulate(found.begin(), half, 0.0);
    brightest = std::max(brightest, *std::max_element(half, found.end()));
    return true;
}

DeviceResult GpuRenderer::render(const std::function<bool(double)>& tick, int threads) {
    if (!plan_) throw InputError("render: found no scene, expected one to be loaded first");
    DeviceResult result;
    const auto bytes = static_cast<std::size_t>(scene_.pixels()) * sizeof(float);
    result.image = std::make_shared<Buffer>(device_, bytes);
    device_->clear(result.image->as<void>(), bytes);
    first_ = locate_first_evaluation(scene_);
    out_of_range_ = locate_out_of_range(scene_, thread_count(threads));
    result.interpolation_left = out_of_range_ >= 0;
    if (scene_.roi_pixels() == 0) {
        device_->wait();
        return result;
    }
    // In mixed precision the cosine polynomials are accurate only next to a bright pixel.
    const bool short_cut = plan_->mixed() && takes_short_cut(plan_->scene());
    double brightest = 0;
    result.finished = render_stream(instance(short_cut), tick, result, brightest);
    if (result.finished && short_cut && !(brightest >= short_cut_limit(plan_->scene()))) {
        result.finished = render_stream(instance(false), tick, result, brightest);
    }
    if (!result.finished) return result;
    // What depends on the order of evaluations is one pixel's or two.
    for (const std::int64_t pixel : {first_, out_of_range_}) {
        if (pixel < 0) continue;
        const float value = static_cast<float>(reference_alone(scene_, pixel, first_, out_of_range_).value);
        device_->upload(result.image->as<float>() + pixel, &value, sizeof value);
    }
    device_->wait();
    return result;
}

}  // namespace nanobragg::gpu
