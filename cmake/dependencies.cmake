# What comes from the distribution. Imported targets are SYSTEM, so that their headers raise no warnings here.
#
# Where the distribution has archives of its libraries, as Debian does, they are linked: a program is then one file, or
# nearly, its image half as large, and what it does not call is not in it.
option(EGRESS_LINK_ARCHIVES "Link archives (.a) of libraries where there are any" ON)
if(EGRESS_SANITIZERS)
  set(EGRESS_LINK_ARCHIVES OFF) # their runtimes are shared objects
endif()
if(EGRESS_LINK_ARCHIVES)
  list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()

find_package(PkgConfig REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 1.1.1 REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(libnl REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
pkg_check_modules(yaml_cpp REQUIRED IMPORTED_TARGET yaml-cpp)

if(EGRESS_LINK_ARCHIVES)
  find_package(fmt REQUIRED)
  add_library(egress_spdlog INTERFACE)
  target_link_libraries(egress_spdlog INTERFACE fmt::fmt-header-only)
  target_compile_definitions(egress_spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
else()
  add_library(egress_spdlog ALIAS spdlog::spdlog)
endif()

# Links an executable as one file, without a loader, where archives of all that it needs were found: `...` are the paths.
function(egress_link_as_one_file target)
  foreach(library IN LISTS ARGN)
    if(NOT library MATCHES "\\.a$")
      return()
    endif()
  endforeach()
  if(EGRESS_LINK_ARCHIVES)
    set_property(TARGET ${target} PROPERTY POSITION_INDEPENDENT_CODE) # which would add -pie: it undoes -static-pie
    target_compile_options(${target} PRIVATE -fPIE)
    target_link_options(${target} PRIVATE -static-pie)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/common/static_program.cpp)
    foreach(function dlopen getaddrinfo gethostbyname getservbyport_r getprotobyname getprotobynumber)
      target_link_options(${target} PRIVATE -Wl,--wrap=${function})
    endforeach()
  endif()
endfunction()
