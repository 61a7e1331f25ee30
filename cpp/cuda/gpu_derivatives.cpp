#include "gpu_derivatives.hpp"

#include <algorithm>
#include <cstring>

#include "derivatives/columns.hpp"
#include "derivatives/parts.hpp"
#include "derivatives/pieces.hpp"
#include "plan/view.hpp"
#include "slope_work.hpp"

namespace nanobragg::gpu {
namespace {

// Teams that keep a device busy (an H100 has twice four for each of its multiprocessors), and bytes that their sums may
// take. (Numbers and not the device's own, so that every device adds in the same order.)
constexpr std::int64_t kSlopeTeams = 1056;
constexpr double kMostBytes = 1e9;

// Arrays of the host that go to the device in one piece of memory.
class Packed {
  public:
    // How many bytes from the beginning it will be.
    template <class T>
    std::size_t add(const T* values, std::size_t count) {
        const std::size_t at = (bytes_.size() + 15) / 16 * 16;
        bytes_.resize(at + count * sizeof(T));
        if (count > 0) std::memcpy(bytes_.data() + at, values, count * sizeof(T));
        return at;
    }
    template <class T>
    std::size_t add(const std::vector<T>& values) {
        return add(values.data(), values.size());
    }

    // After this nothing can be added.
    void upload(const std::shared_ptr<Device>& device) {
        buffer_ = uploaded(device, bytes_.data(), bytes_.size());
        bytes_.clear();
    }
    template <class T>
    const T* at(std::size_t place) const {
        return reinterpret_cast<const T*>(buffer_->as<char>() + place);
    }

  private:
    std::vector<char> bytes_;
    std::unique_ptr<Buffer> buffer_;
};

std::size_t bytes_of(std::int64_t doubles) {
    return static_cast<std::size_t>(std::max<std::int64_t>(doubles, 1)) * sizeof(double);
}

DerivativeOptions in_double(DerivativeOptions options) {
    options.precision = Precision::full;
    return options;
}

// An image on the device, of zeros; null where none is wanted.
std::shared_ptr<Buffer> image_for(const std::shared_ptr<Device>& device, std::int64_t pixels, bool wanted) {
    if (!wanted) return nullptr;
    auto image = std::make_shared<Buffer>(device, bytes_of(pixels));
    device->clear(image->as<void>(), image->bytes());
    return image;
}

void download_image(const std::shared_ptr<Buffer>& image, std::int64_t pixels, double* to) {
    if (image && pixels > 0) image->device().download(to, image->as<void>(), bytes_of(pixels));
}

// Of the host's memory for so many pixels, while the device is at work; null: of none.
void make_pages_of(double* memory, std::int64_t pixels) {
    if (memory != nullptr && pixels > 0) make_pages(memory, bytes_of(pixels));
}

// The pieces of a scene on a device.
class DevicePieces {
  public:
    DevicePieces(const std::shared_ptr<Device>& device, const SlopePieces& pieces,
                 const std::shared_ptr<Buffer>& image) {
        const Scene& s = pieces.scene();
        KernelScene view = pieces.view();
        const std::size_t runs = data_.add(pieces.runs()), panels = data_.add(pieces.panels()),
                          shape = data_.add(pieces.shape()), layers = data_.add(view.layers, s.all_layers().size()),
                          sources = data_.add(view.sources, s.sources.size()), orientations = data_.add(s.orientations),
                          first = data_.add(s.first_orientations),
                          grid = data_.add(s.f_grid, static_cast<std::size_t>(s.grid_points()));
        data_.upload(device);
        view.layers = data_.at<Layer>(layers);
        view.sources = data_.at<KernelSource>(sources);
        view.by_wavelength = nullptr;
        view.orientations = data_.at<double>(orientations);
        view.f_grid = data_.at<double>(grid);
        view_ = uploaded(device, &view, 1);
        std::vector<SlopeTask> tasks;
        for (std::int64_t i = 0; i < pieces.size(); ++i) {
            bool interpolating = true;
            SlopeTask task = pieces.task(i, interpolating, image ? image->as<double>() : nullptr);
            task.scene = view_->as<KernelScene>();
            task.panel = data_.at<KernelPanel>(panels) + task.panel_number;
            task.runs = data_.at<PixelRun>(runs) + (task.runs - pieces.runs().data());
            task.shape = data_.at<double>(shape);
            if (task.first != nullptr) task.first = data_.at<double>(first);
            tasks.push_back(task);
        }
        tasks_ = uploaded(device, tasks.data(), tasks.size());
    }

    const SlopeTask* tasks() const { return tasks_->as<SlopeTask>(); }

  private:
    Packed data_;
    std::unique_ptr<Buffer> view_, tasks_;
};

// The columns of a scene on a device.
class DeviceColumns {
  public:
    DeviceColumns(const std::shared_ptr<Device>& device, const Scene& s, const SlopeColumns& columns) {
        std::vector<Places> places;
        for (const ForwardColumn& c : columns.all()) {
            places.push_back({data_.add(c.panels, s.panels.size()), data_.add(c.sources, s.sources.size()),
                              data_.add(c.layers, s.all_layers().size()),
                              add(c.orientations, 9 * s.orientations.size()),
                              add(c.first_orientations, 9 * s.first_orientations.size()), add(c.strain, 9),
                              add(c.f_grid, static_cast<std::size_t>(s.grid_points()))});
        }
        data_.upload(device);
        std::vector<ForwardColumn> all = columns.all();
        for (std::size_t i = 0; i < all.size(); ++i) {
            ForwardColumn& c = all[i];
            c.panels = data_.at<PanelSlopes<double>>(places[i].panels);
            c.sources = data_.at<SourceSlopes<double>>(places[i].sources);
            c.layers = data_.at<LayerSlopes<double>>(places[i].layers);
            for (const auto& [pointer, place] :
                 {std::pair{&c.orientations, places[i].orientations},
                  std::pair{&c.first_orientations, places[i].first_orientations},
                  std::pair{&c.strain, places[i].strain}, std::pair{&c.f_grid, places[i].f_grid}}) {
                if (*pointer != nullptr) *pointer = data_.at<double>(place);
            }
        }
        columns_ = uploaded(device, all.data(), all.size());
    }

    const ForwardColumn* all() const { return columns_->as<ForwardColumn>(); }

  private:
    struct Places {
        std::size_t panels, sources, layers, orientations, first_orientations, strain, f_grid;
    };

    std::size_t add(const double* values, std::size_t count) {
        return data_.add(values, values == nullptr ? 0 : count);
    }

    Packed data_;
    std::unique_ptr<Buffer> columns_;
};

// How many numbers of each kind a sum is taken over: those that threads add up, and those that teams do.
struct Counts {
    std::int64_t sources, layers, common, panels, orientations, first_orientations;

    explicit Counts(const Scene& s)
        : sources(kSourceNumbers * static_cast<std::int64_t>(s.sources.size())),
          layers(kLayerNumbers * static_cast<std::int64_t>(s.all_layers().size())),
          common(kCommonNumbers),
          panels(kPanelNumbers * static_cast<std::int64_t>(s.panels.size())),
          orientations(9 * static_cast<std::int64_t>(s.orientations.size())),
          first_orientations(9 * static_cast<std::int64_t>(s.first_orientations.size())) {}

    std::int64_t of_threads() const { return sources + layers + common; }
    std::int64_t of_teams() const { return panels + orientations + first_orientations; }
};

// What the derivatives of a weighted sum are added up in, on the device.
class Sums {
  public:
    Sums(const std::shared_ptr<Device>& device, const SlopePieces& pieces, bool grid)
        : device_(device), counts_(pieces.scene()) {
        const double each =
            8.0 * (static_cast<double>(kSlopeChunk * counts_.of_threads()) + static_cast<double>(counts_.of_teams()));
        teams_ = std::clamp(static_cast<std::int64_t>(kMostBytes / each), std::int64_t{1}, kSlopeTeams);
        teams_ = std::clamp(pieces.size(), std::int64_t{1}, teams_);
        threads_ = teams_ * device->team_size();
        rows_ = cleared(counts_.of_threads() * threads_ + counts_.of_teams() * teams_);
        if (grid) grid_ = cleared(pieces.scene().grid_points());
    }

    void place(BackwardJob& job) const {
        job.teams = teams_;
        job.threads = threads_;
        job.panel_count = counts_.panels / kPanelNumbers;
        job.sources = rows_->as<double>();
        job.layers = job.sources + counts_.sources * threads_;
        job.common = job.layers + counts_.layers * threads_;
        job.panels = rows_->as<double>() + counts_.of_threads() * threads_;
        job.orientations = job.panels + counts_.panels * teams_;
        job.first_orientations = job.orientations + counts_.orientations * teams_;
        job.f_grid = grid_ ? grid_->as<double>() : nullptr;
    }

    // All of it, in the order of the rows.
    void download(SlopePart& part) const {
        Buffer sums(device_, bytes_of(counts_.of_threads() + counts_.of_teams()));
        const double* next_parts = rows_->as<double>();
        double* next_sums = sums.as<double>();
        device_->add_parts({next_parts, counts_.of_threads(), threads_, threads_, 1, next_sums});
        next_parts += counts_.of_threads() * threads_;
        next_sums += counts_.of_threads();
        for (const std::int64_t count : {counts_.panels, counts_.orientations, counts_.first_orientations}) {
            device_->add_parts({next_parts, count, 1, teams_, count, next_sums});
            next_parts += count * teams_;
            next_sums += count;
        }
        const std::vector<double> all = downloaded(sums, counts_.of_threads() + counts_.of_teams());
        const double* next = all.data();
        const auto take = [&next](void* to, std::int64_t count) {
            if (count > 0) std::memcpy(to, next, static_cast<std::size_t>(count) * sizeof(double));
            next += count;
        };
        take(part.sources.data(), counts_.sources);
        take(part.layers.data(), counts_.layers);
        take(&part.sums.common, kCommonNumbers - 1);
        take(&part.sums.default_F, 1);
        take(part.panels.data(), counts_.panels);
        take(part.orientations.data(), counts_.orientations);
        take(part.first_orientations.data(), counts_.first_orientations);
        if (grid_) device_->download(part.grid.data(), grid_->as<void>(), part.grid.size() * sizeof(double));
    }

  private:
    std::unique_ptr<Buffer> cleared(std::int64_t doubles) const {
        auto buffer = std::make_unique<Buffer>(device_, bytes_of(doubles));
        device_->clear(buffer->as<void>(), buffer->bytes());
        return buffer;
    }

    std::shared_ptr<Device> device_;
    Counts counts_;
    std::int64_t teams_, threads_;
    std::unique_ptr<Buffer> rows_, grid_;
};

// `weights` are on the device.
SceneChange backward(const std::shared_ptr<Device>& device, const SlopePieces& pieces, const double* weights,
                     const DerivativeOptions& options) {
    const Scene& scene = pieces.scene();
    const bool grid = options.grid && scene.has_grid();
    const auto image = image_for(device, pieces.chosen(), options.image != nullptr);
    const DevicePieces there(device, pieces, image);
    const Sums sums(device, pieces, grid);
    BackwardJob job{};
    job.tasks = there.tasks();
    job.task_count = pieces.size();
    job.weights = weights;
    sums.place(job);
    device->backward(lookup_of(scene), job);
    make_pages_of(options.image, pieces.chosen());
    std::vector<std::unique_ptr<SlopePart>> parts;
    parts.push_back(std::make_unique<SlopePart>(scene, grid));
    sums.download(*parts.front());
    download_image(image, pieces.chosen(), options.image);
    return gathered(scene, pieces.view(), parts, grid);
}

// The image and its changes, which stay on the device.
std::shared_ptr<Buffer> forward(const std::shared_ptr<Device>& device, const SlopePieces& pieces,
                                const SlopeColumns& columns, const std::shared_ptr<Buffer>& image) {
    const auto count = static_cast<std::int64_t>(columns.all().size());
    const DevicePieces there(device, pieces, image);
    const DeviceColumns columns_there(device, pieces.scene(), columns);
    auto changes = image_for(device, count * pieces.chosen(), true);
    ForwardJob job{};
    job.tasks = there.tasks();
    job.task_count = pieces.size();
    job.columns = columns_there.all();
    job.column_count = count;
    job.changes = changes->as<double>();
    job.stride = pieces.chosen();
    if (job.task_count > 0) device->forward(lookup_of(pieces.scene()), job);
    return changes;
}

}  // namespace

SceneChange render_vjp(const std::shared_ptr<Device>& device, const Scene& scene, const double* weights,
                       const DerivativeOptions& options) {
    const SlopePieces pieces(scene, in_double(options), kSlopeChunk);
    const auto there = uploaded(device, weights, static_cast<std::size_t>(pieces.chosen()));
    return backward(device, pieces, there->as<double>(), options);
}

SceneChange render_vjp_there(const std::shared_ptr<Device>& device, const Scene& scene, const double* weights,
                             const DerivativeOptions& options) {
    return backward(device, SlopePieces(scene, in_double(options), kSlopeChunk), weights, options);
}

void render_jvp(const std::shared_ptr<Device>& device, const Scene& scene, const std::vector<SceneChange>& directions,
                double* changes, const DerivativeOptions& options) {
    const SlopePieces pieces(scene, in_double(options), kSlopeChunk);
    const SlopeColumns columns(scene, pieces.view(), directions);
    const auto image = image_for(device, pieces.chosen(), options.image != nullptr);
    const auto count = static_cast<std::int64_t>(directions.size()) * pieces.chosen();
    const auto there = forward(device, pieces, columns, image);
    make_pages_of(changes, count);
    make_pages_of(options.image, pieces.chosen());
    download_image(there, count, changes);
    download_image(image, pieces.chosen(), options.image);
}

std::shared_ptr<Buffer> render_there(const std::shared_ptr<Device>& device, const Scene& scene,
                                     const DerivativeOptions& options) {
    const SlopePieces pieces(scene, in_double(options), kSlopeChunk);
    auto image = image_for(device, pieces.chosen(), true);
    (void)forward(device, pieces, SlopeColumns(scene, pieces.view(), {}), image);
    device->wait();
    return image;
}

}  // namespace nanobragg::gpu
