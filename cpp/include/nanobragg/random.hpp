// Random numbers: nanoBragg.c's own, bit for bit, and Poisson noise by either generator (specs/random.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace nanobragg {

/// State of one stream of uniform deviates, between -(2^31 - 1) and 2^31 - 1. One <= 0 asks for the shuffle table to be
/// filled anew at the next draw.
struct Stream {
    std::int64_t seed = 0;

    /// The stream of a seed as the user writes it: stored negated. Throws InputError beyond +-(2^31 - 1).
    static Stream from_user_seed(std::int64_t seed);
};

/// The one shuffle table of a process (Park-Miller minimal standard generator with a Bays-Durham shuffle; Press et
/// al., "Numerical Recipes", ran1). Streams share it: one with a positive state goes on with what another left.
class RandomTable {
  public:
    static constexpr std::size_t entries = 32;
    /// The entries, then the output register (0: not filled yet).
    using State = std::array<std::int64_t, entries + 1>;

    RandomTable() = default;
    /// Throws InputError when a number is outside [0, 2^31 - 1].
    explicit RandomTable(const State& state);

    const State& state() const { return state_; }

    /// Next deviate in [0, 1): a float, as every caller's rounding depends on it.
    float uniform(Stream& stream);

  private:
    void fill(Stream& stream);

    State state_{};
};

/// Rotation by a random angle below about `spread` (radians) around a random axis: row-major matrix.
void random_rotation(float spread, Stream& stream, RandomTable& table, double matrix[9]);

/// `count` matrices of mosaic domains, the first of them the identity (its numbers are drawn all the same).
void mosaic_rotations(float spread, std::size_t count, Stream& stream, RandomTable& table, double* matrices);

/// Missetting angles (radians, about x, y, z) of a row-major rotation matrix.
std::array<double, 3> rotation_angles(const double matrix[9]);

/// nanoBragg.c's Poisson and Gaussian deviates, every rounding to float in its place.
class ReferencePoisson {
  public:
    ReferencePoisson(Stream stream, RandomTable& table) : stream_(stream), table_(table) {}

    /// A deviate of `mean`; above 1e6 a Gaussian one, not rounded to a whole number.
    float draw(float mean);

    /// A deviate of mean 0 and rms 1: the one left over from the last pair, whichever stream that was drawn from, or
    /// the first of a new pair from this one's own stream or from `other`.
    float gaussian() { return gaussian(stream_); }
    float gaussian(Stream& other);

    /// A mean of exactly -1 that comes first is not the same as the mean before, which there is none of.
    void forget_first() { mean_ = std::numeric_limits<float>::quiet_NaN(); }

  private:
    float uniform() { return table_.uniform(stream_); }
    float multiply(float mean);
    float reject(float mean);
    float log_factorial(float count);

    Stream stream_;
    RandomTable& table_;
    float spare_ = 0.0F;
    bool spare_ready_ = false;
    // What depends on the mean only, kept while it does not change.
    float mean_ = -1.0F, exponent_ = 0.0F, width_ = 0.0F, log_mean_ = 0.0F;
    std::vector<float> log_factorials_;  // of the numbers that were asked for; NaN: not yet
};

/// Shape of a panel of an image, and its region of interest: inclusive, and clipped to the panel.
struct FramePanel {
    std::size_t slow = 0, fast = 0;
    std::int64_t fast_first = 0, fast_last = -1, slow_first = 0, slow_last = -1;
};

/// A row of an image: its first pixel and their number, and which of them, counted from the first one, are in the
/// region of interest (none where `end` is `begin`).
struct FrameRow {
    std::size_t start, pixels, begin, end;
};

/// An image: panels one after the other, each with its fast axis fastest.
struct Frame {
    std::vector<FramePanel> panels;

    std::size_t pixels() const;
    /// All rows, in reading order.
    std::vector<FrameRow> rows() const;
};

struct NoiseCounts {
    /// Sum of the deviates, the offset not included.
    double photons = 0.0;
    /// Pixels above 65535, or above 2^31 - 1 in an image of 32 bits.
    std::int64_t overloads = 0;
};

/// Poisson noise of `image` (photons per pixel) plus `adc_offset`, by nanoBragg.c's serial generator: the same seed
/// gives the same bytes. `out` has frame.pixels() elements; those outside the frame's region become 0. `Pixel` is
/// std::uint16_t, or std::int32_t for counts up to 2^31 - 1 (and down to -2^31: an offset may be negative). `gain`:
/// what a photon counts as.
template <class Pixel>
NoiseCounts noise_image_exact(const float* image, const Frame& frame, double adc_offset, Stream stream,
                              RandomTable& table, Pixel* out, double gain = 1.0);

/// A noise image by the counter-based generator of philox.hpp, for any number of threads (0: all processors), with the
/// same result for each. `Pixel` may be float, too, for photons that are counted only later; a NaN is 0 then.
template <class Pixel>
NoiseCounts noise_image_fast(const float* image, const Frame& frame, double adc_offset, std::uint64_t seed, int threads,
                             Pixel* out);

}  // namespace nanobragg
