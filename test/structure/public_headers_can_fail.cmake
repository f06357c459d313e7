# cmake -D SCRIPT=<public_headers.cmake> -D COMPILER=<c++> -D WORK_DIR=<folder>
#       -P public_headers_can_fail.cmake
cmake_minimum_required(VERSION 3.22)

function(expect text outcome)
  file(REMOVE_RECURSE "${WORK_DIR}")
  file(WRITE "${WORK_DIR}/include/qforge/a.h" "${text}\n")
  execute_process(COMMAND "${CMAKE_COMMAND}" -D "ROOT=${WORK_DIR}" -D "COMPILER=${COMPILER}"
                          -P "${SCRIPT}"
                  RESULT_VARIABLE result ERROR_VARIABLE errors)
  if(outcome STREQUAL "accepted" AND NOT result EQUAL 0)
    message(SEND_ERROR "'${text}' was refused:\n${errors}")
  elseif(outcome STREQUAL "refused" AND result EQUAL 0)
    message(SEND_ERROR "'${text}' was accepted")
  endif()
endfunction()

set(push "#define QFORGE_BEGIN_EXPORT\n#define QFORGE_END_EXPORT\n\
QFORGE_BEGIN_EXPORT\nnamespace qforge {\n")
set(pop "\n}\nQFORGE_END_EXPORT")
expect("${push}int F();${pop}" accepted)
expect("${push}std::size_t F();${pop}" refused)                      # a missing include
expect("${push}inline int F(int unused) { return 1; }${pop}" refused)  # a warning
expect("${push}constinit int x = 1;${pop}" refused)                  # C++20
expect("${push}inline void F() { throw 1; }${pop}" refused)            # exceptions
expect("namespace qforge {\nint F();\n}" refused)                     # hidden
