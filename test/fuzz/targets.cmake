# Every .cc beside this file is a fuzz target. QFORGE_SOURCE_DIR: the folder of qforge.

set(QFORGE_FUZZ_DIR "${CMAKE_CURRENT_LIST_DIR}")
file(GLOB sources RELATIVE "${QFORGE_FUZZ_DIR}" CONFIGURE_DEPENDS "${QFORGE_FUZZ_DIR}/*.cc")
list(TRANSFORM sources REPLACE "\\.cc$" "" OUTPUT_VARIABLE QFORGE_FUZZ_TARGETS)

# qforge_add_fuzz_targets(<suffix> <what main() is linked from>): programs fuzz_<target><suffix>
# (that see src/ as well, for checksums of files).
function(qforge_add_fuzz_targets suffix main)
  add_library(qforge_fuzz_support STATIC EXCLUDE_FROM_ALL
    "${QFORGE_SOURCE_DIR}/test/support/guarded_buffer.cc"
    "${QFORGE_SOURCE_DIR}/bench/common/safetensors.cc")
  target_compile_features(qforge_fuzz_support PUBLIC cxx_std_20)
  target_include_directories(qforge_fuzz_support PUBLIC
    "${QFORGE_SOURCE_DIR}/test" "${QFORGE_SOURCE_DIR}/bench")
  target_link_libraries(qforge_fuzz_support PUBLIC qforge_internal nlohmann_json::nlohmann_json)
  foreach(target IN LISTS QFORGE_FUZZ_TARGETS)
    add_executable(fuzz_${target}${suffix} "${QFORGE_FUZZ_DIR}/${target}.cc")
    target_link_libraries(fuzz_${target}${suffix} PRIVATE qforge_fuzz_support ${main})
  endforeach()
endfunction()
