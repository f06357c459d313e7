# cmake -D PROGRAM=<program> -D EXPECTED=<file> -P expect_output.cmake
#
# Runs a program whose output a document shows.
cmake_minimum_required(VERSION 3.22)

file(READ "${EXPECTED}" expected)
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "The document shows\n${expected}\nbut the program prints\n${output}")
endif()
