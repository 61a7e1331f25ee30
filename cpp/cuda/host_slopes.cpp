#include "host_device.hpp"
#include "slope_work.hpp"

namespace nanobragg::gpu {

void HostDevice::forward(Lookup lookup, const ForwardJob& job) {
    slopes::with_lookup(lookup, [&](auto chosen) {
        for (std::int64_t piece = 0; piece < job.task_count; ++piece) {
            for (std::int64_t begin = 0; begin < std::max<std::int64_t>(job.column_count, 1); begin += kColumns) {
                for (int pixel = 0; pixel < kSlopeChunk; ++pixel) {
                    slopes::forward_pixel<decltype(chosen)::value>(job, piece, pixel, begin);
                }
            }
        }
    });
}

void HostDevice::backward(Lookup lookup, const BackwardJob& job) {
    slopes::with_lookup(lookup, [&](auto chosen) {
        for (std::int64_t number = 0; number < job.teams; ++number) {
            SlopeShared shared;
            slopes::BackwardTeam<TeamOfOne>(job, number, TeamOfOne()).run<decltype(chosen)::value>(shared);
        }
    });
}

void HostDevice::add_parts(const SumJob& job) {
    SlopeShared shared;
    for (std::int64_t number = 0; number < job.count; ++number) slopes::add_parts(job, number, shared, TeamOfOne());
}

}  // namespace nanobragg::gpu
