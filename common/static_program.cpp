// Linked into programs that are one static file (cmake/dependencies.cmake). libcrypto, c-ares and
// libnl refer to functions of the C library that load shared objects, for name services and
// engines. These programs never call them. Their references lead here (ld --wrap), where they fail:
// nothing is ever loaded into a program that holds an egress IP, and the linker has nothing to warn
// of.
#include <netdb.h>

#include <cerrno>

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the names that ld
// expects
void* __wrap_dlopen(const char* /*file*/, int /*mode*/) { return nullptr; }

int __wrap_getaddrinfo(const char* /*node*/, const char* /*service*/, const addrinfo* /*hints*/,
                       addrinfo** /*result*/) {
  return EAI_FAIL;
}

hostent* __wrap_gethostbyname(const char* /*name*/) {
  h_errno = NO_RECOVERY;
  return nullptr;
}

int __wrap_getservbyport_r(int /*port*/, const char* /*protocol*/, servent* /*entry*/,
                           char* /*buffer*/, size_t /*size*/, servent** result) {
  *result = nullptr;
  return ENOENT;
}

protoent* __wrap_getprotobyname(const char* /*name*/) { return nullptr; }
protoent* __wrap_getprotobynumber(int /*number*/) { return nullptr; }
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}
