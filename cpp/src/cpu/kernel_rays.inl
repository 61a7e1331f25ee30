// Directions to the pixels of a chunk (rays.hpp has the geometry). A part of kernel.inl.

// A row of points, `step` = pixel_fast x fast apart, at some offset inside the pixels and some depth.
struct Row {
    double start[3], step[3];  // m, from the raster's first column
    double first;              // number of the chunk's first point
    double down[3];            // m, to the next row
    bool tall;                 // the chunk is
};

// 0, 1, 2...: fetching a number is cheaper than converting it.
struct Numbers {
    alignas(64) double of[kChunk];

    constexpr NANOBRAGG_FN_MEMBER Numbers() : of() {
        for (int p = 0; p < kChunk; ++p) of[p] = p;
    }
};
constexpr Numbers kNumbers;

// Columns and rows of a tall chunk's points.
struct TallPlaces {
    alignas(64) double column[kChunk], row[kChunk];

    constexpr NANOBRAGG_FN_MEMBER TallPlaces() : column(), row() {
        for (int p = 0; p < kChunk; ++p) {
            const int across = p / kLanes * kTall + p % kTall, below = p % kLanes / kTall;
            column[p] = across;
            row[p] = below;
        }
    }
};
constexpr TallPlaces kTallPlaces;

// The raster's columns of the chunk's pixels, for loops that evaluate all of them again and again: loaded, they are
// cheaper than added. They are filled in when first asked for; until then the first is none.
struct Columns {
    alignas(64) double of[kChunk];

    Columns() { of[0] = -1; }
    void fill(double first, int n) {
        if (of[0] == first) return;
        for (int p = 0; p < n; ++p) of[p] = kNumbers.of[p] + first;
    }
};

// Rays from the sample to the pixels of the chunk: 1/distance (0 at the sample itself). Pairs: the even ones among
// kWidth pixels, then the odd ones, and so on.
struct Rays {
    alignas(64) double inverse[kChunk], pairs[kChunk];
    alignas(64) double x[kChunk], y[kChunk], z[kChunk];  // directions, unless straight
    Row row;
    // The detector is flat, and all pixels stand at one depth: in a row, or in the squares of a tall chunk.
    bool straight, squares;
};

struct Chunk {
    const KernelScene& scene;
    const KernelPanel& panel;
    int n;              // padded to a multiple of kLanes, so that no loop has a remainder
    double slow, fast;  // in the raster
    bool tall;
};

NANOBRAGG_FN double dot3(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

NANOBRAGG_FN double length3(const double* a) { return root(dot3(a, a)); }

NANOBRAGG_FN Doubles& doubles_at(double* values) { return *(Doubles*)values; }
NANOBRAGG_FN const Doubles& doubles_at(const double* values) { return *(const Doubles*)values; }
NANOBRAGG_FN Singles& singles_at(float* values) { return *(Singles*)values; }
NANOBRAGG_FN const Singles& singles_at(const float* values) { return *(const Singles*)values; }

Row row_at(const Chunk& c, double offset_fast, double offset_slow, double depth) {
    const KernelPanel& g = c.panel;
    Row out;
    flat_point(g, offset_fast, c.slow + offset_slow, depth, out.start);
    for (int i = 0; i < 3; ++i) {
        out.step[i] = g.pixel_fast * g.fast[i];
        out.down[i] = g.pixel_slow * g.slow[i];
    }
    out.first = c.fast;
    out.tall = c.tall;
    return out;
}

// kHalf points of a row, from the chunk's number `p` on.
NANOBRAGG_FN void points_in(const Row& row, int p, Doubles at[3]) {
    const Doubles number = doubles_at(row.tall ? kTallPlaces.column + p : kNumbers.of + p) + row.first;
    for (int i = 0; i < 3; ++i) at[i] = row.start[i] + number * row.step[i];
    if (!row.tall) return;
    const Doubles below = doubles_at(kTallPlaces.row + p);
    for (int i = 0; i < 3; ++i) at[i] += below * row.down[i];
}

// The rays to them.
NANOBRAGG_FN Ray<Doubles> ray_in(const KernelScene& s, const KernelPanel& g, const Row& row, int p) {
    Doubles at[3];
    points_in(row, p, at);
    return ray_through(s, g, at);
}

// The rays to where they are absorbed in a layer with a thickness; `front`: the row at the front of the sensor.
NANOBRAGG_FN Ray<Doubles> ray_below(const Chunk& c, const Layer& layer, const Row& front, int p) {
    Doubles at[3];
    points_in(front, p, at);
    return ray_into(c.scene, c.panel, layer, at);
}

void aim_straight(const Chunk& c, Rays& rays) {
    const KernelScene& s = c.scene;
    const KernelPanel& g = c.panel;
    Row row = rays.row;
    row.tall = false;  // as compilers then know
    rays.straight = true;
    rays.squares = false;
    // must vectorise: rays
    for (int p = 0; p < c.n; p += kWidth) {
        const Doubles first = ray_in(s, g, row, p).inverse, second = ray_in(s, g, row, p + kHalf).inverse;
        doubles_at(rays.inverse + p) = first;
        doubles_at(rays.inverse + p + kHalf) = second;
        doubles_at(rays.pairs + p) = even_of(first, second);
        doubles_at(rays.pairs + p + kHalf) = odd_of(first, second);
    }
}

// Each ray by itself: `ray_to(p)` gives kHalf of them.
template <class RayTo>
void aim_each(const Chunk& c, const RayTo& ray_to, Rays& rays) {
    rays.straight = rays.squares = false;
    for (int p = 0; p < c.n; p += kHalf) {
        const Ray<Doubles> ray = ray_to(p);
        doubles_at(rays.x + p) = ray.x;
        doubles_at(rays.y + p) = ray.y;
        doubles_at(rays.z + p) = ray.z;
        doubles_at(rays.inverse + p) = ray.inverse;
    }
}

void aim(const Chunk& c, const Row& row, Rays& rays) {
    rays.row = row;
    const bool flat = c.scene.curved_distance == 0;
    if (flat && !c.tall) return aim_straight(c, rays);
    aim_each(c, [&](int p) { return ray_in(c.scene, c.panel, row, p); }, rays);
    rays.squares = flat;
}

// At a subpixel of each pixel, where it stands in its layer.
void aim_at(const Chunk& c, const Subpixel& sub, Rays& rays) {
    const Layer& layer = layer_of(c.scene, c.panel, sub.layer);
    const bool thin = layer.thickness == 0;
    const Row row = row_at(c, sub.offset_fast, sub.offset_slow, thin ? layer.depth : 0.0);
    if (thin) return aim(c, row, rays);
    aim_each(c, [&](int p) { return ray_below(c, layer, row, p); }, rays);
}

// Rays to kHalf pixels, from number `p` on.
NANOBRAGG_FN Ray<Doubles> ray_of(const Rays& rays, int p) {
    const Doubles inverse = doubles_at(rays.inverse + p);
    if (!rays.straight) {
        return {doubles_at(rays.x + p), doubles_at(rays.y + p), doubles_at(rays.z + p), inverse};
    }
    const Doubles number = doubles_at(kNumbers.of + p) + rays.row.first;
    const double *start = rays.row.start, *step = rays.row.step;
    return {(start[0] + number * step[0]) * inverse, (start[1] + number * step[1]) * inverse,
            (start[2] + number * step[2]) * inverse, inverse};
}

// The only subpixel of a thin sensor is the pixel's centre.
NANOBRAGG_FN bool is_central(const KernelScene& s, double depth) { return s.oversample == 1 && depth == 0; }
NANOBRAGG_FN bool is_central(const KernelScene& s, const Layer& layer) {
    return layer.thickness == 0 && is_central(s, layer.depth);
}

// kHalf pixels of the chunk, from number `p` on, as the templates of rays.hpp and pixel.hpp want them.
struct ChunkPixels {
    using Real = Doubles;
    const Chunk& c;
    const Rays& central;
    int p;

    NANOBRAGG_FN_MEMBER const KernelPanel& panel() const { return c.panel; }
    NANOBRAGG_FN_MEMBER Ray<Doubles> centre() const { return ray_of(central, p); }
    NANOBRAGG_FN_MEMBER Ray<Doubles> ray(const Subpixel& sub, double depth) const {
        if (is_central(c.scene, depth)) return centre();
        return ray_in(c.scene, c.panel, row_at(c, sub.offset_fast, sub.offset_slow, depth), p);
    }
    NANOBRAGG_FN_MEMBER Ray<Doubles> ray(const Subpixel& sub) const {
        const Layer& layer = layer_of(c.scene, c.panel, sub.layer);
        if (layer.thickness == 0) return ray(sub, layer.depth);
        return ray_below(c, layer, row_at(c, sub.offset_fast, sub.offset_slow, 0.0), p);
    }
};
