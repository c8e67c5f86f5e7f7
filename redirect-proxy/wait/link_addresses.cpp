#include "redirect-proxy/wait/link_addresses.hpp"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

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

// A line: destination, its length, source, its length, next hop, four numbers, link; addresses are
// 32 hexadecimal digits (net/ipv6/route.c).
std::optional<IpAddress> parse_default_gateway6(std::string_view proc_net_ipv6_route,
                                                std::string_view link) {
  LineScanner scanner(proc_net_ipv6_route);
  while (const Line* line = scanner.next()) {
    const auto& fields = line->fields;
    if (fields.size() < 10 || fields[9].text != link || fields[1].text != "00") continue;
    const auto digits = fields[4].text;
    std::array<std::uint8_t, 16> bytes{};
    if (digits.size() != 2 * bytes.size()) continue;
    bool is_hexadecimal = true;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const char* const from = digits.data() + 2 * i;
      const auto [end, status] = std::from_chars(from, from + 2, bytes[i], 16);
      is_hexadecimal = is_hexadecimal && status == std::errc{} && end == from + 2;
    }
    const auto gateway = IpAddress::from_bytes(bytes);
    if (is_hexadecimal && !gateway.is_unspecified()) return gateway;
  }
  return std::nullopt;
}

// A line: address, hardware type, flags, MAC address, mask, link. Flag 2 is ATF_COM (net/if_arp.h).
std::optional<bool> parse_known_neighbour(std::string_view proc_net_arp, std::string_view link,
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
    if (status == std::errc{}) return (flags & 2U) != 0;
  }
  return std::nullopt;
}

namespace {

// The files are small: a pod has a handful of routes in its main table, and of IPv4 neighbours.
std::string read_small_file(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text(std::size_t{16} << 10U, '\0');
  const ssize_t size = ::read(file, text.data(), text.size());
  ::close(file);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

}  // namespace

std::optional<IpAddress> read_default_gateway(const std::string& link, Family family) {
  return family == Family::v4
             ? parse_default_gateway(read_small_file("/proc/net/route"), link)
             : parse_default_gateway6(read_small_file("/proc/net/ipv6_route"), link);
}

std::optional<bool> kernel_knows_neighbour(const std::string& link, const IpAddress& neighbour) {
  if (neighbour.is_v6()) return std::nullopt;
  return parse_known_neighbour(read_small_file("/proc/net/arp"), link, neighbour);
}

}  // namespace egress::wait
