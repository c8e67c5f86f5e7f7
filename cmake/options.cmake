# Root options, through one target; every target of ours links it PRIVATE.
add_library(egress_options INTERFACE)
target_compile_options(egress_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual
  # With optimisation GCC 12 sees null pointers and overlapping strings in std::optional, boost's result and
  # std::string's operator+ that cannot be there (GCC bugs 104336, 105651).
  $<IF:$<CONFIG:Release>,-Wno-restrict,-Wnull-dereference>
  -fstack-protector-strong
  $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3>
  $<$<BOOL:${EGRESS_WERROR}>:-Werror>)
target_link_options(egress_options INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs EGRESS_PACKS_RELOCATIONS)
if(EGRESS_PACKS_RELOCATIONS) # a tenth of a megabyte where OpenSSL's archives would have one
  target_link_options(egress_options INTERFACE -Wl,-z,pack-relative-relocs)
endif()
target_compile_options(egress_options INTERFACE $<$<CONFIG:Release>:-ffunction-sections;-fdata-sections>)
target_link_options(egress_options INTERFACE $<$<CONFIG:Release>:-Wl,--gc-sections>)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()

if(EGRESS_SANITIZERS)
  target_compile_options(egress_options INTERFACE
    -fsanitize=${EGRESS_SANITIZERS} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(EGRESS_SANITIZERS MATCHES thread)
    target_compile_options(egress_options INTERFACE -Wno-tsan) # GCC says of Asio's fences that it does not see them
  endif()
  target_link_options(egress_options INTERFACE -fsanitize=${EGRESS_SANITIZERS})
endif()
