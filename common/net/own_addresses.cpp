#include "common/net/own_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace egress::net {

namespace {

// Of all interfaces where `interface` is empty.
Result<std::vector<IpAddress>> read_addresses(std::string_view interface) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return make_errno_error(ExitCode::facts, "own addresses", errno);
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);

  std::vector<IpAddress> addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (!interface.empty() && interface != at->ifa_name)) continue;
    const auto* const base = reinterpret_cast<const std::uint8_t*>(at->ifa_addr);
    if (at->ifa_addr->sa_family == AF_INET) {
      addresses.push_back(IpAddress::from_bytes({base + offsetof(sockaddr_in, sin_addr), 4}));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      addresses.push_back(IpAddress::from_bytes({base + offsetof(sockaddr_in6, sin6_addr), 16}));
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

Result<std::vector<IpAddress>> read_own_addresses() { return read_addresses({}); }

Result<std::vector<IpAddress>> read_addresses_of(std::string_view interface) {
  if (interface.empty()) return std::vector<IpAddress>{};
  return read_addresses(interface);
}

}  // namespace egress::net
