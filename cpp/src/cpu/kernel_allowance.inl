// What each pixel may lose for terms that are left out (specs/physics.md, "Within a stated error"). A part of
// kernel.inl.

// What each pixel of a chunk may still lose, and how it went.
struct Allowance {
    alignas(64) double left[kChunk], given[kChunk];  // as sums of terms; infinite for pixels that nobody sees
    int64_t shares = 0, calls = 0;                   // in all, and still to be given
    int64_t terms = 0;                               // that were evaluated
    double work = 0;                                 // evaluations of a register that would take as long (estimated)
};

// Where a pixel is in its chunk.
NANOBRAGG_FN int lane_of(const ChunkTask& task, int column, int row) {
    const int across = task.lead + column;
    return task.tall != 0 ? across / kTall * kLanes + (task.above + row) * kTall + across % kTall : across;
}

// What each pixel of a chunk may lose: the tolerance over the photons that a sum of 1 becomes at most.
void allow(const Chunk& c, const ChunkTask& task, const Rays& centre, double unit, Allowance& out) {
    const KernelScene& s = c.scene;
    const KernelPanel& g = c.panel;
    const Bounds& b = *task.bounds;
    // Whatever belongs to a pixel is no farther from its centre than this (m).
    double reach = b.depth * length3(g.normal);
    reach += 0.5 * (absolute(g.pixel_fast) * length3(g.fast) + absolute(g.pixel_slow) * length3(g.slow));
    const double area = s.point_pixel ? 1.0 : absolute(g.pixel_area * g.close_distance);
    // Of sums that rounding makes a little wrong. What is given back is on the right side of the rest.
    const double tolerance = b.tolerance * (1 - 2e-3) / (1 - b.given_back);
    const Doubles most = filled<Doubles>(1e30 * unit);
    for (int p = 0; p < c.n; p += kHalf) {
        const Ray<Doubles> ray = ray_of(centre, p);
        const Doubles angle = ray.inverse * reach, near = ray.inverse / (1.0 - angle);
        const Doubles solid = near * near * area * (s.point_pixel ? filled<Doubles>(1.0) : near);
        Doubles left = tolerance / (b.photons * solid);
        left = left < most ? left : most;
        // Where a pixel is next to the sample, or not seen from the front all over, there is no bound.
        auto sound = (angle < 0.5) & (ray.inverse > 0.0) & (b.photons * solid >= 0.0);
        if (s.capture != Factor::off) sound &= ray.along(g.normal) > 4.0 * angle * (1 + length3(g.normal));
        doubles_at(out.given + p) = sound ? left : Doubles{};
    }
    for (int p = 0; p < c.n; ++p) out.left[p] = __builtin_inf();
    if (task.tall == 0) {
        for (int p = 0; p < task.count; ++p) out.left[task.lead + p] = out.given[task.lead + p];
        for (int p = 0; p < task.count && task.mask != nullptr; ++p) {
            if (task.mask[p] == 0) out.left[task.lead + p] = __builtin_inf();
        }
        return;
    }
    for (int r = 0; r < task.rows; ++r) {
        for (int p = 0; p < task.count; ++p) {
            const int at = lane_of(task, p, r);
            if (task.mask == nullptr || task.mask[r * task.stride + p] != 0) out.left[at] = out.given[at];
        }
    }
}

// The largest part of the tolerance that was used up in any of `n` pixels. (The others' is infinite.)
double used_up(int n, const Allowance& allowance) {
    double most = 0;
    for (int p = 0; p < n; p += kHalf) {
        if (!any_of(doubles_at(allowance.left + p) < doubles_at(allowance.given + p) * (1.0 - most))) continue;
        for (int j = p; j < p + kHalf; ++j) {
            if (!(allowance.left[j] < (1.0 - most) * allowance.given[j])) continue;
            // Sums are right to a thousandth, and the rest of the tolerance is for that.
            const double used = (1.0 - allowance.left[j] / allowance.given[j]) * (1 - 1e-3);
            most = used > most ? used : most;
        }
    }
    return most;
}
