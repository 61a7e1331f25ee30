# The CUDA renderer on an emulated GPU, for tests where there is none (cpp/tests/emulator/emulator.hpp): the PTX that
# nvcc makes of its kernels becomes C++, and the emulator takes the place of CUDA's runtime. Needs the target
# nanobragg_cuda, and goes on in its folder, whose options of source files count here too.
set(_emulator ${CMAKE_CURRENT_SOURCE_DIR}/cpp/tests/emulator)
set(_sources
  cpp/cuda/cuda_device.cu
  cpp/cuda/kernels_double.cu
  cpp/cuda/kernels_mixed.cu
  cpp/cuda/noise.cu
  cpp/cuda/slopes.cu
  cpp/cuda/spread.cu
  cpp/tests/emulator/samples.cu)

add_library(emulated_samples STATIC cpp/tests/emulator/samples.cu)
# Where the renderer is made for nothing else, nvcc keeps the PTX, instead of making it twice.
set(_kept "")
if(NANOBRAGG_CUDA_ARCHITECTURES STREQUAL "90-virtual")
  set(_kept ${CMAKE_CURRENT_BINARY_DIR}/kept_ptx)
  file(MAKE_DIRECTORY ${_kept})
  foreach(_target emulated_samples nanobragg_cuda)
    target_compile_options(${_target} PRIVATE --keep --keep-dir=${_kept})
  endforeach()
endif()
add_library(emulated_ptx OBJECT EXCLUDE_FROM_ALL ${_sources})
foreach(_target emulated_samples emulated_ptx)
  set_target_properties(${_target} PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_ARCHITECTURES 90-virtual)
endforeach()
set_target_properties(emulated_ptx PROPERTIES CUDA_PTX_COMPILATION ON)
foreach(_property INCLUDE_DIRECTORIES COMPILE_DEFINITIONS COMPILE_OPTIONS)
  set_property(TARGET emulated_ptx PROPERTY ${_property} $<TARGET_PROPERTY:nanobragg_cuda,${_property}>)
endforeach()

set(_translated "")
foreach(_source IN LISTS _sources)
  get_filename_component(_stem ${_source} NAME_WE)
  if(_kept)
    set(_ptx ${_kept}/${_stem}.ptx)
    set(_made nanobragg_cuda emulated_samples $<TARGET_OBJECTS:nanobragg_cuda> $<TARGET_OBJECTS:emulated_samples>)
  else()
    set(_ptx "$<FILTER:$<TARGET_OBJECTS:emulated_ptx>,INCLUDE,/${_stem}\\.ptx>")
    set(_made emulated_ptx ${_ptx})
  endif()
  set(_output ${CMAKE_CURRENT_BINARY_DIR}/emulated_${_stem}.cpp)
  add_custom_command(
    OUTPUT ${_output}
    COMMAND ${Python_EXECUTABLE} ${_emulator}/translate_ptx.py ${_ptx} ${_output}
    DEPENDS ${_emulator}/translate_ptx.py ${_made}
    COMMENT "Translating the PTX of ${_stem}.cu"
    VERBATIM)
  list(APPEND _translated ${_output})
endforeach()

add_library(emulated_cuda OBJECT ${_translated} cpp/tests/emulator/emulator.cpp)
target_include_directories(emulated_cuda PRIVATE ${_emulator})
target_include_directories(emulated_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
# (Rounded where PTX rounds. For this processor, which runs it: multiplications and additions in one step would be calls
# of the library elsewhere.)
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-march=native NANOBRAGG_TAKES_MARCH_NATIVE)
target_compile_options(emulated_cuda PRIVATE -O1 -ffp-contract=off $<$<BOOL:${NANOBRAGG_TAKES_MARCH_NATIVE}>:-march=native>)
# (Checked versions of longjmp know one stack only.)
set_source_files_properties(cpp/tests/emulator/emulator.cpp PROPERTIES COMPILE_OPTIONS
  "-U_FORTIFY_SOURCE;-Wall;-Wextra;-Wshadow;$<$<BOOL:${NANOBRAGG_WERROR}>:-Werror>")

pybind11_add_module(_emulated NO_EXTRAS cpp/bindings/cuda_module.cpp)
target_compile_definitions(_emulated PRIVATE NANOBRAGG_CUDA_MODULE=_emulated)
target_compile_options(_emulated PRIVATE ${_brief})
target_link_libraries(_emulated PRIVATE emulated_cuda nanobragg_cuda nanobragg_gpu_module)
set_target_properties(_emulated PROPERTIES CUDA_RUNTIME_LIBRARY None)
install(TARGETS _emulated DESTINATION nanobragg)
