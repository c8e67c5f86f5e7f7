// Transport protocols, ports and ranges of ports as values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace egress {

// The number is that of the IP header (IANA protocol numbers).
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

std::optional<Protocol> parse_protocol(std::string_view text);  // "tcp", "udp" or "sctp"
std::string_view to_text(Protocol protocol);

// Decimal digits without sign or leading zero, 1 to 65535.
std::optional<std::uint16_t> parse_port(std::string_view text);

// first <= last, both included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  std::uint32_t size() const { return std::uint32_t{last} - first + 1; }
  bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  bool is_single() const { return first == last; }

  auto operator<=>(const PortRange&) const = default;
};

std::optional<PortRange> parse_port_range(std::string_view text);  // PORT or PORT-PORT
std::string to_text(const PortRange& range);                       // "80" or "8000-8099"

}  // namespace egress
