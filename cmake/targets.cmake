# What the project's targets have in common.

# Compile options of qforge's own objects. Nothing here reaches a user of the library.
add_library(qforge_compile_options INTERFACE)
target_compile_features(qforge_compile_options INTERFACE cxx_std_20)
# The reference means what it says: a contracted a * b + c would round once instead of twice.
target_compile_options(qforge_compile_options INTERFACE -ffp-contract=off)
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(qforge_compile_options INTERFACE -Wall -Wextra)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105651: a false alarm on "literal" + std::string.
    target_compile_options(qforge_compile_options INTERFACE -Wno-restrict)
  endif()
endif()
if(QFORGE_WERROR)
  target_compile_options(qforge_compile_options INTERFACE -Werror)
endif()

# Applies them to `target`. Everything is position-independent, so that a static qforge can become
# part of somebody's shared library.
function(qforge_set_up target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:qforge_compile_options>)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
endfunction()
