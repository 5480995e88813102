find_program(SANDBOXKIT_CCACHE ccache)
if(SANDBOXKIT_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SANDBOXKIT_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SANDBOXKIT_CCACHE})
endif()

# Warnings, and sanitizers where they are asked for: for everything that is compiled here, examples included. The guest's
# release form takes the warnings alone.
add_library(sandboxkit_warnings INTERFACE)
target_compile_options(sandboxkit_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<BOOL:${SANDBOXKIT_WARNINGS_AS_ERRORS}>:-Werror>
  # g++ 12 and 13 report these in Boost and in coroutine frames, where they are not true.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-mismatched-new-delete -Wno-dangling-pointer -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict -Wno-free-nonheap-object>)
add_library(sandboxkit_sanitizers INTERFACE)
if(SANDBOXKIT_SANITIZE)
  target_compile_options(sandboxkit_sanitizers INTERFACE -fsanitize=${SANDBOXKIT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sandboxkit_sanitizers INTERFACE -fsanitize=${SANDBOXKIT_SANITIZE})
  if(SANDBOXKIT_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # clang 14 to 16 cannot put this check's prologue before the parts of a split coroutine (LLVM issue 49689).
    target_compile_options(sandboxkit_sanitizers INTERFACE -fno-sanitize=function)
  endif()
  if(SANDBOXKIT_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(sandboxkit_sanitizers INTERFACE -Wno-tsan) # g++ warns of the fences in Asio, which are Boost's
  endif()
endif()

# What every unit of the library and its tests agrees on, and nothing an installed consumer sees.
add_library(sandboxkit_flags INTERFACE)
target_compile_features(sandboxkit_flags INTERFACE cxx_std_20)
target_include_directories(sandboxkit_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(sandboxkit_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(sandboxkit_flags INTERFACE sandboxkit_warnings sandboxkit_sanitizers Boost::headers Threads::Threads)

# sandboxkit_module(<name> SOURCES ... [LINK ...])
# One folder of src/ as an object library sandboxkit_<name>; its objects are part of the library.
function(sandboxkit_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(sandboxkit_${name} OBJECT ${arg_SOURCES})
  set_target_properties(sandboxkit_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(sandboxkit_${name} PUBLIC sandboxkit_flags ${arg_LINK})
  set_property(GLOBAL APPEND PROPERTY SANDBOXKIT_MODULES sandboxkit_${name})
endfunction()

# sandboxkit_test(<name> SOURCES ... [LINK module ...] [LABELS ...] [TIMEOUT seconds])
# One doctest program, run as one ctest. A module in LINK is named without its prefix; other targets as they are.
# A test that lacks what it needs prints "SKIPPED: <reason>" and exits 77.
# Labels that mean something: `real` tests make sandboxes and look for what is left of them, so they never run at the
# same time; `threads` tests are worth running under ThreadSanitizer (target threaded_tests builds them all).
add_custom_target(threaded_tests)
function(sandboxkit_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE sandboxkit_flags doctest::doctest)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  foreach(item IN LISTS arg_LINK)
    if(TARGET sandboxkit_${item})
      target_link_libraries(test_${name} PRIVATE sandboxkit_${item})
    else()
      target_link_libraries(test_${name} PRIVATE ${item})
    endif()
  endforeach()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 LABELS "${arg_LABELS}")
  if("real" IN_LIST arg_LABELS)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK sandbox)
  endif()
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(threaded_tests test_${name})
  endif()
  if(SANDBOXKIT_SANITIZE MATCHES "thread")
    set_tests_properties(${name} PROPERTIES
      ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan-suppressions.txt")
  endif()
endfunction()
