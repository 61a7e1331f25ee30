// Threads, pieces of panels, and sums in one fixed order.
#include "nanobragg/derivatives.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "cpu/isa.hpp"
#include "derivatives/scene_edges.hpp"
#include "derivatives/task.hpp"
#include "nanobragg/error.hpp"
#include "nanobragg/reference.hpp"
#include "nanobragg/threads.hpp"
#include "plan/precision.hpp"
#include "plan/view.hpp"

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

void check_differentiable(const Scene& scene) {
    validate(scene);
    const char* reason = reason_for_reference(scene);
    if (reason != nullptr) throw InputError(std::string("derivatives: found a scene without them: ") + reason);
    for (const double n : scene.cells) {
        if (!(n >= 1)) throw InputError("Scene: cells: found " + std::to_string(n) + ", expected at least 1");
    }
}

// Pixels of a panel that are computed together.
struct Piece {
    std::int64_t panel;
    std::int64_t alone;  // the only pixel's number in the image; -1: one of many, that are all alike
    std::size_t first_run;
    int run_count, count;
    bool interpolated;
};

// A scene as the kernels of derivatives see it, in pieces. What depends on the order of evaluations is in pieces of one
// pixel (specs/design.md, "Three renderers, one truth").
class Pieces {
  public:
    Pieces(const Scene& scene, const DerivativeOptions& options, int threads)
        : s(scene),
          sources_(sources_of(scene)),
          layers_(scene.all_layers()),
          view(view_of(scene, layers_, sources_, nullptr)),
          panels_(panels_of(scene)),
          shape_(shape_parameters(scene, view)),
          unit_(unit_of(scene, view)),
          first_(locate_first_evaluation(scene)),
          out_of_range_(locate_out_of_range(scene, threads)),
          mixed_(options.precision == Precision::mixed && mixed_slopes_suffice(scene)) {
        check_chosen(options);
        for (const PixelRow& row : scene.rows()) divide(row, options);
    }
    Pieces(const Pieces&) = delete;  // its parts point to one another
    Pieces& operator=(const Pieces&) = delete;

    std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }
    std::int64_t pixels() const {
        std::int64_t sum = 0;
        for (const Piece& piece : pieces_) sum += piece.count;
        return sum;
    }

    // `interpolating` serves the one pixel that leaves the range of the interpolation.
    SlopeTask task(std::int64_t number, bool& interpolating, double* image) const {
        const Piece& piece = pieces_[static_cast<std::size_t>(number)];
        const auto panel_number = static_cast<std::size_t>(piece.panel);
        const Panel& panel = s.panels[panel_number];
        SlopeTask out{};
        out.scene = &view;
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
        out.tricubic = s.has_grid() && s.interpolation != Interpolation::nearest && piece.interpolated;
        interpolating = true;
        out.interpolating = piece.alone >= 0 && piece.alone == out_of_range_ ? &interpolating : nullptr;
        out.image = image;
        return out;
    }

  private:
    void check_chosen(const DerivativeOptions& options) const {
        for (std::int64_t i = 0; options.pixels != nullptr && i < options.pixel_count; ++i) {
            const std::int64_t before = i == 0 ? -1 : options.pixels[i - 1];
            if (options.pixels[i] > before && options.pixels[i] < s.pixels()) continue;
            throw InputError("pixels: found number " + std::to_string(options.pixels[i]) + " after " +
                             std::to_string(before) + ", expected ascending numbers below " +
                             std::to_string(s.pixels()));
        }
    }

    // The pixels of a row that are chosen and not masked.
    void divide(const PixelRow& row, const DerivativeOptions& options) {
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
    void add_unmasked(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start) {
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        while (fast < end) {
            std::int64_t next = panel.mask == nullptr ? end : fast;
            while (next < end && panel.unmasked(row.slow, next)) ++next;
            if (next > fast) add(row, fast, next, start);
            fast = next;
            while (fast < end && !panel.unmasked(row.slow, fast)) ++fast;
        }
    }

    void add(const PixelRow& row, std::int64_t fast, std::int64_t end, std::int64_t start) {
        const Panel& panel = s.panels[static_cast<std::size_t>(row.panel)];
        for (std::int64_t next = end; fast < end; fast = next, next = end) {
            const std::int64_t pixel = row.start + fast;
            const bool alone = pixel == first_ || pixel == out_of_range_;
            for (const std::int64_t special : {first_, out_of_range_}) {
                if (special > pixel) next = std::min(next, special - row.start);
            }
            if (alone) next = fast + 1;
            Piece& piece = open(row.panel, alone ? pixel : -1, out_of_range_ < 0 || pixel <= out_of_range_);
            next = std::min(next, fast + kSlopeChunk - piece.count);
            const auto count = static_cast<int>(next - fast);
            runs_.push_back({panel.first_slow + row.slow, panel.first_fast + fast, start + fast, count});
            ++piece.run_count;
            piece.count += count;
        }
    }

    // The last piece, if it has room for such a pixel; or a new one.
    Piece& open(std::int64_t panel, std::int64_t alone, bool interpolated) {
        const bool fits = !pieces_.empty() && pieces_.back().panel == panel && pieces_.back().alone < 0 && alone < 0 &&
                          pieces_.back().interpolated == interpolated && pieces_.back().count < kSlopeChunk;
        if (!fits) pieces_.push_back({panel, alone, runs_.size(), 0, 0, interpolated});
        return pieces_.back();
    }

  public:
    const Scene& s;

  private:
    std::vector<KernelSource> sources_;
    std::vector<Layer> layers_;

  public:
    KernelScene view;

  private:
    std::vector<KernelPanel> panels_;
    std::vector<double> shape_;
    double unit_;
    std::int64_t first_, out_of_range_;
    bool mixed_;
    std::vector<PixelRun> runs_;
    std::vector<Piece> pieces_;
};

// ---- backward ---------------------------------------------------------------------------------------------

// What one part of the image adds. (Kernels add to Sums, which hold one double.)
struct Part {
    std::vector<PanelSlopes<Sum>> panels;
    std::vector<SourceSlopes<Sum>> sources;
    std::vector<LayerSlopes<Sum>> layers;
    std::vector<double> orientations, first_orientations, grid;
    BackwardSums sums{};

    Part(const Scene& s, bool with_grid)
        : panels(s.panels.size()),
          sources(s.sources.size()),
          layers(s.all_layers().size()),
          orientations(9 * s.orientations.size()),
          first_orientations(9 * s.first_orientations.size()),
          grid(with_grid ? static_cast<std::size_t>(s.grid_points()) : 0) {
        sums.panels = panels.data();
        sums.sources = sources.data();
        sums.layers = layers.data();
        sums.orientations = orientations.data();
        sums.first_orientations = first_orientations.data();
        sums.f_grid = grid.empty() ? nullptr : grid.data();
    }
};

// How many parts an image is summed in: as many as keep many threads busy, if the memory that they take is modest. It
// depends on the scene alone, and so does the result.
std::int64_t part_count(const Scene& s, std::int64_t pieces, bool with_grid) {
    const double bytes =
        8.0 * (22.0 * static_cast<double>(s.panels.size()) + 11.0 * static_cast<double>(s.sources.size()) +
               5.0 * static_cast<double>(s.all_layers().size()) +
               9.0 * static_cast<double>(s.orientations.size() + s.first_orientations.size()) +
               (with_grid ? static_cast<double>(s.grid_points()) : 0.0));
    const double most = std::min(256.0, 256e6 / bytes);
    return std::clamp(static_cast<std::int64_t>(most), std::int64_t{1}, std::max<std::int64_t>(1, pieces));
}

// Adds numbers that lie in a row in both: structs of doubles, or of Sums.
template <class From, class To>
void add(const From* from, To* to, std::size_t count) {
    static_assert(sizeof(From) % sizeof(double) == 0 && sizeof(From) == sizeof(To), "numbers in a row");
    double theirs = 0, ours = 0;
    for (std::size_t i = 0; i < count * sizeof(From) / sizeof(double); ++i) {
        std::memcpy(&theirs, reinterpret_cast<const char*>(from) + i * sizeof(double), sizeof(double));
        std::memcpy(&ours, reinterpret_cast<const char*>(to) + i * sizeof(double), sizeof(double));
        ours += theirs;
        std::memcpy(reinterpret_cast<char*>(to) + i * sizeof(double), &ours, sizeof(double));
    }
}

void add_part(const Part& part, KernelChange& kernel, SceneChange& result) {
    add(part.panels.data(), kernel.panels.data(), kernel.panels.size());
    add(part.sources.data(), kernel.sources.data(), kernel.sources.size());
    add(part.layers.data(), kernel.layers.data(), kernel.layers.size());
    add(&part.sums.common, &kernel.common, 1);
    kernel.default_F += part.sums.default_F;
    for (std::size_t i = 0; i < part.grid.size(); ++i) result.f_grid[i] += part.grid[i];
    const auto turn = [](const std::vector<double>& from, std::vector<Orientation>& to) {
        for (std::size_t i = 0; i < to.size(); ++i) {
            Vec3* axes[3] = {&to[i].a, &to[i].b, &to[i].c};
            for (std::size_t j = 0; j < 3; ++j) {
                const double* v = from.data() + 9 * i + 3 * j;
                *axes[j] = *axes[j] + Vec3{v[0], v[1], v[2]};
            }
        }
    };
    turn(part.orientations, result.orientations);
    turn(part.first_orientations, result.first_orientations);
}

SceneChange zeros(const Scene& s, bool with_grid) {
    SceneChange out;
    out.panels.resize(s.panels.size());
    out.layers.resize(s.all_layers().size());
    out.sources.resize(s.sources.size());
    out.orientations.resize(s.orientations.size());
    out.first_orientations.resize(s.first_orientations.size());
    out.f_grid.resize(with_grid ? static_cast<std::size_t>(s.grid_points()) : 0);
    return out;
}

// ---- forward ----------------------------------------------------------------------------------------------

template <class Numbers>
void check_size(const char* name, const Numbers& found, std::size_t expected) {
    if (found.empty() || found.size() == expected) return;
    throw InputError(std::string("direction: ") + name + ": found " + std::to_string(found.size()) +
                     " changes, expected none or " + std::to_string(expected));
}

void check_sizes(const Scene& s, const SceneChange& d) {
    check_size("panels", d.panels, s.panels.size());
    check_size("layers", d.layers, s.all_layers().size());
    check_size("sources", d.sources, s.sources.size());
    check_size("orientations", d.orientations, s.orientations.size());
    check_size("first_orientations", d.first_orientations, s.first_orientations.size());
    check_size("f_grid", d.f_grid, static_cast<std::size_t>(s.grid_points()));
}

template <class Slopes>
bool any_change(const Slopes* slopes, std::size_t count) {
    const auto* numbers = reinterpret_cast<const char*>(slopes);
    double number = 0;
    for (std::size_t i = 0; i < count * sizeof(Slopes); i += sizeof number) {
        std::memcpy(&number, numbers + i, sizeof number);
        if (number != 0) return true;
    }
    return false;
}

using Matrix = std::array<double, 9>;

// The matrix by which an orientation's (rows a, b, c) are multiplied to give its change.
Matrix strain_of(const Orientation& o, const Orientation& change) {
    const double volume = dot(o.a, cross(o.b, o.c));
    const Vec3 inverse[3] = {(1 / volume) * cross(o.b, o.c), (1 / volume) * cross(o.c, o.a),
                             (1 / volume) * cross(o.a, o.b)};
    Matrix out{};
    for (std::size_t j = 0; j < 3; ++j) {
        out[j] = dot(change.a, inverse[j]);
        out[3 + j] = dot(change.b, inverse[j]);
        out[6 + j] = dot(change.c, inverse[j]);
    }
    return out;
}

double largest(const Orientation& o) {
    double most = 0;
    for (const Vec3& v : {o.a, o.b, o.c}) most = std::max({most, std::abs(v.x), std::abs(v.y), std::abs(v.z)});
    return most;
}

// Whether the matrix gives the changes of all orientations, but for rounding.
bool strains(const Matrix& m, const std::vector<Orientation>& orientations, const std::vector<Orientation>& changes) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const Orientation &o = orientations[i], &change = changes[i];
        const Orientation off{m[0] * o.a + m[1] * o.b + m[2] * o.c - change.a,
                              m[3] * o.a + m[4] * o.b + m[5] * o.c - change.b,
                              m[6] * o.a + m[7] * o.b + m[8] * o.c - change.c};
        if (!(largest(off) <= 1e-13 * largest(change))) return false;
    }
    return true;
}

// What changes the cell or turns the crystal at phi = 0 changes all orientations alike: then all h, k, l change to one
// matrix times h, k, l, and no column needs orientations of its own.
bool is_strain(const Scene& s, const SceneChange& d, Matrix& strain) {
    if (d.orientations.empty() || d.first_orientations.size() != s.first_orientations.size()) return false;
    strain = strain_of(s.orientations.front(), d.orientations.front());
    return strains(strain, s.orientations, d.orientations) &&
           strains(strain, s.first_orientations, d.first_orientations);
}

// Directions as kernels see them.
class Columns {
  public:
    Columns(const Scene& s, const KernelScene& view, const std::vector<SceneChange>& directions) {
        kernels_.reserve(directions.size());
        strains_.resize(directions.size());
        for (const SceneChange& d : directions) {
            check_sizes(s, d);
            kernels_.push_back(kernel_change(s, view, d));
            add(s, d, kernels_.back());
        }
    }

    const ForwardColumn* data() const { return columns_.data(); }

  private:
    void add(const Scene& s, const SceneChange& d, const KernelChange& kernel) {
        ForwardColumn column{};
        column.panels = kernel.panels.data();
        column.sources = kernel.sources.data();
        column.layers = kernel.layers.data();
        column.common = kernel.common;
        column.orientations = d.orientations.empty() ? nullptr : &d.orientations.front().a.x;
        column.first_orientations = d.first_orientations.empty() ? nullptr : &d.first_orientations.front().a.x;
        Matrix& strain = strains_[columns_.size()];
        if (is_strain(s, d, strain)) {
            column.strain = any_change(&strain, 1) ? strain.data() : nullptr;
            column.orientations = column.first_orientations = nullptr;
        }
        column.f_grid = d.f_grid.empty() ? nullptr : d.f_grid.data();
        column.default_F = kernel.default_F;
        const CommonSlopes<double>& c = kernel.common;
        column.shaped = any_change(c.shape, kShapeParameters);
        column.moves_factors = any_change(kernel.panels.data(), kernel.panels.size()) ||
                               any_change(kernel.sources.data(), kernel.sources.size()) ||
                               any_change(kernel.layers.data(), kernel.layers.size()) || c.curved_distance != 0 ||
                               any_change(c.beam, 3) || c.kahn_factor != 0;
        column.moves_pixels =
            column.moves_factors || c.background_sum != 0 || c.background != 0 || c.scale != 0 || c.unit != 0;
        columns_.push_back(column);
    }

    std::vector<KernelChange> kernels_;
    std::vector<Matrix> strains_;
    std::vector<ForwardColumn> columns_;
};

std::int64_t chosen_count(const Scene& scene, const DerivativeOptions& options) {
    return options.pixels == nullptr ? scene.pixels() : options.pixel_count;
}

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
    check_differentiable(scene);
    const int threads = thread_count(options.threads);
    const SlopeTable& kernels = chosen_slopes();
    const Pieces pieces(scene, options, threads);
    const bool grid = options.grid && scene.has_grid();
    const std::int64_t chosen = chosen_count(scene, options);
    if (options.image != nullptr && pieces.pixels() < chosen) {  // the others are 0
        std::fill(options.image, options.image + chosen, 0.0);
    }
    const std::int64_t count = part_count(scene, pieces.size(), grid);
    std::vector<std::unique_ptr<Part>> parts;
    for (std::int64_t i = 0; i < count; ++i) parts.push_back(std::make_unique<Part>(scene, grid));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t number = 0; number < count; ++number) {
        BackwardSums& sums = parts[static_cast<std::size_t>(number)]->sums;
        for (std::int64_t i = number; i < pieces.size(); i += count) {
            bool interpolating = true;
            kernels.backward({pieces.task(i, interpolating, options.image), weights, &sums});
        }
    }
    KernelChange kernel = no_change(scene);
    SceneChange result = zeros(scene, grid);
    for (const auto& part : parts) add_part(*part, kernel, result);
    put_down(scene, pieces.view, kernel, result);
    return result;
}

void render_jvp(const Scene& scene, const std::vector<SceneChange>& directions, double* changes,
                const DerivativeOptions& options) {
    check_differentiable(scene);
    const int threads = thread_count(options.threads);
    const SlopeTable& kernels = chosen_slopes();
    const Pieces pieces(scene, options, threads);
    const Columns columns(scene, pieces.view, directions);
    const auto count = static_cast<std::int64_t>(directions.size());
    const std::int64_t chosen = chosen_count(scene, options);
    if (pieces.pixels() < chosen) {  // the others are 0
        std::fill(changes, changes + count * chosen, 0.0);
        if (options.image != nullptr) std::fill(options.image, options.image + chosen, 0.0);
    }
#pragma omp parallel num_threads(threads)
    {
        Scratch scratch(kernels.forward_scratch(count));
#pragma omp for schedule(dynamic, 1)
        for (std::int64_t i = 0; i < pieces.size(); ++i) {
            bool interpolating = true;
            kernels.forward(
                {pieces.task(i, interpolating, options.image), columns.data(), count, changes, chosen, scratch.data()});
        }
    }
}

}  // namespace nanobragg
