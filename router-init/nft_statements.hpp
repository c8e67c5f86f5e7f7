// The statements that our rules are made of, a function each. Values are in the byte order in which
// the kernel compares them: what is on the wire in network order, the kernel's own in the host's.
// Source: linux/netfilter/nf_tables.h, and what nft sends (test/wire). Pure.
#pragma once

#include <cstdint>
#include <string>

#include "common/ip.hpp"
#include "common/port.hpp"
#include "router-init/nft_table.hpp"

namespace egress::router::nft {

enum class Compare : std::uint8_t { equal, not_equal };
enum class Side : std::uint8_t { source, destination };

// Matches.
Statement iifname(Compare compare, const std::string& name);
Statement oifname(Compare compare, const std::string& name);
Statement nfproto(Family family);                                        // meta nfproto ipv4
Statement address(Side side, const IpPrefix& prefix);                    // ip6 daddr fe80::/10
Statement address_in(Side side, Family family, const std::string& set);  // ip saddr @egress4
Statement icmp_type(Family family, std::uint8_t type);  // icmp type echo-request, after the family
Statement icmp_type_of(Family family, std::uint8_t type);  // the same, with the family
Statement tcp_destination_port(std::uint16_t port);        // tcp dport 9180
Statement tcp_syn();                                       // tcp flags syn / syn,rst
Statement any_mark_bit(std::uint32_t bits);                // meta mark & 0x20000000 != 0x00000000
Statement ct_state(std::uint32_t any_of);                  // NF_CT_STATE_BIT()
Statement ct_status_dnat();                                // ct status dnat
Statement ct_direction_reply();                            // ct direction reply
Statement destination_is_local(Compare compare);           // fib daddr . iif type local
Statement source_is_local();                               // fib saddr type local
Statement random(std::uint32_t modulus, std::uint32_t equals);  // numgen random mod 3 == 0
// jhash ip saddr mod 3 seed 0x45475253 == 1
struct Hash {
  Side of = Side::source;
  Family family = Family::v4;
  std::uint32_t modulus = 0;
  std::uint32_t seed = 0;
};
Statement jhash(const Hash& hash, std::uint32_t equals);

// Actions.
Statement set_mark_bits(std::uint32_t bits);  // meta mark set meta mark | 0x20000000
Statement clamp_segment_size();               // tcp option maxseg size set rt mtu
Statement count(const std::string& counter);  // counter name "dropped_leak"
Statement snat(const IpAddress& to);          // snat ip to 10.42.253.46
Statement dnat(const IpAddress& to);          // dnat ip to 203.0.113.27
// dnat ip to meta l4proto . th dport map @destinations4, whose data are address and port
Statement dnat_by_protocol_and_port(Family family, const std::string& map);
// dnat ip to tcp dport map @tcp_ranges4, whose data is an address
Statement dnat_by_port(Family family, Protocol protocol, const std::string& map);
Statement accept();
Statement drop();

}  // namespace egress::router::nft
