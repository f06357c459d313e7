# What the library needs. See README.md beside this file.
include("${CMAKE_CURRENT_LIST_DIR}/dependency.cmake")
if(QFORGE_JIT)
  include("${CMAKE_CURRENT_LIST_DIR}/xbyak.cmake")
  include("${CMAKE_CURRENT_LIST_DIR}/asmjit.cmake")
  include("${CMAKE_CURRENT_LIST_DIR}/cpuinfo.cmake")
endif()
include("${CMAKE_CURRENT_LIST_DIR}/pthreadpool.cmake")
find_package(Threads REQUIRED)
