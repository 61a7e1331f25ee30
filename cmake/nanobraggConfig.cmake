# find_package(nanobragg) gives the target nanobragg::nanobragg, a static library that runs threads of OpenMP.
include(CMakeFindDependencyMacro)
find_dependency(OpenMP COMPONENTS CXX)
include("${CMAKE_CURRENT_LIST_DIR}/nanobraggTargets.cmake")
