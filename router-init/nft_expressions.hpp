// The expressions that nf_tables rules are made of, one small function each, named as `nft
// --debug=netlink` prints them. Each appends to a rule, which owns what is appended; where no
// register is given, it is the first. Values are in the byte order in which the kernel compares
// them: what is on the wire in network order, the kernel's own in the host's. Running out of memory
// throws std::bad_alloc. Source: linux/netfilter/nf_tables.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/ip.hpp"
#include "common/port.hpp"

struct nftnl_rule;

namespace egress::router::nft {

using Bytes = std::span<const std::uint8_t>;

// Where a second field of 4 bytes lies behind one of 4, and behind one of 16 (enum nft_registers).
inline constexpr std::uint32_t kFirstRegister = 1;
inline constexpr std::uint32_t kRegisterAfter4 = 9;
inline constexpr std::uint32_t kRegisterAfter16 = 2;

// What fib says of a destination that is an address of the interface itself: RTN_LOCAL
// (linux/rtnetlink.h).
inline constexpr std::uint32_t kLocal = 2;

// The bytes of a number as it lies in memory; a view of `value`, which must outlive it.
template <class Integer>
Bytes bytes_of(const Integer& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

enum class Compare { equal, not_equal };

struct Payload {
  std::uint32_t base;    // NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER
  std::uint32_t offset;  // bytes
  std::uint32_t length;  // bytes
};

void load_meta(nftnl_rule* rule, std::uint32_t key);  // NFT_META_...
void set_meta(nftnl_rule* rule, std::uint32_t key);
void load_ct(nftnl_rule* rule, std::uint32_t key);  // NFT_CT_...
void load_payload(nftnl_rule* rule, const Payload& payload, std::uint32_t to = kFirstRegister);
void load_fib_address_type(nftnl_rule* rule, std::uint32_t flags);  // NFTA_FIB_F_...
void load_rt_tcpmss(nftnl_rule* rule);
// Into the first register, as the host orders its bytes: a random number under `modulus`, or the
// hash of the IP header's source or destination.
void load_random(nftnl_rule* rule, std::uint32_t modulus);
void load_address_hash(nftnl_rule* rule, Family family, bool of_source, std::uint32_t modulus,
                       std::uint32_t seed);
void compare(nftnl_rule* rule, Compare operation, Bytes value);
void bitwise(nftnl_rule* rule, Bytes mask, Bytes exclusive_or);  // of equal length
void host_to_network(nftnl_rule* rule, std::uint32_t length);
void write_tcp_option_maxseg(nftnl_rule* rule);
void load_immediate(nftnl_rule* rule, Bytes value);
void look_up(nftnl_rule* rule, const std::string& map);  // key and data start in the first register
void count_in(nftnl_rule* rule, const std::string& counter);

struct Nat {
  std::uint32_t type;  // NFT_NAT_SNAT, NFT_NAT_DNAT
  Family family;
  std::optional<std::uint32_t> port_register;  // none: the port stays
};
void translate(nftnl_rule* rule, const Nat& nat);  // the address is in the first register

void accept(nftnl_rule* rule);
void drop(nftnl_rule* rule);

// What nft writes as one match.
void match_iifname(nftnl_rule* rule, Compare operation, const std::string& name);
void match_oifname(nftnl_rule* rule, Compare operation, const std::string& name);
void match_nfproto(nftnl_rule* rule, Family family);
void match_l4proto(nftnl_rule* rule, std::uint8_t protocol);  // IPPROTO_...
// After a match on the family.
void match_icmp_type(nftnl_rule* rule, Family family, std::uint8_t type);
void match_ct_state(nftnl_rule* rule, std::uint32_t any_of);   // NF_CT_STATE_BIT()
void match_ct_status(nftnl_rule* rule, std::uint32_t any_of);  // IPS_...
void match_destination(nftnl_rule* rule, const IpAddress& address);
void match_source(nftnl_rule* rule, const IpPrefix& prefix);

}  // namespace egress::router::nft
