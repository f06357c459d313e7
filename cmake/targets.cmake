# What the project's targets have in common.

# Compile options of qforge's own objects. Nothing here reaches a user of the library.
add_library(qforge_compile_options INTERFACE)
target_compile_features(qforge_compile_options INTERFACE cxx_std_20)
# A project that embeds qforge may set flags for everything. What it must not set for qforge is set
# back, behind its flags. Float arithmetic means what it says: NaN and infinity are checked for,
# sums keep their order, and a contracted a * b + c would round once instead of twice. By each name,
# because -fno-fast-math leaves alone what was asked for so, and Clang warns of it.
target_compile_options(qforge_compile_options INTERFACE
  -fno-finite-math-only -fno-associative-math -fno-reciprocal-math -fsigned-zeros
  $<IF:$<CXX_COMPILER_ID:Clang>,-fno-approx-func,-fno-unsafe-math-optimizations>
  -ffp-contract=off)
# Failures to allocate arrive as exceptions, which none of qforge's functions lets out.
target_compile_options(qforge_compile_options INTERFACE -fexceptions)
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
# part of somebody's shared library. Files are compiled one by one: several have helpers of the same
# name, and what they include is part of the layering.
function(qforge_set_up target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:qforge_compile_options>)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    UNITY_BUILD OFF)
endfunction()
