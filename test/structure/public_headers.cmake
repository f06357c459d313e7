# cmake -D ROOT=<project> -D COMPILER=<c++> [-D WITHOUT=<header>,...] -P public_headers.cmake
#
# Compiles every public header by itself, as the strictest user would, and once more as a user of a
# shared qforge who has neither exceptions nor RTTI. What it declares has to be visible outside a
# shared library, too: everything else is compiled with hidden visibility. WITHOUT names the adapters
# whose library is not here.
cmake_minimum_required(VERSION 3.22)

file(GLOB_RECURSE headers RELATIVE "${ROOT}/include" "${ROOT}/include/*.h")
if(NOT headers)
  message(FATAL_ERROR "No public headers under ${ROOT}")
endif()
string(REPLACE "," ";" WITHOUT "${WITHOUT}")
list(REMOVE_ITEM headers ${WITHOUT})
set(qforge/threads/openmp.h_OPTIONS -fopenmp)
set(failures "")
foreach(header IN LISTS headers)
  foreach(options IN ITEMS "" "-DQFORGE_SHARED -fno-exceptions -fno-rtti")
    separate_arguments(arguments UNIX_COMMAND "${options}")
    execute_process(
      COMMAND "${COMPILER}" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only ${arguments}
              ${${header}_OPTIONS} -I "${ROOT}/include" -include "${header}"
              "${CMAKE_CURRENT_LIST_DIR}/instantiate.cc"
      RESULT_VARIABLE result ERROR_VARIABLE errors)
    if(NOT result EQUAL 0)
      string(APPEND failures "${header} ${options}:\n${errors}\n")
    endif()
  endforeach()
  file(STRINGS "${ROOT}/include/${header}" marks
       REGEX "^(namespace qforge {|QFORGE_(BEGIN|END)_EXPORT)$")
  if(marks AND NOT marks STREQUAL "QFORGE_BEGIN_EXPORT;namespace qforge {;QFORGE_END_EXPORT")
    string(APPEND failures
           "${header}: not one 'namespace qforge {' between QFORGE_BEGIN_EXPORT and _END_EXPORT\n")
  endif()
endforeach()
if(failures)
  message(FATAL_ERROR "Public headers that do not compile alone as warning-free C++17:\n${failures}")
endif()
