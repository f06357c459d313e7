# cmake -D ROOT=<project> -P options.cmake
#
# Options that mean nothing, and processors that qforge is not for, are refused with the reason.
cmake_minimum_required(VERSION 3.22)

if(NESTED)
  include("${ROOT}/cmake/platform.cmake")
  return()
endif()

# Runs cmake/platform.cmake with variables on top of those of a build that is right.
function(expect outcome)
  set(variables "-DROOT=${ROOT}" -DNESTED=ON -DCMAKE_SYSTEM_NAME=Linux
                -DCMAKE_SYSTEM_PROCESSOR=x86_64 -DCMAKE_CXX_BYTE_ORDER=LITTLE_ENDIAN
                -DQFORGE_JIT=ON -DQFORGE_ISAS=all -DQFORGE_PTHREADPOOL=AUTO)
  execute_process(COMMAND "${CMAKE_COMMAND}" ${variables} ${ARGN}
                          -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  # CMake breaks the lines of a message.
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(outcome STREQUAL "accepted")
    if(NOT result EQUAL 0)
      message(SEND_ERROR "${ARGN} was refused:\n${output}")
    endif()
  elseif(result EQUAL 0 OR NOT output MATCHES "${outcome}")
    message(SEND_ERROR "${ARGN} was not refused with '${outcome}':\n${output}")
  endif()
endfunction()

expect(accepted)
expect(accepted "-DQFORGE_ISAS=avx2\\;avx512_vnni")
expect(accepted -DQFORGE_PTHREADPOOL=OFF)
expect(accepted -DQFORGE_PTHREADPOOL=on)
expect(accepted -DQFORGE_JIT=OFF -DCMAKE_SYSTEM_PROCESSOR=aarch64)

expect("for Linux, not for Darwin" -DCMAKE_SYSTEM_NAME=Darwin)
expect("for x86-64, not for aarch64" -DCMAKE_SYSTEM_PROCESSOR=aarch64)
expect("little-endian processors, which s390x is not" -DQFORGE_JIT=OFF
       -DCMAKE_SYSTEM_PROCESSOR=s390x -DCMAKE_CXX_BYTE_ORDER=BIG_ENDIAN)
expect("Tests, benchmarks and tools need kernels" -DQFORGE_JIT=OFF -DQFORGE_BUILD_TESTS=ON)
expect("QFORGE_PTHREADPOOL is \"FOO\"" -DQFORGE_PTHREADPOOL=FOO)
expect("QFORGE_ISAS holds \"foo\"" "-DQFORGE_ISAS=avx2\\;foo")
expect("QFORGE_ISAS holds \"foo\"" -DQFORGE_JIT=OFF -DQFORGE_ISAS=foo)
