# Headers, library, and what find_package and pkg-config need.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/qforge")

install(TARGETS qforge EXPORT qforgeTargets
        RUNTIME COMPONENT qforge_runtime
        LIBRARY COMPONENT qforge_runtime NAMELINK_COMPONENT qforge_development
        ARCHIVE COMPONENT qforge_development)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/qforge" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT qforge_development FILES_MATCHING PATTERN "*.h")
install(EXPORT qforgeTargets NAMESPACE qforge:: DESTINATION "${package_dir}"
        COMPONENT qforge_development)

# A shared qforge has its dependencies inside or recorded; a static one leaves them to the consumer.
get_target_property(library_type qforge TYPE)
set(QFORGE_IS_STATIC OFF)
set(pkgconfig_dependencies "")
set(pkgconfig_definitions " -DQFORGE_SHARED")
if(library_type STREQUAL "STATIC_LIBRARY")
  set(QFORGE_IS_STATIC ON)
  set(pkgconfig_definitions "")
  if(QFORGE_JIT)
    set(pkgconfig_dependencies "-lasmjit -lcpuinfo")
  endif()
  if(QFORGE_HAVE_PTHREADPOOL)
    string(APPEND pkgconfig_dependencies " -lpthreadpool")
  endif()
  string(APPEND pkgconfig_dependencies " -lpthread -lrt")
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/qforgeConfig.cmake.in" "${PROJECT_BINARY_DIR}/qforgeConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/qforgeConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
set(package_files "${PROJECT_BINARY_DIR}/qforgeConfig.cmake"
                  "${PROJECT_BINARY_DIR}/qforgeConfigVersion.cmake")
if(QFORGE_IS_STATIC)
  list(APPEND package_files "${PROJECT_SOURCE_DIR}/cmake/Findcpuinfo.cmake"
                            "${PROJECT_SOURCE_DIR}/cmake/Findpthreadpool.cmake")
endif()
install(FILES ${package_files} DESTINATION "${package_dir}" COMPONENT qforge_development)

# The installed tree can be moved as a whole.
file(RELATIVE_PATH pkgconfig_to_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
     "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/qforge.pc.in" "${PROJECT_BINARY_DIR}/qforge.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/qforge.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT qforge_development)
