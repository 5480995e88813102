# What an installation consists of: headers, libraries, guest program, command line, CMake package, pkg-config files.
include(CMakePackageConfigHelpers)

install(TARGETS sandboxkit sandboxkit_core EXPORT sandboxkit-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sandboxkit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
# Apart from the rest, so that a C program needs none of the packages that the C++ headers need.
install(TARGETS sandboxkit_c EXPORT sandboxkit-c-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/capi/include/sandboxkit.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS sandboxkit_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS $<TARGET_FILE:sandboxkit-guest> DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/sandboxkit)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# find_package(sandboxkit)
set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/sandboxkit)
get_target_property(sandboxkit_library_type sandboxkit TYPE)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sandboxkitConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/sandboxkitConfig.cmake INSTALL_DESTINATION ${package_directory})
# Before 1.0 a minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/sandboxkitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/sandboxkitConfig.cmake ${PROJECT_BINARY_DIR}/package/sandboxkitConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindSOCI.cmake DESTINATION ${package_directory})
install(EXPORT sandboxkit-targets NAMESPACE sandboxkit:: DESTINATION ${package_directory})
install(EXPORT sandboxkit-c-targets NAMESPACE sandboxkit:: DESTINATION ${package_directory})

# pkg-config: sandboxkit for C++, sandboxkit-c for C. The flags are named one by one, because `pkg-config --static` would ask
# Debian's own files for theirs, and those name libraries (acl, lz4, ...) whose development packages nothing pulls in.
set(dependencies ${SOCI_SQLITE3_LIBRARY} ${SOCI_CORE_LIBRARY} ${LIBGIT2_LDFLAGS} ${LIBARCHIVE_LDFLAGS} ${LIBSECCOMP_LDFLAGS} ${RE2_LDFLAGS}
  ${SQLITE3_LDFLAGS} -lboost_json -lssl -lcrypto -pthread)
list(TRANSFORM dependencies REPLACE "^.*/lib(soci_[a-z0-9]+)\\.(so|a)$" "-l\\1")
list(REMOVE_DUPLICATES dependencies)
list(JOIN dependencies " " dependencies)
if(sandboxkit_library_type STREQUAL "STATIC_LIBRARY")
  # Nothing links with the archive alone, so that plain `pkg-config --libs` names them too.
  set(sandboxkit_pc_libs " ${dependencies}")
  set(sandboxkit_pc_libs_private "")
else()
  set(sandboxkit_pc_libs " -lboost_json -lcrypto")
  set(sandboxkit_pc_libs_private "${dependencies}")
endif()
# Relative to the file itself: an installation may be moved.
file(RELATIVE_PATH SANDBOXKIT_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/sandboxkit.pc.in ${PROJECT_BINARY_DIR}/package/sandboxkit.pc @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/cmake/sandboxkit-c.pc.in ${PROJECT_BINARY_DIR}/package/sandboxkit-c.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/sandboxkit.pc ${PROJECT_BINARY_DIR}/package/sandboxkit-c.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
