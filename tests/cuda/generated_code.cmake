# What the compiler makes of the kernels of a file, without a device: none spills a register or keeps
# anything in local memory, and if it is WIDE whole groups of four go through 128-bit loads and
# stores.
#   COMPILER SOURCE WIDE INCLUDES OUTPUT ARCHITECTURES [CUOBJDUMP]   (lists separated by commas)
string(REPLACE "," ";" INCLUDES "${INCLUDES}")
string(REPLACE "," ";" ARCHITECTURES "${ARCHITECTURES}")
list(TRANSFORM INCLUDES PREPEND -I)
cmake_path(GET SOURCE STEM name)
foreach(architecture IN LISTS ARCHITECTURES)
  string(REGEX MATCH "^[0-9]+" architecture ${architecture})
  set(keep ${OUTPUT}/${name}/sm_${architecture})
  set(cubin ${keep}.cubin)
  file(MAKE_DIRECTORY ${keep})
  execute_process(
    COMMAND ${COMPILER} -std=c++20 -O3 -arch=sm_${architecture} -cubin -Xptxas -v --keep
            --keep-dir ${keep} ${INCLUDES} "-DDIFFX_EXAMPLES_DIR=\"\"" ${SOURCE} -o ${cubin}
    RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE report)
  string(APPEND report "${out}")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${SOURCE} does not compile for sm_${architecture}:\n${report}")
  endif()

  string(REGEX MATCHALL
         "[0-9]+ bytes stack frame, [0-9]+ bytes spill stores, [0-9]+ bytes spill loads" uses
         "${report}")
  list(LENGTH uses kernels)
  if(kernels EQUAL 0)
    message(FATAL_ERROR "the assembler reported no kernel for sm_${architecture}:\n${report}")
  endif()
  list(FILTER uses EXCLUDE REGEX
       "^0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads$")
  if(uses)
    message(FATAL_ERROR "kernels of ${name} for sm_${architecture} use local memory: ${uses}\n${report}")
  endif()
  string(REGEX MATCHALL "Used [0-9]+ registers" registers "${report}")
  list(TRANSFORM registers REPLACE "[^0-9]" "")
  list(JOIN registers " " registers)

  file(GLOB assembly ${keep}/*.ptx)
  file(STRINGS ${assembly} loads REGEX "ld\\.global\\.v(4\\.(f|b|u)32|2\\.(f|b|u)64)")
  file(STRINGS ${assembly} stores REGEX "st\\.global\\.(wb\\.)?v(4\\.(f|b|u)32|2\\.(f|b|u)64)")
  list(LENGTH loads loads)
  list(LENGTH stores stores)
  set(seen "")
  if(CUOBJDUMP)
    execute_process(COMMAND ${CUOBJDUMP} -sass ${cubin} OUTPUT_VARIABLE sass RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "${CUOBJDUMP} failed on ${cubin}")
    endif()
    string(REGEX MATCHALL "LDG\\.E\\.128" wide_loads "${sass}")
    string(REGEX MATCHALL "STG\\.E\\.128" wide_stores "${sass}")
    list(LENGTH wide_loads loads)
    list(LENGTH wide_stores stores)
    set(seen " machine")
  endif()
  if(WIDE AND (loads EQUAL 0 OR stores EQUAL 0))
    message(FATAL_ERROR "${name}, sm_${architecture}: ${loads} 128-bit loads and ${stores} stores")
  endif()
  message(STATUS "${name}, sm_${architecture}: ${kernels} kernels, registers ${registers}, no local memory, "
                 "${loads} 128-bit${seen} loads and ${stores} stores")
endforeach()
