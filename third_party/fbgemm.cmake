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
