# The program of a consumer that takes warnings in qforge's headers for errors.
find_package(asmjit CONFIG REQUIRED)
find_path(XBYAK_INCLUDE_DIR xbyak/xbyak.h REQUIRED)

add_executable(consumer "${CMAKE_CURRENT_LIST_DIR}/main.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/operations.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_threads.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_xbyak.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_asmjit.cc")
set_target_properties(consumer PROPERTIES
  CXX_STANDARD 17
  CXX_STANDARD_REQUIRED ON
  CXX_EXTENSIONS OFF
  UNITY_BUILD OFF
  NO_SYSTEM_FROM_IMPORTED ON)
# qforge/threads/executor.h catches what a host's threads throw.
set_source_files_properties("${CMAKE_CURRENT_LIST_DIR}/own_threads.cc" PROPERTIES
  COMPILE_OPTIONS -fexceptions)
target_compile_options(consumer PRIVATE -Wall -Wextra -Wpedantic -Werror)
target_include_directories(consumer SYSTEM PRIVATE "${XBYAK_INCLUDE_DIR}")
target_link_libraries(consumer PRIVATE qforge::qforge asmjit::asmjit)
