# What the programs of this repository are built with, and no user of the library is.
set(diffx_packages_hint "On Debian, scripts/install_dependencies.sh installs it.")

function(diffx_require_package name)
  find_package(${name} QUIET ${ARGN})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} was not found; the tests, examples and benchmarks need it. "
                        "${diffx_packages_hint}")
  endif()
endfunction()

find_package(Threads REQUIRED)
diffx_require_package(Eigen3 GLOBAL)
diffx_require_package(nlohmann_json GLOBAL)
find_path(DIFFX_STB_INCLUDE_DIR stb_image_write.h PATH_SUFFIXES stb)
mark_as_advanced(DIFFX_STB_INCLUDE_DIR)

set(diffx_warnings -Wall -Wextra -Wconversion)

add_library(diffx_development INTERFACE)
target_link_libraries(diffx_development INTERFACE
  diffx::diffx Threads::Threads Eigen3::Eigen nlohmann_json::nlohmann_json)
target_compile_definitions(diffx_development INTERFACE
  DIFFX_TESTS_DIR="${PROJECT_SOURCE_DIR}/tests"
  DIFFX_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
  DIFFX_EXAMPLES_DIR="${PROJECT_SOURCE_DIR}/examples")
target_compile_options(diffx_development INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${diffx_warnings}>"
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${DIFFX_WERROR}>>:-Werror>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${DIFFX_NATIVE}>>:-march=native>)

# g++ 12 warns about its own AVX-512 intrinsics, which Eigen uses: a false alarm (GCC bug 105593).
target_compile_options(diffx_development INTERFACE
  "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized;-Wno-uninitialized>")

if(DIFFX_SANITIZE)
  target_compile_definitions(diffx_development INTERFACE _GLIBCXX_ASSERTIONS)
  target_compile_options(diffx_development INTERFACE
    -fsanitize=${DIFFX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(diffx_development INTERFACE -fsanitize=${DIFFX_SANITIZE})
endif()
