// A point spread function on the pixels of a panel that lies on a device.
#pragma once

#include <memory>
#include <vector>

#include "device.hpp"
#include "spread.hpp"

namespace nanobragg::gpu {

class PointSpread {
  public:
    // `spectrum` is the function's transform, of `rows` times `columns` (even, of factors up to 11) with room for what
    // leaves a panel of slow times fast pixels; as SpreadJob has it, on the device. Throws InputError for other
    // lengths.
    PointSpread(const std::shared_ptr<Device>& device, std::uint32_t slow, std::uint32_t fast, std::uint32_t rows,
                std::uint32_t columns, std::shared_ptr<Buffer> spectrum, bool even);

    // Bytes of each of the two places that a transform goes back and forth between.
    std::size_t room() const;

    // Spreads the light of a panel, where it lies. The device need not be done with it when this comes back.
    void spread(float* panel, const Buffer& one, const Buffer& other) const;

  private:
    SpreadJob job_{};
    std::shared_ptr<Device> device_;
    std::shared_ptr<Buffer> spectrum_;
    Buffer row_roots_, column_roots_;
    std::vector<std::uint32_t> row_factors_, column_factors_;
};

}  // namespace nanobragg::gpu
