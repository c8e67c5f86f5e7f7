#include "redirect-proxy/link_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>

#include "common/fields.hpp"

namespace egress::wait {
namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

std::optional<IpAddress> to_ip_address(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr,
                bytes.size());
    return IpAddress::from_bytes(bytes);
  }
  if (address->sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                bytes.size());
    return IpAddress::from_bytes(bytes);
  }
  return std::nullopt;
}

}  // namespace

std::vector<IpAddress> read_link_addresses(const std::string& link) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, FreeAddresses> list(first);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    const auto address = to_ip_address(one->ifa_addr);
    if (link == one->ifa_name && address && !address->is_link_local())
      addresses.push_back(*address);
  }
  return addresses;
}

// A line: link, destination, gateway, four numbers, mask, ...; addresses are eight hexadecimal
// digits, the last byte first (net/ipv4/fib_trie.c).
std::optional<IpAddress> parse_default_gateway(std::string_view proc_net_route,
                                               std::string_view link) {
  LineScanner scanner(proc_net_route);
  while (const Line* line = scanner.next()) {
    const auto& fields = line->fields;
    if (fields.size() < 8 || fields[0].text != link) continue;
    if (fields[1].text != "00000000" || fields[7].text != "00000000") continue;
    std::uint32_t number = 0;
    const auto digits = fields[2].text;
    const auto [end, status] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    if (status != std::errc{} || end != digits.data() + digits.size() || number == 0) continue;
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
    return IpAddress::from_bytes(bytes);
  }
  return std::nullopt;
}

// A line: address, hardware type, flags, MAC address, mask, link. Flag 2 is ATF_COM (net/if_arp.h).
bool is_known_neighbour(std::string_view proc_net_arp, std::string_view link,
                        const IpAddress& neighbour) {
  LineScanner scanner(proc_net_arp);
  while (const Line* line = scanner.next()) {
    const auto& fields = line->fields;
    if (fields.size() < 6 || fields[5].text != link) continue;
    if (parse_ip_address(fields[0].text) != neighbour || !fields[2].text.starts_with("0x"))
      continue;
    const auto digits = fields[2].text.substr(2);
    unsigned flags = 0;
    const auto [end, status] =
        std::from_chars(digits.data(), digits.data() + digits.size(), flags, 16);
    if (status == std::errc{} && (flags & 2U) != 0) return true;
  }
  return false;
}

}  // namespace egress::wait
