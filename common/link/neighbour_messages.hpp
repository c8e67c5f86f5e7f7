// Ethernet frames of ARP (RFC 826) and of IPv6 neighbour discovery (RFC 4861): built from values,
// and read into one. Pure: bytes in, bytes out; any bytes may come in.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/ip.hpp"

namespace egress::link {

using Frame = std::vector<std::uint8_t>;

// Who holds `target`? Asked in the name of `source`; without one it is a probe, from 0.0.0.0 (RFC
// 5227 §2.1.1) or from :: (RFC 4862 §5.4.2), which no host enters into its cache.
struct Question {
  MacAddress sender;
  std::optional<IpAddress> source;  // of the family of `target`
  IpAddress target;
};

// A broadcast ARP request, or a neighbour solicitation to the solicited-node address.
Frame encode_question(const Question& question);

// An ARP announcement (RFC 5227 §3: a request whose sender and target are the same), or an
// unsolicited neighbour advertisement to all nodes with the override flag (RFC 4861 §7.2.6).
Frame encode_announcement(const MacAddress& sender, const IpAddress& address);

// What a frame of either protocol says.
struct NeighbourMessage {
  MacAddress sender;
  std::optional<IpAddress> claims;  // the address that the sender says it holds
  std::optional<IpAddress> asks;    // the address that it wants to know the holder of

  bool operator==(const NeighbourMessage&) const = default;
};

// None for anything that is no well-formed message of the two protocols (of ICMPv6 the checksum
// and every option are looked at), or that came through a router (hop limit under 255, RFC 4861
// §7.1).
std::optional<NeighbourMessage> parse_neighbour(std::span<const std::uint8_t> frame);

// The Ethernet group that a host receives solicitations for `address` by (RFC 4291 §2.7.1, RFC 2464
// §7); `address` is IPv6.
MacAddress solicited_node_mac(const IpAddress& address);

// 33:33:00:00:00:01, all nodes.
inline constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 1}};

}  // namespace egress::link
