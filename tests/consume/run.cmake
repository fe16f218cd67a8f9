# cmake -D WAY=... -D SOURCE_DIR=... -D BUILD_DIR=... -D WORK_DIR=... -D COMPILER=... -D VERSION=...
#       -D CUDA=... -D CUDA_ARCHITECTURE=... -P run.cmake
file(REMOVE_RECURSE ${WORK_DIR})
set(arguments -D WAY=${WAY}
              -D CMAKE_CXX_COMPILER=${COMPILER})
if(CUDA)
  list(APPEND arguments -D CUDA=ON -D CMAKE_CUDA_ARCHITECTURES=${CUDA_ARCHITECTURE})
endif()
if(WAY STREQUAL "install")
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/installed
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  # A package can be moved after it was installed.
  file(RENAME ${WORK_DIR}/installed ${WORK_DIR}/moved)
  list(APPEND arguments -D CMAKE_PREFIX_PATH=${WORK_DIR}/moved -D DIFFX_VERSION=${VERSION})
else()
  list(APPEND arguments -D DIFFX_SOURCE_DIR=${SOURCE_DIR})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK_DIR}/build
                        ${arguments} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK_DIR}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${WORK_DIR}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
