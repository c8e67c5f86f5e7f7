// Destination policy: the addresses that no proxy connects to unless its configuration names them.
// These are special-purpose addresses (RFC 6890) that lead to the pod, to its node or to nobody,
// the metadata services of clouds, and the pod's own addresses and listeners. An IPv6 address that
// carries an IPv4 address is evaluated as both. Pure: reads no interface, resolves nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "common/endpoint.hpp"
#include "common/host.hpp"
#include "common/ip.hpp"

namespace egress {

// Why an address is restricted. Private addresses (RFC 1918, RFC 4193, RFC 6598) are not: they are
// what most pods connect to. Documentation and benchmarking ranges are not either: they lead to
// nobody whom this policy could protect.
enum class Restriction : std::uint8_t {
  unspecified,  // 0.0.0.0/8 and ::, which Linux connects to the host itself
  loopback,
  link_local,  // among them most metadata services: 169.254.169.254
  multicast,
  broadcast,
  reserved,              // 240.0.0.0/4, 100::/64
  protocol_assignments,  // 192.0.0.0/24, among them the metadata service 192.0.0.192
  metadata,              // metadata services at other addresses
  ipv4_compatible,       // ::a.b.c.d, deprecated
  unclear_embedding,     // within 64:ff9b:1::/48, an IPv4 address that cannot be determined
  own_address,
  own_listener,  // a connection would lead back to this proxy
};
inline constexpr std::size_t kRestrictions = 12;
std::string_view to_text(Restriction restriction);   // "link_local": for logs and metrics
std::string_view describe(Restriction restriction);  // "a link-local address"

// What belongs to the pod itself.
struct LocalSide {
  std::vector<IpAddress> addresses;  // of all its interfaces, loopback included
  std::vector<ListenAddress> listeners;

  bool operator==(const LocalSide&) const = default;
};

// Whether the configuration names `address` itself, or a prefix of at least `min_length` bits that
// contains it.
using IsNamed = std::function<bool(const IpAddress& address, std::uint8_t min_length)>;

// Empty where a connection may be made. An address within a special-purpose range is open where the
// configuration names it, or a prefix no wider than that range; an own address where it is named
// itself; an own listener never is.
std::optional<Restriction> find_restriction(const Endpoint& endpoint, const LocalSide& local,
                                            const IsNamed& is_named);

}  // namespace egress
