#include "common/net/system_resolver.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <cstddef>
#include <memory>

namespace egress::net {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

}  // namespace

std::vector<IpAddress> resolve_by_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, FreeAddresses> owner(found);
  std::vector<IpAddress> addresses;
  for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
    const auto* const raw = reinterpret_cast<const std::uint8_t*>(entry->ai_addr);
    const bool v4 = entry->ai_family == AF_INET;
    addresses.push_back(IpAddress::from_bytes(
        {raw + (v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr)),
         v4 ? 4U : 16U}));
  }
  return addresses;
}

}  // namespace egress::net
