// A UDP socket that tells to which of its addresses a datagram came, and answers from there
// (IP_PKTINFO, ip(7); IPV6_PKTINFO, RFC 3542 §6). Waits for nothing: never blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/endpoint.hpp"
#include "common/result.hpp"

namespace egress::dns {

struct Datagram {
  std::string_view bytes;  // in the caller's buffer
  Endpoint from;
  IpAddress to;
};

// A socket of one family on all its addresses, with SO_REUSEPORT; the descriptor is the caller's.
// Nothing where the kernel does not have the family. Errors (stage runtime): socket(2), bind(2).
Result<std::optional<int>> open_udp(Family family, std::uint16_t port);

// The next datagram, if one is there. Those that were cut, being over `buffer`, are skipped.
std::optional<Datagram> receive_from(int descriptor, std::span<char> buffer);

// False where the kernel did not take it.
bool send_from(int descriptor, const IpAddress& from, const Endpoint& to, std::string_view bytes);

}  // namespace egress::dns
