// A UDP socket that tells to which of its addresses a datagram came, and answers from there
// (IP_PKTINFO, ip(7); IPV6_PKTINFO, RFC 3542 §6). Waits for nothing: never blocks.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/endpoint.hpp"
#include "common/result.hpp"

namespace egress::dns {

struct Datagram {
  std::string_view bytes;  // in the caller's buffer
  Endpoint from;
  IpAddress to;
  unsigned interface = 0;  // index of the one that it arrived by
};

// Sockets on all addresses, one of each family that the kernel has, with SO_REUSEPORT. Errors
// (stage runtime): socket(2), bind(2).
Result<std::vector<boost::asio::ip::udp::socket>> open_udp(boost::asio::io_context& io,
                                                           std::uint16_t port);

// The next datagram, if one is there. Those that were cut, being over `buffer`, are skipped.
std::optional<Datagram> receive_from(int descriptor, std::span<char> buffer);

// False where the kernel did not take it.
bool send_from(int descriptor, const IpAddress& from, const Endpoint& to, std::string_view bytes);

}  // namespace egress::dns
