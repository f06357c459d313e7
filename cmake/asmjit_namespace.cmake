# asmjit changes its interface within major version 1, and puts all of it into an inline namespace
# that changes with it. So whoever links a static qforge with another asmjit than it was built with
# is told by the linker; or before, by this file, which is installed, where the headers are found.

# Sets `result` to the name of that namespace, such as _abi_1_9, in the headers of the target
# asmjit::asmjit, or to nothing.
function(qforge_asmjit_namespace result)
  set(${result} "" PARENT_SCOPE)
  # asmjit::asmjit may stand for a target of the parent's, see third_party/dependency.cmake.
  foreach(target IN ITEMS asmjit::asmjit asmjit)
    if(NOT TARGET ${target})
      continue()
    endif()
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    list(TRANSFORM folders REPLACE "^\\$<BUILD_INTERFACE:(.*)>$" "\\1")
    foreach(folder IN LISTS folders)
      if(EXISTS "${folder}/asmjit/core/api-config.h")
        file(STRINGS "${folder}/asmjit/core/api-config.h" line
             REGEX "# *define +ASMJIT_ABI_NAMESPACE +[A-Za-z_]" LIMIT_COUNT 1)
        string(REGEX REPLACE "^.*ASMJIT_ABI_NAMESPACE +" "" line "${line}")
        set(${result} "${line}" PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
endfunction()
