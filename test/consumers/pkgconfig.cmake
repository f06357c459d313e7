# cmake -D COMPILER=<c++> -D FLAGS=<flags> -D LIBDIR=<installed lib folder> -D BINARY=<folder>
#       -P pkgconfig.cmake
#
# Compiles test/consumers/program with the flags that pkg-config gives, and none of its own that
# would make up for one that is missing, and runs it.
cmake_minimum_required(VERSION 3.22)

find_program(PKG_CONFIG NAMES pkgconf pkg-config REQUIRED)
execute_process(COMMAND "${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${LIBDIR}/pkgconfig"
                        "${PKG_CONFIG}" --cflags --libs "qforge = 0.1.0"
                OUTPUT_VARIABLE package_flags OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(package_flags UNIX_COMMAND "${package_flags}")
separate_arguments(flags UNIX_COMMAND "${FLAGS}")

set(program "${CMAKE_CURRENT_LIST_DIR}/program")
file(MAKE_DIRECTORY "${BINARY}")
execute_process(COMMAND "${COMPILER}" ${flags} -std=c++17 -Wall -Wextra -Wpedantic -Werror
                        "${program}/main.cc" "${program}/operations.cc"
                        "${program}/own_threads.cc" "${program}/own_xbyak.cc"
                        "${program}/plugin.cc" -o "${BINARY}/consumer" ${package_flags}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" -E env "LD_LIBRARY_PATH=${LIBDIR}" "${BINARY}/consumer"
                COMMAND_ERROR_IS_FATAL ANY)
