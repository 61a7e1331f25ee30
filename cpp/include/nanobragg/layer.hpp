// A layer of the sensor. Nothing of the C++ standard library is used here: the kernels include it.
#pragma once

namespace nanobragg {

struct Layer {
    double depth = 0;            // of the plane in which the layer's pixels stand, m
    double front = 0, back = 0;  // the slab whose absorption multiplies the layer's terms, m
    double incidence_depth = 0;  // where the angle of incidence is taken under Factor::first, m
    double thickness = 0;        // m; above 0: pixels stand behind `depth`, at the mean depth at which a slab of this
                                 // thickness absorbs their rays
};

}  // namespace nanobragg
