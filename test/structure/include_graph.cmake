# cmake -D ROOT=<project> -P include_graph.cmake
#
# Fails on an include that the layering does not allow, and names file, line and rule.
cmake_minimum_required(VERSION 3.22)

# What a layer may include besides itself and the public headers: whole layers, or single headers of
# them. A layer that is not listed is an error, so that a new folder under src/ has to find its place
# here. plan/ and pack/ know the contract of a kernel, and nothing of how it is made.
set(base_MAY_INCLUDE)
set(cpu_MAY_INCLUDE base)
set(jit_MAY_INCLUDE base cpu)
set(kernels_MAY_INCLUDE base cpu jit)
set(plan_MAY_INCLUDE base cpu kernels/gemm_kernel.h kernels/sparse_kernel.h)
set(pack_MAY_INCLUDE base cpu kernels/gemm_kernel.h kernels/sparse_kernel.h
                     kernels/float_gemm_kernel.h kernels/array_kernels.h
                     kernels/row_check.h)
set(ref_MAY_INCLUDE base)
set(ops_MAY_INCLUDE base cpu jit kernels plan pack ref)
set(layers base cpu jit kernels plan pack ref ops)

# Third-party headers, and the only files under src/ that may include them. All others are refused
# there altogether: xbyak's namespace has to be renamed, and what the rest does is behind one door.
set(third_party
  "^xbyak/xbyak\\.h$"           "^jit/xbyak\\.h$"
  "^xbyak/xbyak_util\\.h$"      "^cpu/xbyak_cpu\\.h$"
  "^xbyak/"                     "^$"
  "^asmjit/"                    "^jit/code_memory\\.cc$"
  "^cpuinfo\\.h$"               "^cpu/"
  "^pthreadpool\\.h$"           "^ops/[a-z_]*pool\\.cc$"
  "^(gtest|gmock|benchmark|nlohmann|CLI|Zydis|Zycore|oneapi|dnnl|fbgemm|hwy|clog)[./]" "^$")

# Third-party headers that adapters are for: a public header may include them in one place.
set(adapted
  "^<pthreadpool\\.h>$" "qforge/threads/pthreadpool.h"
  "^<omp\\.h>$"         "qforge/threads/openmp.h"
  "^<tbb/[a-z_]+\\.h>$" "qforge/threads/tbb.h")

set(violations "")

macro(violation file line rule)
  string(APPEND violations "${file}: '${line}': ${rule}\n")
endmacro()

# Sets `includes` to the #include lines of `file`, reduced to <name> or "name".
macro(read_includes file)
  file(STRINGS "${file}" includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
  list(TRANSFORM includes REPLACE "^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"]*[>\"]).*$" "\\1")
endmacro()

# Sets `allowed` to whether a public header is where `include` belongs.
function(check_adapted header include allowed)
  set(rules ${adapted})
  set(${allowed} FALSE PARENT_SCOPE)
  while(rules)
    list(POP_FRONT rules include_pattern place)
    if(include MATCHES "${include_pattern}" AND header STREQUAL place)
      set(${allowed} TRUE PARENT_SCOPE)
    endif()
  endwhile()
endfunction()

function(check_public_header header)
  read_includes("${ROOT}/include/${header}")
  foreach(include IN LISTS includes)
    # What includes an adapter would make every user need its library.
    if(include MATCHES "^\"qforge/threads/" AND NOT header MATCHES "^qforge/threads/")
      violation("include/${header}" "${include}" "adapters are included by name alone")
    endif()
    # Headers of the C++ standard library are the ones without a dot or a folder.
    if(include MATCHES "^<[a-z0-9_]+>$" OR include MATCHES "^\"qforge/(threads/)?[a-z0-9_]+\\.h\"$")
      continue()
    endif()
    check_adapted("${header}" "${include}" allowed)
    if(NOT allowed)
      violation("include/${header}" "${include}"
                "a public header includes the standard library and public headers alone")
    endif()
  endforeach()
  set(violations "${violations}" PARENT_SCOPE)
endfunction()

function(check_third_party file include)
  set(rules ${third_party})
  while(rules)
    list(POP_FRONT rules header_pattern file_pattern)
    if(include MATCHES "${header_pattern}")
      if(NOT file MATCHES "${file_pattern}")
        violation("src/${file}" "<${include}>" "not the place for this third-party header")
      endif()
      break()
    endif()
  endwhile()
  set(violations "${violations}" PARENT_SCOPE)
endfunction()

# Sets `emits` to whether a header shows the emitter, which builds without the JIT do not have, to
# those who include it.
function(check_emits header emits)
  set(${emits} FALSE PARENT_SCOPE)
  if(header MATCHES "^jit/(emitter|xbyak)\\.h$")
    set(${emits} TRUE PARENT_SCOPE)
  elseif(EXISTS "${ROOT}/src/${header}")
    read_includes("${ROOT}/src/${header}")
    foreach(include IN LISTS includes)
      if(include MATCHES "^\"((jit|kernels)/.*)\"$")
        check_emits("${CMAKE_MATCH_1}" inner)
        if(inner)
          set(${emits} TRUE PARENT_SCOPE)
          return()
        endif()
      endif()
    endforeach()
  endif()
endfunction()

function(check_source file)
  string(REGEX MATCH "^[^/]+" layer "${file}")
  if(NOT layer IN_LIST layers)
    violation("src/${file}" "${layer}/" "not a known layer")
    set(violations "${violations}" PARENT_SCOPE)
    return()
  endif()
  read_includes("${ROOT}/src/${file}")
  foreach(include IN LISTS includes)
    if(include MATCHES "^<(.*)>$")
      check_third_party("${file}" "${CMAKE_MATCH_1}")
    elseif(include MATCHES "^\"qforge/")
      continue()
    elseif(include MATCHES "^\"(([a-z]+)/[^\"]*)\"$" AND CMAKE_MATCH_2 IN_LIST layers)
      set(header "${CMAKE_MATCH_1}")
      set(other "${CMAKE_MATCH_2}")
      set(allowed ${layer} ${${layer}_MAY_INCLUDE})
      if(NOT other IN_LIST allowed AND NOT header IN_LIST allowed)
        violation("src/${file}" "${include}" "${layer}/ must not know ${header}")
      elseif(NOT layer MATCHES "^(jit|kernels)$")
        check_emits("${header}" emits)
        if(emits)
          violation("src/${file}" "${include}" "${layer}/ must not see the emitter")
        endif()
      endif()
    else()
      violation("src/${file}" "${include}" "is neither \"layer/file.h\" nor \"qforge/file.h\"")
    endif()
  endforeach()
  set(violations "${violations}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE headers RELATIVE "${ROOT}/include" "${ROOT}/include/*")
file(GLOB_RECURSE sources RELATIVE "${ROOT}/src" "${ROOT}/src/*.h" "${ROOT}/src/*.cc")
if(NOT headers OR NOT sources)
  message(FATAL_ERROR "No sources under ${ROOT}")
endif()
foreach(header IN LISTS headers)
  check_public_header("${header}")
endforeach()
foreach(source IN LISTS sources)
  check_source("${source}")
endforeach()

if(violations)
  message(FATAL_ERROR "Includes that the layering does not allow:\n${violations}")
endif()
list(LENGTH headers header_count)
list(LENGTH sources source_count)
message(STATUS "${header_count} public headers and ${source_count} sources include what they may")
