# cmake -D NM=<nm> -D LIBRARY=<file> [-D SHARED=1 | -D EXPORTED=<function>] -P symbols.cmake
#
# What a host program links may hold an xbyak and an asmjit of its own: nothing that the library
# defines may be taken for theirs. Strong symbols are qforge's alone; a shared library exports
# nothing else, not even weakly. EXPORTED: the library is a user's shared one that has linked a
# static qforge, and exports this function, but nothing of qforge's: no template of the standard
# library over a type of qforge's, either.
cmake_minimum_required(VERSION 3.22)

set(options -C --defined-only --extern-only)
if(SHARED OR EXPORTED)
  list(APPEND options --dynamic)
endif()
execute_process(COMMAND "${NM}" ${options} "${LIBRARY}"
                RESULT_VARIABLE result OUTPUT_VARIABLE listing ERROR_VARIABLE errors)
set(known qforge::BestIsa)
if(EXPORTED)
  set(known ${EXPORTED})
endif()
if(NOT result EQUAL 0 OR NOT listing MATCHES " T ${known}")
  message(FATAL_ERROR "No ${known} in the symbols of ${LIBRARY}\n${errors}")
endif()

string(REGEX MATCHALL "(^|\n)[0-9a-f]+ [A-Za-z] [^\n]*" symbols "${listing}")
set(wrong "")
foreach(symbol IN LISTS symbols)
  if(EXPORTED)
    if(symbol MATCHES "qforge")
      string(APPEND wrong "${symbol}")
    endif()
  elseif((symbol MATCHES "^\n?[0-9a-f]+ [TDBRC] " AND NOT symbol MATCHES "qforge(_xbyak)?::")
     OR symbol MATCHES "[^_A-Za-z]Xbyak::"
     OR (SHARED AND NOT symbol MATCHES "^\n?[0-9a-f]+ . ([a-z ]* for )?qforge::"))
    string(APPEND wrong "${symbol}")
  endif()
endforeach()
if(wrong)
  message(FATAL_ERROR "${LIBRARY} defines what it should not:${wrong}")
endif()
