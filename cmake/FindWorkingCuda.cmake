# find_working_cuda(<found> <reason>): looks for nvcc and compiles a small program with it and the C++ compiler of this
# build. A compiler that is there and does not work (too old for this C++ compiler, say) must not break an AUTO build.
# Sets CMAKE_CUDA_COMPILER and CMAKE_CUDA_HOST_COMPILER for enable_language(CUDA).
macro(find_working_cuda found reason)
  set(${found} OFF)
  find_program(NANOBRAGG_NVCC nvcc
    HINTS "$ENV{CUDACXX}" "$ENV{CUDA_PATH}/bin" "$ENV{CUDA_HOME}/bin"
    PATHS /usr/local/cuda/bin)
  if(NOT NANOBRAGG_NVCC)
    set(${reason} "no nvcc was found")
  else()
    set(_probe "${CMAKE_BINARY_DIR}/cuda_probe")
    file(WRITE "${_probe}.cu" "#include <cmath>\n#include <map>\n__global__ void probe(double* x) { *x = std::exp(*x); }\n")
    execute_process(
      COMMAND "${NANOBRAGG_NVCC}" -std=c++17 -ccbin "${CMAKE_CXX_COMPILER}" -c "${_probe}.cu" -o "${_probe}.o"
      RESULT_VARIABLE _probe_result OUTPUT_VARIABLE _probe_output ERROR_VARIABLE _probe_output)
    if(_probe_result EQUAL 0)
      set(${found} ON)
      set(CMAKE_CUDA_COMPILER "${NANOBRAGG_NVCC}")
      set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
    else()
      string(REGEX REPLACE "[\r\n]+" " " _probe_output "${_probe_output}")
      string(SUBSTRING "${_probe_output}" 0 200 _probe_output)
      set(${reason} "${NANOBRAGG_NVCC} could not compile a small program: ${_probe_output}")
    endif()
  endif()
endmacro()
