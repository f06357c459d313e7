# A peer that gemm_bench measures in the same run, where it is installed. Its package configuration
# file is named after the library, its folder after the project: both names are needed to find it. It
# links OpenMP without looking for it, and does not say where its headers are.
if(NOT TARGET fbgemm)
  find_package(OpenMP QUIET COMPONENTS CXX)
  if(TARGET OpenMP::OpenMP_CXX)
    find_package(fbgemm QUIET CONFIG NAMES fbgemm fbgemmLibrary)
  endif()
  if(TARGET fbgemm)
    find_path(QFORGE_FBGEMM_INCLUDE_DIR fbgemm/Fbgemm.h)
    mark_as_advanced(QFORGE_FBGEMM_INCLUDE_DIR)
    target_include_directories(fbgemm INTERFACE "${QFORGE_FBGEMM_INCLUDE_DIR}")
  endif()
endif()

# Its header of fp16 products includes those of asmjit, of the version that it was built with, which
# it does not install: where they are is looked for beside its own, or has to be said.
if(TARGET fbgemm AND NOT TARGET qforge_fbgemm_fp16)
  find_path(QFORGE_FBGEMM_ASMJIT_INCLUDE_DIR asmjit/core.h
            HINTS "${QFORGE_FBGEMM_INCLUDE_DIR}/../include-asmjit" NO_DEFAULT_PATH)
  mark_as_advanced(QFORGE_FBGEMM_ASMJIT_INCLUDE_DIR)
  if(QFORGE_FBGEMM_ASMJIT_INCLUDE_DIR)
    add_library(qforge_fbgemm_fp16 INTERFACE)
    target_link_libraries(qforge_fbgemm_fp16 INTERFACE fbgemm)
    target_include_directories(qforge_fbgemm_fp16 SYSTEM INTERFACE
      "${QFORGE_FBGEMM_ASMJIT_INCLUDE_DIR}")
  endif()
endif()
