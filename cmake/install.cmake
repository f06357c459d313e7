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
# The export does not name them, as a parent's own targets cannot be exported: the package
# configuration looks for what is installed then.
get_target_property(library_type qforge TYPE)
set(static_dependencies)
set(asmjit_namespace)
set(pkgconfig_definitions " -DQFORGE_SHARED")
if(library_type STREQUAL "STATIC_LIBRARY")
  set(pkgconfig_definitions "")
  if(QFORGE_JIT)
    list(APPEND static_dependencies cpuinfo asmjit)
    include("${PROJECT_SOURCE_DIR}/cmake/asmjit_namespace.cmake")
    qforge_asmjit_namespace(asmjit_namespace)
  endif()
  if(QFORGE_HAVE_PTHREADPOOL)
    list(APPEND static_dependencies pthreadpool)
  endif()
  list(APPEND static_dependencies Threads)
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/qforgeConfig.cmake.in" "${PROJECT_BINARY_DIR}/qforgeConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/qforgeConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
set(package_files "${PROJECT_BINARY_DIR}/qforgeConfig.cmake"
                  "${PROJECT_BINARY_DIR}/qforgeConfigVersion.cmake")
if(static_dependencies)
  list(APPEND package_files "${PROJECT_SOURCE_DIR}/cmake/asmjit_namespace.cmake"
                            "${PROJECT_SOURCE_DIR}/cmake/Findcpuinfo.cmake"
                            "${PROJECT_SOURCE_DIR}/cmake/Findpthreadpool.cmake")
endif()
install(FILES ${package_files} DESTINATION "${package_dir}" COMPONENT qforge_development)

# The installed tree can be moved as a whole, except for folders that were given as absolute paths.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(pkgconfig_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH pkgconfig_prefix "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
       "${CMAKE_INSTALL_PREFIX}")
  string(PREPEND pkgconfig_prefix "\${pcfiledir}/")
endif()
foreach(kind IN ITEMS LIB INCLUDE)
  string(TOLOWER "pkgconfig_${kind}dir" folder)
  set(${folder} "${CMAKE_INSTALL_${kind}DIR}")
  if(NOT IS_ABSOLUTE "${${folder}}")
    string(PREPEND ${folder} "\${prefix}/")
  endif()
endforeach()

# With the folder of what was found outside the linker's own.
set(pkgconfig_dependencies "")
foreach(package IN LISTS static_dependencies)
  if(package STREQUAL "Threads")
    string(APPEND pkgconfig_dependencies " -lpthread -lrt")
    continue()
  endif()
  get_target_property(imported ${package}::${package} IMPORTED)
  get_target_property(type ${package}::${package} TYPE)
  if(imported AND NOT type STREQUAL "INTERFACE_LIBRARY")
    get_target_property(library ${package}::${package} LOCATION)
    get_filename_component(folder "${library}" DIRECTORY)
    if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      string(APPEND pkgconfig_dependencies " -L${folder}")
    endif()
  endif()
  string(APPEND pkgconfig_dependencies " -l${package}")
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/cmake/qforge.pc.in" "${PROJECT_BINARY_DIR}/qforge.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/qforge.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT qforge_development)
