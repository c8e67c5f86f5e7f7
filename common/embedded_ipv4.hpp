// The IPv4 address that an IPv6 address stands for, so that a rule about the one is a rule about
// the other. Evaluates nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "common/ip.hpp"

namespace egress {

enum class Embedding : std::uint8_t {
  none,
  mapped,       // ::ffff:0:0/96      RFC 4291 §2.5.5.2: the same as the IPv4 address
  translated,   // ::ffff:0:0:0/96    RFC 2765 §2.1
  compatible,   // ::/96              RFC 4291 §2.5.5.1, deprecated
  nat64,        // 64:ff9b::/96       RFC 6052 §2.1
  local_nat64,  // 64:ff9b:1::/48    RFC 8215, in any layout of RFC 6052 §2.2
  six_to_four,  // 2002::/16         RFC 3056 §2
  teredo,       // 2001::/32          RFC 4380 §4: the client's address
  isatap,       // ...:[02]00:5efe:a.b.c.d   RFC 5214 §6.1
};

struct EmbeddedIpv4 {
  Embedding embedding = Embedding::none;
  std::optional<IpAddress> address;  // empty for none, and where it cannot be told (local_nat64)
  std::uint8_t range_length = 0;     // bits of the prefix that marks this embedding
};

EmbeddedIpv4 embedded_ipv4(const IpAddress& address);

// The IPv4 address of an IPv4-mapped one, else the address itself.
IpAddress unmapped(const IpAddress& address);

}  // namespace egress
