# cmake -D COMPILER=... -D SOURCE=... -D INCLUDES=... -P expect_compile_error.cmake
#
# SOURCE must compile as it stands, and with -DDIFFX_BAD must fail with a message that matches the
# regular expression on its first line, "// expected-error: <regex>".
file(STRINGS ${SOURCE} first_line LIMIT_COUNT 1)
if(NOT first_line MATCHES "^// expected-error: (.+)$")
  message(FATAL_ERROR "${SOURCE}: the first line must be '// expected-error: <regex>'")
endif()
set(expected "${CMAKE_MATCH_1}")

list(TRANSFORM INCLUDES PREPEND -I)
set(command ${COMPILER} -std=c++20 -fsyntax-only ${INCLUDES} ${SOURCE})

execute_process(COMMAND ${command} RESULT_VARIABLE result ERROR_VARIABLE messages)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} must compile without DIFFX_BAD:\n${messages}")
endif()

execute_process(COMMAND ${command} -DDIFFX_BAD RESULT_VARIABLE result ERROR_VARIABLE messages)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles with DIFFX_BAD, and must not")
endif()
if(NOT messages MATCHES "${expected}")
  message(FATAL_ERROR "${SOURCE} fails with DIFFX_BAD, but no message matches\n  ${expected}\n"
                      "The compiler said:\n${messages}")
endif()
