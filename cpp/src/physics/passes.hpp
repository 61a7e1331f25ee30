// How derivatives go through a formula: each is written once, as edges from what goes in to what comes out, with a
// partial derivative each (specs/derivatives.md). The rules of physics.hpp hold here too.
#pragma once

#include "physics/inlined.hpp"

namespace nanobragg {

// Changes of what goes in become changes of what comes out.
struct Forward {
    template <class In, class Out, class Real>
    NANOBRAGG_FN_MEMBER void operator()(const In& in, Out& out, Real partial) const {
        out += partial * in;
    }
    // Of a sum over orientations that changes by `slope`, times a factor.
    template <class In, class Out, class Real>
    NANOBRAGG_FN_MEMBER void swept(const In& in, Out& out, Real factor, Real slope) const {
        out += factor * slope * in;
    }
    template <class... Steps>
    NANOBRAGG_FN_MEMBER void in_order(const Steps&... steps) const {
        (steps(), ...);
    }
};

// How much a sum depends on what comes out becomes how much it depends on what goes in.
struct Backward {
    template <class In, class Out, class Real>
    NANOBRAGG_FN_MEMBER void operator()(In& in, const Out& out, Real partial) const {
        in += partial * out;
    }
    // The sweep over the orientations has multiplied its slopes by the factor and by what belongs to the sum.
    template <class In, class Out, class Real>
    NANOBRAGG_FN_MEMBER void swept(In& in, const Out&, Real, Real weighted) const {
        in += weighted;
    }
    NANOBRAGG_FN_MEMBER void in_order() const {}
    template <class First, class... Others>
    NANOBRAGG_FN_MEMBER void in_order(const First& first, const Others&... others) const {
        in_order(others...);
        first();
    }
};

// What belongs to each number that a kernel sees: changes (T = double), or sums over a register's pixels.
template <class T>
struct PanelSlopes {                                     // for KernelPanel
    T origin[3], step_fast[3], step_slow[3], normal[3];  // steps: from one pixel to the next
    T fast[3], slow[3];                                  // axes that a curved detector is bent about
    T pixel_area, close_distance;
    T attenuation, sensor_depth;
};

template <class T>
struct SourceSlopes {  // for KernelSource
    T direction[3], inverse_wavelength, weight, electric[3], magnetic[3];
};

template <class T>
struct LayerSlopes {
    T depth, front, back, incidence_depth, thickness;
};

constexpr int kShapeParameters = 6;  // at most

template <class T>
struct CommonSlopes {  // for KernelScene
    T curved_distance, beam[3], kahn_factor, background_sum, background;
    T scale;                    // that of scale/steps
    T unit;                     // what the sums of F^2 F_latt^2 leave out
    T shape[kShapeParameters];  // lattice_slopes.hpp
};

// How many numbers of each there are.
constexpr int kPanelNumbers = sizeof(PanelSlopes<double>) / sizeof(double);
constexpr int kSourceNumbers = sizeof(SourceSlopes<double>) / sizeof(double);
constexpr int kLayerNumbers = sizeof(LayerSlopes<double>) / sizeof(double);

template <class Real>
struct RaySlopes {
    Real direction[3], inverse;
};

// Zeros one by one: structs and arrays of registers that are cleared at once GCC clears by an instruction that takes as
// long as fifty multiplications.
template <int count, class Real>
NANOBRAGG_FN void clear_numbers(Real* numbers) {
    if constexpr (count > 0) {
        clear_numbers<count - 1>(numbers);
        numbers[count - 1] = Real{};
    }
}

}  // namespace nanobragg
