# The program of a consumer that takes warnings in qforge's headers for errors.
find_package(asmjit CONFIG REQUIRED)
find_path(XBYAK_INCLUDE_DIR xbyak/xbyak.h REQUIRED)

add_executable(consumer "${CMAKE_CURRENT_LIST_DIR}/main.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/operations.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_threads.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_xbyak.cc"
                        "${CMAKE_CURRENT_LIST_DIR}/own_asmjit.cc")
add_library(plugin SHARED "${CMAKE_CURRENT_LIST_DIR}/plugin.cc"
                          "${CMAKE_CURRENT_LIST_DIR}/operations.cc"
                          "${CMAKE_CURRENT_LIST_DIR}/own_threads.cc")
set_target_properties(plugin PROPERTIES
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
foreach(target IN ITEMS consumer plugin)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 17
    CXX_STANDARD_REQUIRED ON
    CXX_EXTENSIONS OFF
    UNITY_BUILD OFF
    NO_SYSTEM_FROM_IMPORTED ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Werror)
endforeach()
# As a host that has neither exceptions nor RTTI.
target_compile_options(plugin PRIVATE -fno-exceptions -fno-rtti)
target_include_directories(consumer SYSTEM PRIVATE "${XBYAK_INCLUDE_DIR}")
target_link_libraries(plugin PRIVATE qforge::qforge)
target_link_libraries(consumer PRIVATE qforge::qforge plugin asmjit::asmjit)

# Program and plugin hold a static qforge each, which must not become one.
get_target_property(library_type qforge::qforge TYPE)
if(library_type STREQUAL "STATIC_LIBRARY")
  add_custom_command(TARGET plugin POST_BUILD
    COMMAND "${CMAKE_COMMAND}" -D "NM=${CMAKE_NM}" -D "LIBRARY=$<TARGET_FILE:plugin>"
            -D EXPORTED=PluginWorks -P "${CMAKE_CURRENT_LIST_DIR}/../symbols.cmake" VERBATIM)
endif()
