# cmake -D NM=<nm> -D LIBRARY=<file> [-D SHARED=1] -P symbols.cmake
#
# What a host program links may hold an xbyak and an asmjit of its own: nothing that the library
# defines may be taken for theirs. Strong symbols are qforge's alone; a shared library exports
# nothing else, not even weakly.
cmake_minimum_required(VERSION 3.22)

set(options -C --defined-only --extern-only)
if(SHARED)
  list(APPEND options --dynamic)
endif()
execute_process(COMMAND "${NM}" ${options} "${LIBRARY}"
                RESULT_VARIABLE result OUTPUT_VARIABLE listing ERROR_VARIABLE errors)
if(NOT result EQUAL 0 OR NOT listing MATCHES " T qforge::BestIsa")
  message(FATAL_ERROR "No public functions in the symbols of ${LIBRARY}\n${errors}")
endif()

string(REGEX MATCHALL "(^|\n)[0-9a-f]+ [A-Za-z] [^\n]*" symbols "${listing}")
set(wrong "")
foreach(symbol IN LISTS symbols)
  if((symbol MATCHES "^\n?[0-9a-f]+ [TDBRC] " AND NOT symbol MATCHES "qforge(_xbyak)?::")
     OR symbol MATCHES "[^_A-Za-z]Xbyak::"
     OR (SHARED AND NOT symbol MATCHES "^\n?[0-9a-f]+ . ([a-z ]* for )?qforge::"))
    string(APPEND wrong "${symbol}")
  endif()
endforeach()
if(wrong)
  message(FATAL_ERROR "${LIBRARY} defines what is not its own:${wrong}")
endif()
