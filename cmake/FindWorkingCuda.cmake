# find_working_cuda(<found> <reason>): looks for nvcc, and builds a small program with it that uses what the renderer
# uses, with the architectures and the host compiler of this build. A compiler that is there and does not work (too old,
# too old for this C++ compiler, without its libraries) must not break an AUTO build. Sets CMAKE_CUDA_COMPILER and
# CMAKE_CUDA_HOST_COMPILER for enable_language(CUDA) where they are not set.
macro(find_working_cuda found reason)
  set(${found} OFF)
  if(CMAKE_CUDA_COMPILER)
    set(NANOBRAGG_NVCC "${CMAKE_CUDA_COMPILER}")
  elseif(NOT "$ENV{CUDACXX}" STREQUAL "")
    set(NANOBRAGG_NVCC "$ENV{CUDACXX}")
  else()
    find_program(NANOBRAGG_NVCC nvcc HINTS "$ENV{CUDA_PATH}/bin" "$ENV{CUDA_HOME}/bin" PATHS /usr/local/cuda/bin)
  endif()
  if(CMAKE_CUDA_HOST_COMPILER)
    set(_host "${CMAKE_CUDA_HOST_COMPILER}")
  elseif(NOT "$ENV{CUDAHOSTCXX}" STREQUAL "")
    set(_host "$ENV{CUDAHOSTCXX}")
  else()
    set(_host "${CMAKE_CXX_COMPILER}")
  endif()
  if(NOT NANOBRAGG_NVCC)
    set(${reason} "no nvcc was found")
  else()
    set(_targets "")
    foreach(_architecture IN LISTS NANOBRAGG_CUDA_ARCHITECTURES)
      string(REGEX MATCH "^[0-9]+" _number "${_architecture}")
      list(APPEND _targets "-gencode=arch=compute_${_number},code=sm_${_number}")
    endforeach()
    set(_probe "${CMAKE_BINARY_DIR}/cuda_probe")
    file(WRITE "${_probe}.cu" "
#include <functional>
#include <map>
#include <memory>
struct Parameter { double x; };
__global__ void probe(const __grid_constant__ Parameter p, double* x) { *x = exp(p.x); }
int main() { probe<<<1, 1>>>(Parameter{}, nullptr); }
")
    execute_process(
      COMMAND "${NANOBRAGG_NVCC}" -std=c++17 --extended-lambda -cudart static -ccbin "${_host}" ${_targets}
              "${_probe}.cu" -o "${_probe}"
      RESULT_VARIABLE _probe_result OUTPUT_VARIABLE _probe_output ERROR_VARIABLE _probe_output)
    if(_probe_result EQUAL 0)
      set(${found} ON)
      set(CMAKE_CUDA_COMPILER "${NANOBRAGG_NVCC}")
      set(CMAKE_CUDA_HOST_COMPILER "${_host}")
    else()
      string(REGEX REPLACE "[\r\n]+" " " _probe_output "${_probe_output}")
      string(SUBSTRING "${_probe_output}" 0 200 _probe_output)
      set(${reason} "${NANOBRAGG_NVCC} could not build a small program: ${_probe_output}")
    endif()
  endif()
endmacro()

# find_cuda_device(<found>): whether the driver of this machine knows of a device.
function(find_cuda_device found)
  set(${found} OFF PARENT_SCOPE)
  find_program(NANOBRAGG_NVIDIA_SMI nvidia-smi)
  if(NANOBRAGG_NVIDIA_SMI)
    execute_process(COMMAND "${NANOBRAGG_NVIDIA_SMI}" -L RESULT_VARIABLE _result OUTPUT_VARIABLE _output ERROR_QUIET)
    if(_result EQUAL 0 AND _output MATCHES "GPU [0-9]+:")
      set(${found} ON PARENT_SCOPE)
      return()
    endif()
  endif()
  file(GLOB _gpus /proc/driver/nvidia/gpus/*)
  if(_gpus)
    set(${found} ON PARENT_SCOPE)
  endif()
endfunction()
