# cmake -D OBJDUMP=<objdump> -D LIBRARY=<libqforge.a> -P baseline_instructions.cmake
#
# Wide instructions belong into emitted kernels. In a compiled object they would end a program on a
# CPU without them, and an inline function that has them can replace the host program's own.
cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND "${OBJDUMP}" -d --no-show-raw-insn "${LIBRARY}"
                RESULT_VARIABLE result OUTPUT_VARIABLE listing ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${OBJDUMP} failed on ${LIBRARY}:\n${errors}")
endif()
if(NOT listing MATCHES "\t(mov|ret)")
  message(FATAL_ERROR "No instructions in the listing of ${LIBRARY}")
endif()
# Every VEX and EVEX mnemonic starts with a v.
string(REGEX MATCHALL "\tv[a-z][^\n]*" wide "${listing}")
if(wide)
  list(JOIN wide "\n" wide)
  message(FATAL_ERROR "AVX instructions in ${LIBRARY}:\n${wide}")
endif()
