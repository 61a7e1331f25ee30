// A nanobragg.Scene as the C++ Scene, converted once (nanobragg/rendering/binding.py keeps it).
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "nanobragg/render.hpp"
#include "nanobragg/scene.hpp"

// Made when it is first asked for, by one of the threads that ask.
template <class T>
class Lazy {
  public:
    template <class Maker>
    const T& get(Maker make) {
        std::call_once(once_, [&] { value_ = make(); });
        return value_;
    }

  private:
    std::once_flag once_;
    T value_{};
};

// Pixel of the first evaluation, and of the first one out of range; -1: none.
struct Located {
    std::int64_t first_evaluation = -1, out_of_range = -1;
};

// The Scene's arrays must not change: small ones are copied, the largest two are pointed to, and what is derived is
// kept.
class BoundScene {
  public:
    // From a nanobragg.Scene, or anything with its attributes. InputError names what cannot be rendered.
    explicit BoundScene(const pybind11::object& python);

    const nanobragg::Scene& scene() const { return scene_; }

    // The scene in other orientations, and with their number as the divisor's.
    std::shared_ptr<BoundScene> turned(std::vector<nanobragg::Orientation> orientations,
                                       std::vector<nanobragg::Orientation> first) const;

    // Uses what the other one knows of the same structure factors.
    void share_factors(const BoundScene& other);

    // Both may wait for another thread: not with the GIL.
    const nanobragg::SquaredFactors& factors() const;
    Located located(int threads) const;

  private:
    BoundScene(const BoundScene&) = default;
    bool has_factors_of(const BoundScene& other) const;

    nanobragg::Scene scene_;
    std::vector<pybind11::object> owners_;  // owners of the arrays that the scene only points to
    std::shared_ptr<Lazy<nanobragg::SquaredFactors>> factors_ = std::make_shared<Lazy<nanobragg::SquaredFactors>>();
    std::shared_ptr<Lazy<Located>> located_ = std::make_shared<Lazy<Located>>();
};
