# Asks for C++20 in the CUDA sources of everything that links `target`.
#
# CMake 3.25.1 does not know that nvcc has C++20: the feature is an error and CMAKE_CUDA_STANDARD 20
# is ignored without a word, so the flag is given by hand there. The answer depends on the CMake of
# whoever builds, hence the package config calls this again and nothing of it is exported.
function(diffx_set_cuda_standard target)
  if(cuda_std_20 IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
    target_compile_features(${target} INTERFACE $<BUILD_INTERFACE:cuda_std_20>)
  else()
    target_compile_options(
      ${target} INTERFACE $<BUILD_INTERFACE:$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>>)
  endif()
endfunction()
