include_guard(GLOBAL)

# qforge_dependency(<package> TARGET <target> DEBIAN <package>
#                   [VERSION <minimum>] [MODULE] [OPTIONAL]
#                   [URL <url> SHA256 <hash> [INCLUDE_DIR <folder>] [OPTIONS <variable>=<value> ...]])
#
# Makes sure that <target> exists: takes the one that a parent project made, under this name or under
# <package> alone, as the projects themselves name theirs; else the installed package, else, if
# QFORGE_FETCH_DEPENDENCIES is on and a URL is given, the pinned release. What is not fetched is
# visible in qforge's folders alone: a parent may make targets of these names afterwards. MODULE
# looks with cmake/Find<package>.cmake instead of the package's own CMake files. A fetched release
# is built by its own CMake project with the cache variables in OPTIONS, or, where INCLUDE_DIR is
# given, becomes a header-only target. Without OPTIONAL a missing dependency ends the configuration.
function(qforge_dependency package)
  cmake_parse_arguments(ARG "MODULE;OPTIONAL" "TARGET;DEBIAN;VERSION;URL;SHA256;INCLUDE_DIR" "OPTIONS"
                        ${ARGN})
  if(TARGET ${ARG_TARGET})
    return()
  endif()
  if(TARGET ${package})
    # Not an alias: that would be visible everywhere, and <package> may be one, which has none.
    add_library(${ARG_TARGET} INTERFACE IMPORTED)
    target_link_libraries(${ARG_TARGET} INTERFACE ${package})
    return()
  endif()

  set(mode CONFIG)
  if(ARG_MODULE)
    set(mode MODULE)
    list(PREPEND CMAKE_MODULE_PATH "${PROJECT_SOURCE_DIR}/cmake")
  endif()
  find_package(${package} ${ARG_VERSION} ${mode} QUIET)
  if(TARGET ${ARG_TARGET})
    return()
  endif()

  if(ARG_URL AND QFORGE_FETCH_DEPENDENCIES)
    _qforge_fetch(${package} ${ARG_TARGET} "${ARG_URL}" "${ARG_SHA256}" "${ARG_INCLUDE_DIR}"
                  "${ARG_OPTIONS}")
    return()
  endif()

  if(NOT ARG_OPTIONAL)
    set(advice "Install it (Debian: ${ARG_DEBIAN})")
    if(ARG_URL)
      string(APPEND advice ", or configure with -DQFORGE_FETCH_DEPENDENCIES=ON")
    endif()
    message(FATAL_ERROR "qforge needs ${package} ${ARG_VERSION}, which was not found. ${advice}.")
  endif()
endfunction()

function(_qforge_fetch package target url sha256 include_dir options)
  include(FetchContent)
  message(STATUS "Fetching ${package} from ${url}")
  set(declaration URL "${url}" URL_HASH SHA256=${sha256})
  if(include_dir)
    # No such folder: the release is unpacked and its CMake project left alone.
    list(APPEND declaration SOURCE_SUBDIR unused)
  endif()
  if(POLICY CMP0135)
    cmake_policy(SET CMP0135 NEW)
  endif()
  foreach(option IN LISTS options)
    string(REGEX MATCH "^([^=]+)=(.*)$" option "${option}")
    set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}" CACHE INTERNAL "")
  endforeach()
  FetchContent_Declare(${package} ${declaration})
  FetchContent_MakeAvailable(${package})
  if(include_dir)
    string(TOLOWER "${package}" lower_package)
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} INTERFACE "${${lower_package}_SOURCE_DIR}/${include_dir}")
  endif()
endfunction()
