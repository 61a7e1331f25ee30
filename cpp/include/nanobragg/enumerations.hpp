// What a Scene may choose from. The numbers are those of python/nanobragg/records/scene.py (tests/test_enumerations.py
// holds one against the other), and everything else that must know all of them is made from these lists. Nothing of the
// C++ standard library is used here: the kernels include it.
#pragma once

namespace nanobragg {

#define NANOBRAGG_SHAPES(ENTRY) ENTRY(square, 0) ENTRY(round, 1) ENTRY(gauss, 2) ENTRY(tophat, 3) ENTRY(gauss_index, 4)
#define NANOBRAGG_FACTORS(ENTRY) ENTRY(off, 0) ENTRY(first, 1) ENTRY(centre, 2) ENTRY(each, 3)
#define NANOBRAGG_INTERPOLATIONS(ENTRY) ENTRY(nearest, 0) ENTRY(tricubic, 1) ENTRY(tricubic_sticky, 2)

#define NANOBRAGG_ENUMERATOR(name, number) name = (number),
enum class Shape : int { NANOBRAGG_SHAPES(NANOBRAGG_ENUMERATOR) };
enum class Factor : int { NANOBRAGG_FACTORS(NANOBRAGG_ENUMERATOR) };
enum class Interpolation : int { NANOBRAGG_INTERPOLATIONS(NANOBRAGG_ENUMERATOR) };
#undef NANOBRAGG_ENUMERATOR

// The members of an enumeration.
template <class Enum>
struct Member {
    const char* name;
    Enum value;
};

#define NANOBRAGG_SHAPE(name, number) {#name, Shape::name},
#define NANOBRAGG_FACTOR(name, number) {#name, Factor::name},
#define NANOBRAGG_INTERPOLATION(name, number) {#name, Interpolation::name},
constexpr Member<Shape> kShapes[] = {NANOBRAGG_SHAPES(NANOBRAGG_SHAPE)};
constexpr Member<Factor> kFactors[] = {NANOBRAGG_FACTORS(NANOBRAGG_FACTOR)};
constexpr Member<Interpolation> kInterpolations[] = {NANOBRAGG_INTERPOLATIONS(NANOBRAGG_INTERPOLATION)};
#undef NANOBRAGG_SHAPE
#undef NANOBRAGG_FACTOR
#undef NANOBRAGG_INTERPOLATION

}  // namespace nanobragg
