# cmake -D SOURCE=... -D INCLUDE=... -D FLAGS=... -P clang_accepts.cmake
find_program(clang NAMES clang++-14 clang++)
if(NOT clang)
  message("SKIPPED: clang++ is not installed")
  return()
endif()
execute_process(
  COMMAND ${clang} -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Werror ${FLAGS}
          -I${INCLUDE} ${SOURCE}
  COMMAND_ERROR_IS_FATAL ANY)
