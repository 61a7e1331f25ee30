#include "point_spread.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nanobragg/error.hpp"

namespace nanobragg::gpu {
namespace {

std::vector<std::uint32_t> factors_of(std::uint32_t length) {
    std::vector<std::uint32_t> factors;
    std::uint32_t left = length;
    for (const std::uint32_t radix : {11u, 7u, 5u, 3u, 8u, 4u, 2u}) {
        for (; left > 1 && left % radix == 0; left /= radix) factors.push_back(radix);
    }
    if (left != 1 || length % 2 != 0) {
        throw InputError("point spread: found a transform of " + std::to_string(length) +
                         ", expected an even length of factors up to 11");
    }
    return factors;
}

std::vector<Complex> roots_of(std::uint32_t length) {
    constexpr double turn = 6.283185307179586;
    std::vector<Complex> roots(length);
    for (std::uint32_t i = 0; i < length; ++i) {
        const double angle = turn * i / length;
        roots[i] = {static_cast<float>(std::cos(angle)), static_cast<float>(-std::sin(angle))};
    }
    return roots;
}

// Launches steps one after the other. Each finds its numbers in one of two places and leaves them in the other.
struct Steps {
    Device& device;
    SpreadJob job;
    Complex *here, *there;

    void run(SpreadStep step, std::uint32_t wide, std::uint32_t high) {
        job.step = step;
        job.wide = wide;
        job.high = high;
        job.from = here;
        job.to = there;
        device.spread(job);
        std::swap(here, there);
    }

    // All lines of `pass.length` numbers.
    void transform(SpreadPass pass, const std::vector<std::uint32_t>& factors, std::uint32_t lines, bool back) {
        job.pass = pass;
        job.pass.back = back;
        job.pass.done = 1;
        for (const std::uint32_t radix : factors) {
            job.pass.radix = radix;
            const std::uint32_t groups = pass.length / radix;
            pass.columns ? run(SpreadStep::transform, lines, groups) : run(SpreadStep::transform, groups, lines);
            job.pass.done *= radix;
        }
    }
};

}  // namespace

PointSpread::PointSpread(const std::shared_ptr<Device>& device, std::uint32_t slow, std::uint32_t fast,
                         std::uint32_t rows, std::uint32_t columns, std::shared_ptr<Buffer> spectrum, bool even)
    : device_(device),
      spectrum_(std::move(spectrum)),
      row_roots_(device, columns * sizeof(Complex)),
      column_roots_(device, rows * sizeof(Complex)),
      row_factors_(factors_of(columns)),
      column_factors_(factors_of(rows)) {
    job_.slow = slow;
    job_.fast = fast;
    job_.rows = rows;
    job_.columns = columns;
    job_.half = columns / 2 + 1;
    job_.even = even;
    const std::size_t waves = std::size_t{job_.half} * (even ? rows / 2 + 1 : 2 * rows);
    if (slow > rows || fast > columns || spectrum_->bytes() != waves * sizeof(float)) {
        throw InputError("point spread: found a transform of another size than the panel's");
    }
    job_.spectrum = spectrum_->as<float>();
    for (const auto& [buffer, length] : {std::pair(&row_roots_, columns), std::pair(&column_roots_, rows)}) {
        const std::vector<Complex> roots = roots_of(length);
        device_->upload(buffer->as<void>(), roots.data(), buffer->bytes());
        device_->wait();
    }
}

std::size_t PointSpread::room() const {
    const std::size_t pairs = (job_.slow + 1) / 2;
    return sizeof(Complex) * std::max(pairs * job_.columns, std::size_t{job_.rows} * job_.half);
}

void PointSpread::spread(float* panel, const Buffer& one, const Buffer& other) const {
    Steps steps{*device_, job_, one.as<Complex>(), other.as<Complex>()};
    steps.job.panel = panel;
    const std::uint32_t pairs = (job_.slow + 1) / 2;
    SpreadPass along{}, across{};
    along.roots = row_roots_.as<Complex>();
    along.length = job_.columns;
    along.line = job_.columns;
    along.element = 1;
    across.roots = column_roots_.as<Complex>();
    across.length = job_.rows;
    across.line = 1;
    across.element = job_.half;
    across.columns = true;
    steps.run(SpreadStep::load, job_.columns, pairs);
    steps.transform(along, row_factors_, pairs, false);
    steps.run(SpreadStep::part, job_.half, job_.rows);
    steps.transform(across, column_factors_, job_.half, false);
    steps.run(SpreadStep::multiply, job_.half, job_.rows);
    steps.transform(across, column_factors_, job_.half, true);
    steps.run(SpreadStep::join, job_.columns, pairs);
    steps.transform(along, row_factors_, pairs, true);
    steps.run(SpreadStep::store, job_.fast, job_.slow);
}

}  // namespace nanobragg::gpu
