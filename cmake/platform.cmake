# Which systems qforge builds for, and what it may use there.

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR "qforge ${PROJECT_VERSION} builds for Linux, not for ${CMAKE_SYSTEM_NAME}")
endif()
if(QFORGE_JIT AND NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  message(FATAL_ERROR "qforge ${PROJECT_VERSION} emits kernels for x86-64, not for "
                      "${CMAKE_SYSTEM_PROCESSOR}. Its portable path builds with -DQFORGE_JIT=OFF.")
endif()
# Packed rows, files and conversions of bits are laid out and read as this order has them.
if(CMAKE_CXX_BYTE_ORDER STREQUAL "BIG_ENDIAN")
  message(FATAL_ERROR "qforge ${PROJECT_VERSION} builds for little-endian processors, which "
                      "${CMAKE_SYSTEM_PROCESSOR} is not")
endif()
if(NOT QFORGE_JIT AND (QFORGE_BUILD_TESTS OR QFORGE_BUILD_BENCHMARKS OR QFORGE_BUILD_TOOLS))
  message(FATAL_ERROR "Tests, benchmarks and tools need kernels: with -DQFORGE_JIT=OFF configure "
                      "with -DQFORGE_BUILD_TESTS=OFF -DQFORGE_BUILD_BENCHMARKS=OFF "
                      "-DQFORGE_BUILD_TOOLS=OFF")
endif()

string(TOUPPER "${QFORGE_PTHREADPOOL}" pthreadpool_option)
if(NOT pthreadpool_option MATCHES "^(AUTO|ON|OFF|TRUE|FALSE|YES|NO|1|0)$")
  message(FATAL_ERROR "QFORGE_PTHREADPOOL is \"${QFORGE_PTHREADPOOL}\"; known are AUTO, ON and OFF")
endif()

# The names of src/cpu/isa_table.cc.
set(known_isas avx2 avx_vnni avx512_256 avx512 avx512_vnni_256 avx512_vnni avx512_bf16)
set(QFORGE_ENABLED_ISAS ${QFORGE_ISAS})
if(QFORGE_ISAS STREQUAL "all")
  set(QFORGE_ENABLED_ISAS ${known_isas})
endif()
foreach(isa IN LISTS QFORGE_ENABLED_ISAS)
  if(NOT isa IN_LIST known_isas)
    message(FATAL_ERROR "QFORGE_ISAS holds \"${isa}\"; known are all, or a list of ${known_isas}")
  endif()
endforeach()
if(NOT QFORGE_JIT)
  set(QFORGE_ENABLED_ISAS)
endif()
