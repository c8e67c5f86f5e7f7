#include "router-init/nft_expressions.hpp"

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

// After glibc's headers, or both define the same (linux/libc-compat.h).
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <new>
#include <vector>

namespace egress::router::nft {
namespace {

nftnl_expr* add(nftnl_rule* rule, const char* name) {
  nftnl_expr* expression = nftnl_expr_alloc(name);
  if (expression == nullptr) throw std::bad_alloc();
  nftnl_rule_add_expr(rule, expression);
  return expression;
}

void set_bytes(nftnl_expr* expression, std::uint16_t attribute, Bytes value) {
  if (nftnl_expr_set(expression, attribute, value.data(),
                     static_cast<std::uint32_t>(value.size())) < 0) {
    throw std::bad_alloc();
  }
}

void set_text(nftnl_expr* expression, std::uint16_t attribute, const std::string& value) {
  if (nftnl_expr_set_str(expression, attribute, value.c_str()) < 0) throw std::bad_alloc();
}

void verdict(nftnl_rule* rule, std::uint32_t verdict) {
  nftnl_expr* immediate = add(rule, "immediate");
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_VERDICT, verdict);
}

// All 16 bytes are compared, or "eth0" would match "eth01".
void compare_name(nftnl_rule* rule, Compare operation, const std::string& name) {
  std::array<std::uint8_t, IFNAMSIZ> padded{};
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), padded.begin());
  compare(rule, operation, padded);
}

void match_any_bit(nftnl_rule* rule, std::uint32_t bits) {
  constexpr std::uint32_t kZero = 0;
  bitwise(rule, bytes_of(bits), bytes_of(kZero));
  compare(rule, Compare::not_equal, bytes_of(kZero));
}

}  // namespace

void load_meta(nftnl_rule* rule, std::uint32_t key) {
  nftnl_expr* meta = add(rule, "meta");
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, kFirstRegister);
}

void set_meta(nftnl_rule* rule, std::uint32_t key) {
  nftnl_expr* meta = add(rule, "meta");
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, key);
  nftnl_expr_set_u32(meta, NFTNL_EXPR_META_SREG, kFirstRegister);
}

void load_ct(nftnl_rule* rule, std::uint32_t key) {
  nftnl_expr* ct = add(rule, "ct");
  nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, key);
  nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, kFirstRegister);
}

void load_payload(nftnl_rule* rule, const Payload& payload, std::uint32_t to) {
  nftnl_expr* load = add(rule, "payload");
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_DREG, to);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_BASE, payload.base);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_OFFSET, payload.offset);
  nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_LEN, payload.length);
}

void load_fib_address_type(nftnl_rule* rule, std::uint32_t flags) {
  nftnl_expr* fib = add(rule, "fib");
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_DREG, kFirstRegister);
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  nftnl_expr_set_u32(fib, NFTNL_EXPR_FIB_FLAGS, flags);
}

void load_random(nftnl_rule* rule, std::uint32_t modulus) {
  nftnl_expr* random = add(rule, "numgen");
  nftnl_expr_set_u32(random, NFTNL_EXPR_NG_DREG, kFirstRegister);
  nftnl_expr_set_u32(random, NFTNL_EXPR_NG_MODULUS, modulus);
  nftnl_expr_set_u32(random, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
  nftnl_expr_set_u32(random, NFTNL_EXPR_NG_OFFSET, 0);
}

void load_address_hash(nftnl_rule* rule, Family family, bool of_source, std::uint32_t modulus,
                       std::uint32_t seed) {
  // Offsets in the IPv4 header (RFC 791 §3.1) and the IPv6 header (RFC 8200 §3).
  const std::uint32_t length = address_bits(family) / 8;
  const std::uint32_t source_at = family == Family::v4 ? 12 : 8;
  load_payload(rule,
               {NFT_PAYLOAD_NETWORK_HEADER, of_source ? source_at : source_at + length, length},
               kRegisterAfter16);
  nftnl_expr* hash = add(rule, "hash");
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_SREG, kRegisterAfter16);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_DREG, kFirstRegister);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_LEN, length);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_MODULUS, modulus);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_SEED, seed);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_OFFSET, 0);
  nftnl_expr_set_u32(hash, NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS);
}

void load_rt_tcpmss(nftnl_rule* rule) {
  nftnl_expr* rt = add(rule, "rt");
  nftnl_expr_set_u32(rt, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
  nftnl_expr_set_u32(rt, NFTNL_EXPR_RT_DREG, kFirstRegister);
}

void compare(nftnl_rule* rule, Compare operation, Bytes value) {
  nftnl_expr* cmp = add(rule, "cmp");
  nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, kFirstRegister);
  nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP,
                     operation == Compare::equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  set_bytes(cmp, NFTNL_EXPR_CMP_DATA, value);
}

void bitwise(nftnl_rule* rule, Bytes mask, Bytes exclusive_or) {
  nftnl_expr* bitwise = add(rule, "bitwise");
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, kFirstRegister);
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, kFirstRegister);
  nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
  set_bytes(bitwise, NFTNL_EXPR_BITWISE_MASK, mask);
  set_bytes(bitwise, NFTNL_EXPR_BITWISE_XOR, exclusive_or);
}

void host_to_network(nftnl_rule* rule, std::uint32_t length) {
  nftnl_expr* byteorder = add(rule, "byteorder");
  nftnl_expr_set_u32(byteorder, NFTNL_EXPR_BYTEORDER_SREG, kFirstRegister);
  nftnl_expr_set_u32(byteorder, NFTNL_EXPR_BYTEORDER_DREG, kFirstRegister);
  nftnl_expr_set_u32(byteorder, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
  nftnl_expr_set_u32(byteorder, NFTNL_EXPR_BYTEORDER_LEN, length);
  nftnl_expr_set_u32(byteorder, NFTNL_EXPR_BYTEORDER_SIZE, length);
}

void write_tcp_option_maxseg(nftnl_rule* rule) {
  constexpr std::uint32_t kOffset = 2;  // behind kind and length (RFC 9293 §3.2)
  nftnl_expr* exthdr = add(rule, "exthdr");
  nftnl_expr_set_u32(exthdr, NFTNL_EXPR_EXTHDR_SREG, kFirstRegister);
  nftnl_expr_set_u32(exthdr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
  nftnl_expr_set_u8(exthdr, NFTNL_EXPR_EXTHDR_TYPE, TCPOPT_MAXSEG);
  nftnl_expr_set_u32(exthdr, NFTNL_EXPR_EXTHDR_OFFSET, kOffset);
  nftnl_expr_set_u32(exthdr, NFTNL_EXPR_EXTHDR_LEN, sizeof(std::uint16_t));
}

void load_immediate(nftnl_rule* rule, Bytes value) {
  nftnl_expr* immediate = add(rule, "immediate");
  nftnl_expr_set_u32(immediate, NFTNL_EXPR_IMM_DREG, kFirstRegister);
  set_bytes(immediate, NFTNL_EXPR_IMM_DATA, value);
}

void look_up(nftnl_rule* rule, const std::string& map) {
  nftnl_expr* lookup = add(rule, "lookup");
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, kFirstRegister);
  nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, kFirstRegister);
  set_text(lookup, NFTNL_EXPR_LOOKUP_SET, map);
}

void count_in(nftnl_rule* rule, const std::string& counter) {
  nftnl_expr* objref = add(rule, "objref");
  nftnl_expr_set_u32(objref, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
  set_text(objref, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

void translate(nftnl_rule* rule, const Nat& nat) {
  nftnl_expr* expression = add(rule, "nat");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_TYPE, nat.type);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_FAMILY,
                     nat.family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, kFirstRegister);
  if (nat.port_register) {
    nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_PROTO_MIN, *nat.port_register);
  }
}

void accept(nftnl_rule* rule) { verdict(rule, NF_ACCEPT); }
void drop(nftnl_rule* rule) { verdict(rule, NF_DROP); }

void match_iifname(nftnl_rule* rule, Compare operation, const std::string& name) {
  load_meta(rule, NFT_META_IIFNAME);
  compare_name(rule, operation, name);
}

void match_oifname(nftnl_rule* rule, Compare operation, const std::string& name) {
  load_meta(rule, NFT_META_OIFNAME);
  compare_name(rule, operation, name);
}

void match_nfproto(nftnl_rule* rule, Family family) {
  const std::uint8_t number = family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  load_meta(rule, NFT_META_NFPROTO);
  compare(rule, Compare::equal, bytes_of(number));
}

void match_l4proto(nftnl_rule* rule, std::uint8_t protocol) {
  load_meta(rule, NFT_META_L4PROTO);
  compare(rule, Compare::equal, bytes_of(protocol));
}

void match_icmp_type(nftnl_rule* rule, Family family, std::uint8_t type) {
  const std::uint8_t icmp = IPPROTO_ICMP;
  const std::uint8_t icmp6 = IPPROTO_ICMPV6;
  match_l4proto(rule, family == Family::v4 ? icmp : icmp6);
  load_payload(rule, {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1});
  compare(rule, Compare::equal, bytes_of(type));
}

void match_ct_state(nftnl_rule* rule, std::uint32_t any_of) {
  load_ct(rule, NFT_CT_STATE);
  match_any_bit(rule, any_of);
}

void match_ct_status(nftnl_rule* rule, std::uint32_t any_of) {
  load_ct(rule, NFT_CT_STATUS);
  match_any_bit(rule, any_of);
}

void match_destination(nftnl_rule* rule, const IpAddress& address) {
  constexpr Payload kDestination4{NFT_PAYLOAD_NETWORK_HEADER, 16, 4};   // RFC 791 §3.1
  constexpr Payload kDestination6{NFT_PAYLOAD_NETWORK_HEADER, 24, 16};  // RFC 8200 §3
  match_nfproto(rule, address.family());
  load_payload(rule, address.is_v4() ? kDestination4 : kDestination6);
  compare(rule, Compare::equal, address.bytes());
}

void match_source(nftnl_rule* rule, const IpPrefix& prefix) {
  constexpr Payload kSource4{NFT_PAYLOAD_NETWORK_HEADER, 12, 4};  // RFC 791 §3.1
  constexpr Payload kSource6{NFT_PAYLOAD_NETWORK_HEADER, 8, 16};  // RFC 8200 §3
  match_nfproto(rule, prefix.family());
  load_payload(rule, prefix.family() == Family::v4 ? kSource4 : kSource6);
  const Bytes address = prefix.address.bytes();
  if (!prefix.is_host()) {
    std::vector<std::uint8_t> mask(address.size());
    for (std::size_t bit = 0; bit < prefix.length; ++bit) {
      mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | 0x80U >> bit % 8);
    }
    bitwise(rule, mask, std::vector<std::uint8_t>(address.size()));
  }
  compare(rule, Compare::equal, address);
}

}  // namespace egress::router::nft
