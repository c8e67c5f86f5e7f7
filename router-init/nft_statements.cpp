#include "router-init/nft_statements.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

// After glibc's headers, or both define the same (linux/libc-compat.h).
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace egress::router::nft {
namespace {

// Where a field of 4 bytes ends behind another of 4, and behind one of 16 (enum nft_registers).
constexpr std::uint32_t kFirst = NFT_REG_1;
constexpr std::uint32_t kAfter4 = NFT_REG32_01;
constexpr std::uint32_t kAfter16 = NFT_REG_2;

constexpr std::uint32_t kLocal = 2;  // RTN_LOCAL (linux/rtnetlink.h)

// Of the headers that a payload is loaded from.
struct Field {
  std::uint32_t base;    // NFT_PAYLOAD_...
  std::uint32_t offset;  // bytes
  std::uint32_t length;  // bytes
};
// The same place in TCP (RFC 9293), UDP (RFC 768) and SCTP (RFC 9260).
constexpr Field kDestinationPort{NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};
constexpr Field kTcpFlags{NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1};  // RFC 9293 §3.1
constexpr Field kIcmpType{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1};   // RFC 792, RFC 4443

// RFC 791 §3.1, RFC 8200 §3.
Field address_field(Side side, Family family) {
  const std::uint32_t length = address_bits(family) / 8U;
  const std::uint32_t source = family == Family::v4 ? 12 : 8;
  return {NFT_PAYLOAD_NETWORK_HEADER, side == Side::source ? source : source + length, length};
}

template <class Fill>
Expression expression(const char* name, Fill fill) {
  AttributeWriter writer;
  fill(writer);
  return {name, {writer.bytes().begin(), writer.bytes().end()}};
}

void put_data(AttributeWriter& to, std::uint16_t type, Bytes value) {
  to.put_nest(type, [&] { to.put(NFTA_DATA_VALUE, value); });
}

Expression load_meta(std::uint32_t key) {
  return expression("meta", [&](AttributeWriter& to) {
    to.put_u32(NFTA_META_KEY, key);
    to.put_u32(NFTA_META_DREG, kFirst);
  });
}

Expression load_ct(std::uint32_t key) {
  return expression("ct", [&](AttributeWriter& to) {
    to.put_u32(NFTA_CT_KEY, key);
    to.put_u32(NFTA_CT_DREG, kFirst);
  });
}

Expression load_payload(const Field& field, std::uint32_t into = kFirst) {
  return expression("payload", [&](AttributeWriter& to) {
    to.put_u32(NFTA_PAYLOAD_DREG, into);
    to.put_u32(NFTA_PAYLOAD_BASE, field.base);
    to.put_u32(NFTA_PAYLOAD_OFFSET, field.offset);
    to.put_u32(NFTA_PAYLOAD_LEN, field.length);
  });
}

Expression load_fib_type(std::uint32_t flags) {
  return expression("fib", [&](AttributeWriter& to) {
    to.put_u32(NFTA_FIB_FLAGS, flags);
    to.put_u32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    to.put_u32(NFTA_FIB_DREG, kFirst);
  });
}

Expression load_immediate(Bytes value) {
  return expression("immediate", [&](AttributeWriter& to) {
    to.put_u32(NFTA_IMMEDIATE_DREG, kFirst);
    put_data(to, NFTA_IMMEDIATE_DATA, value);
  });
}

Expression compare(Compare how, Bytes value) {
  return expression("cmp", [&](AttributeWriter& to) {
    to.put_u32(NFTA_CMP_SREG, kFirst);
    to.put_u32(NFTA_CMP_OP, how == Compare::equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_data(to, NFTA_CMP_DATA, value);
  });
}

template <class Integer>
Expression is(Integer value) {
  return compare(Compare::equal, bytes_of(value));
}

Expression bitwise(Bytes mask, Bytes exclusive_or) {
  return expression("bitwise", [&](AttributeWriter& to) {
    to.put_u32(NFTA_BITWISE_SREG, kFirst);
    to.put_u32(NFTA_BITWISE_DREG, kFirst);
    to.put_u32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    put_data(to, NFTA_BITWISE_MASK, mask);
    put_data(to, NFTA_BITWISE_XOR, exclusive_or);
  });
}

// `map`: into which the data goes; none for a set.
Expression look_up(const std::string& set, bool is_map) {
  return expression("lookup", [&](AttributeWriter& to) {
    to.put_text(NFTA_LOOKUP_SET, set);
    to.put_u32(NFTA_LOOKUP_SREG, kFirst);
    if (is_map) to.put_u32(NFTA_LOOKUP_DREG, kFirst);
  });
}

constexpr std::uint32_t kNoPort = 0;

Expression translate(std::uint32_t type, Family family, std::uint32_t port_register) {
  return expression("nat", [&](AttributeWriter& to) {
    to.put_u32(NFTA_NAT_TYPE, type);
    to.put_u32(NFTA_NAT_FAMILY, family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    to.put_u32(NFTA_NAT_REG_ADDR_MIN, kFirst);
    if (port_register != kNoPort) to.put_u32(NFTA_NAT_REG_PROTO_MIN, port_register);
  });
}

Statement verdict(const char* text, std::uint32_t code) {
  return {text, {expression("immediate", [&](AttributeWriter& to) {
            to.put_u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            to.put_nest(NFTA_IMMEDIATE_DATA, [&] {
              to.put_nest(NFTA_DATA_VERDICT, [&] { to.put_u32(NFTA_VERDICT_CODE, code); });
            });
          })}};
}

Statement& operator+=(Statement& statement, const Statement& more) {
  statement.expressions.insert(statement.expressions.end(), more.expressions.begin(),
                               more.expressions.end());
  return statement;
}

std::string hexadecimal(std::uint32_t number) {
  char digits[16] = {};
  std::snprintf(digits, sizeof digits, "0x%08" PRIx32, number);
  return digits;
}

std::string ip_text(Family family) { return family == Family::v4 ? "ip" : "ip6"; }

// nft reads a final * as a wildcard, unless a backslash stands before it; nothing else is special
// between quotes. It has no spelling for such a name with a backslash inside, or with 15
// characters.
std::string quoted(std::string name) {
  if (name.ends_with('*')) name.insert(name.size() - 1, 1, '\\');
  return '"' + name + '"';
}

// All 16 bytes are compared, or "eth0" would match "eth01".
Statement match_link(const char* text, std::uint32_t key, Compare how, const std::string& name) {
  std::array<std::uint8_t, IFNAMSIZ> padded{};
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), padded.begin());
  return {std::string(text) + (how == Compare::equal ? " " : " != ") + quoted(name),
          {load_meta(key), compare(how, padded)}};
}

Statement l4proto(std::uint8_t protocol) {
  return {{}, {load_meta(NFT_META_L4PROTO), is(protocol)}};
}

Statement any_bit_of(Expression load, std::uint32_t bits) {
  constexpr std::uint32_t kZero = 0;
  return {{},
          {std::move(load), bitwise(bytes_of(bits), bytes_of(kZero)),
           compare(Compare::not_equal, bytes_of(kZero))}};
}

// "ip saddr", which stands for a match on the family too.
Statement load_address(Side side, Family family) {
  Statement statement = nfproto(family);
  statement.text = ip_text(family) + (side == Side::source ? " saddr" : " daddr");
  statement.expressions.push_back(load_payload(address_field(side, family)));
  return statement;
}

}  // namespace

Statement iifname(Compare how, const std::string& name) {
  return match_link("iifname", NFT_META_IIFNAME, how, name);
}

Statement oifname(Compare how, const std::string& name) {
  return match_link("oifname", NFT_META_OIFNAME, how, name);
}

Statement nfproto(Family family) {
  const std::uint8_t number = family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  return {family == Family::v4 ? "meta nfproto ipv4" : "meta nfproto ipv6",
          {load_meta(NFT_META_NFPROTO), is(number)}};
}

Statement address(Side side, const IpPrefix& prefix) {
  Statement statement = load_address(side, prefix.family());
  const Bytes address = prefix.address.bytes();
  const std::size_t whole = prefix.length / 8U;
  if (prefix.is_host()) {
    statement.text += " " + to_text(prefix.address);
    statement.expressions.push_back(compare(Compare::equal, address));
    return statement;
  }
  statement.text += " " + to_text(prefix);
  if (prefix.length % 8U == 0) {  // of whole bytes only those are loaded
    Field field = address_field(side, prefix.family());
    field.length = static_cast<std::uint32_t>(whole);
    statement.expressions.back() = load_payload(field);
    statement.expressions.push_back(compare(Compare::equal, address.first(whole)));
    return statement;
  }
  std::vector<std::uint8_t> mask(address.size());
  std::fill_n(mask.begin(), whole, std::uint8_t{0xff});
  mask[whole] = static_cast<std::uint8_t>(0xff00U >> prefix.length % 8U);
  statement.expressions.push_back(bitwise(mask, std::vector<std::uint8_t>(address.size())));
  statement.expressions.push_back(compare(Compare::equal, address));
  return statement;
}

Statement address_in(Side side, Family family, const std::string& set) {
  Statement statement = load_address(side, family);
  statement.text += " @" + set;
  statement.expressions.push_back(look_up(set, false));
  return statement;
}

Statement icmp_type(Family family, std::uint8_t type) {
  struct Name {
    Family family;
    std::uint8_t type;
    const char* text;
  };
  constexpr std::array kNames{
      std::to_array<Name>({{Family::v4, ICMP_ECHO, "echo-request"},
                           {Family::v4, ICMP_DEST_UNREACH, "destination-unreachable"},
                           {Family::v4, ICMP_REDIRECT, "redirect"},
                           {Family::v4, ICMP_TIME_EXCEEDED, "time-exceeded"},
                           {Family::v4, ICMP_PARAMETERPROB, "parameter-problem"},
                           {Family::v6, ICMP6_DST_UNREACH, "destination-unreachable"},
                           {Family::v6, ICMP6_PACKET_TOO_BIG, "packet-too-big"},
                           {Family::v6, ICMP6_TIME_EXCEEDED, "time-exceeded"},
                           {Family::v6, ICMP6_PARAM_PROB, "parameter-problem"},
                           {Family::v6, ICMP6_ECHO_REQUEST, "echo-request"},
                           {Family::v6, MLD_LISTENER_QUERY, "mld-listener-query"},
                           {Family::v6, ND_NEIGHBOR_SOLICIT, "nd-neighbor-solicit"},
                           {Family::v6, ND_NEIGHBOR_ADVERT, "nd-neighbor-advert"}})};
  const auto* name = std::find_if(kNames.begin(), kNames.end(), [&](const Name& one) {
    return one.family == family && one.type == type;
  });
  const bool v4 = family == Family::v4;
  Statement statement = l4proto(v4 ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6});
  statement.text = (v4 ? "icmp type " : "icmpv6 type ") +
                   (name != kNames.end() ? std::string(name->text) : std::to_string(type));
  statement += {{}, {load_payload(kIcmpType), is(type)}};
  return statement;
}

Statement icmp_type_of(Family family, std::uint8_t type) {
  const Statement match = icmp_type(family, type);
  Statement statement = nfproto(family);
  statement.text = match.text;
  statement += match;
  return statement;
}

Statement tcp_destination_port(std::uint16_t port) {
  Statement statement = l4proto(IPPROTO_TCP);
  statement.text = "tcp dport " + std::to_string(port);
  statement += {{}, {load_payload(kDestinationPort), is(htons(port))}};
  return statement;
}

Statement tcp_syn() {
  Statement statement = l4proto(IPPROTO_TCP);
  statement.text = "tcp flags syn / syn,rst";
  constexpr std::uint8_t kSyn = 0x02;
  constexpr std::uint8_t kSynAndRst = 0x06;
  constexpr std::uint8_t kZero = 0;
  statement +=
      {{}, {load_payload(kTcpFlags), bitwise(bytes_of(kSynAndRst), bytes_of(kZero)), is(kSyn)}};
  return statement;
}

Statement any_mark_bit(std::uint32_t bits) {
  Statement statement = any_bit_of(load_meta(NFT_META_MARK), bits);
  statement.text = "meta mark & " + hexadecimal(bits) + " != " + hexadecimal(0);
  return statement;
}

Statement ct_state(std::uint32_t any_of) {
  struct Name {
    std::uint32_t bit;
    const char* text;
  };
  constexpr std::array<Name, 3> kNames{{{NF_CT_STATE_INVALID_BIT, "invalid"},
                                        {NF_CT_STATE_BIT(IP_CT_ESTABLISHED), "established"},
                                        {NF_CT_STATE_BIT(IP_CT_RELATED), "related"}}};
  Statement statement = any_bit_of(load_ct(NFT_CT_STATE), any_of);
  for (const auto& name : kNames) {
    if ((any_of & name.bit) == 0) continue;
    statement.text += (statement.text.empty() ? "ct state " : ",") + std::string(name.text);
  }
  return statement;
}

Statement ct_status_dnat() {
  Statement statement = any_bit_of(load_ct(NFT_CT_STATUS), IPS_DST_NAT);
  statement.text = "ct status dnat";
  return statement;
}

Statement ct_direction_reply() {
  constexpr std::uint8_t kReply = IP_CT_DIR_REPLY;
  return {"ct direction reply", {load_ct(NFT_CT_DIRECTION), is(kReply)}};
}

Statement destination_is_local(Compare how) {
  return {std::string("fib daddr . iif type ") + (how == Compare::equal ? "local" : "!= local"),
          {load_fib_type(NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF), compare(how, bytes_of(kLocal))}};
}

Statement source_is_local() {
  return {"fib saddr type local", {load_fib_type(NFTA_FIB_F_SADDR), is(kLocal)}};
}

Statement random(std::uint32_t modulus, std::uint32_t equals) {
  return {"numgen random mod " + std::to_string(modulus) + " == " + std::to_string(equals),
          {expression("numgen",
                      [&](AttributeWriter& to) {
                        to.put_u32(NFTA_NG_DREG, kFirst);
                        to.put_u32(NFTA_NG_MODULUS, modulus);
                        to.put_u32(NFTA_NG_TYPE, NFT_NG_RANDOM);
                        to.put_u32(NFTA_NG_OFFSET, 0);
                      }),
           is(equals)}};
}

Statement jhash(const Hash& hash, std::uint32_t equals) {
  const Field field = address_field(hash.of, hash.family);
  return {"jhash " + ip_text(hash.family) + (hash.of == Side::source ? " saddr" : " daddr") +
              " mod " + std::to_string(hash.modulus) + " seed " + hexadecimal(hash.seed) +
              " == " + std::to_string(equals),
          {load_payload(field, kAfter16),
           expression("hash",
                      [&](AttributeWriter& to) {
                        to.put_u32(NFTA_HASH_SREG, kAfter16);
                        to.put_u32(NFTA_HASH_DREG, kFirst);
                        to.put_u32(NFTA_HASH_LEN, field.length);
                        to.put_u32(NFTA_HASH_MODULUS, hash.modulus);
                        to.put_u32(NFTA_HASH_SEED, hash.seed);
                        to.put_u32(NFTA_HASH_OFFSET, 0);
                        to.put_u32(NFTA_HASH_TYPE, NFT_HASH_JENKINS);
                      }),
           is(equals)}};
}

Statement set_mark_bits(std::uint32_t bits) {
  const std::uint32_t kept = ~bits;
  return {"meta mark set meta mark | " + hexadecimal(bits),
          {load_meta(NFT_META_MARK), bitwise(bytes_of(kept), bytes_of(bits)),
           expression("meta", [&](AttributeWriter& to) {
             to.put_u32(NFTA_META_KEY, NFT_META_MARK);
             to.put_u32(NFTA_META_SREG, kFirst);
           })}};
}

Statement clamp_segment_size() {
  constexpr std::uint32_t kLength = sizeof(std::uint16_t);
  constexpr std::uint32_t kOffset = 2;  // behind kind and length (RFC 9293 §3.2)
  return {"tcp option maxseg size set rt mtu",
          {expression("rt",
                      [&](AttributeWriter& to) {
                        to.put_u32(NFTA_RT_KEY, NFT_RT_TCPMSS);
                        to.put_u32(NFTA_RT_DREG, kFirst);
                      }),
           expression("byteorder",
                      [&](AttributeWriter& to) {
                        to.put_u32(NFTA_BYTEORDER_SREG, kFirst);
                        to.put_u32(NFTA_BYTEORDER_DREG, kFirst);
                        to.put_u32(NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
                        to.put_u32(NFTA_BYTEORDER_LEN, kLength);
                        to.put_u32(NFTA_BYTEORDER_SIZE, kLength);
                      }),
           expression("exthdr", [&](AttributeWriter& to) {
             to.put_u32(NFTA_EXTHDR_SREG, kFirst);
             to.put_u8(NFTA_EXTHDR_TYPE, TCPOPT_MAXSEG);
             to.put_u32(NFTA_EXTHDR_OFFSET, kOffset);
             to.put_u32(NFTA_EXTHDR_LEN, kLength);
             to.put_u32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
           })}};
}

Statement count(const std::string& counter) {
  return {"counter name \"" + counter + "\"", {expression("objref", [&](AttributeWriter& to) {
            to.put_u32(NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
            to.put(NFTA_OBJREF_IMM_NAME,
                   {reinterpret_cast<const std::uint8_t*>(counter.data()), counter.size()});
          })}};
}

Statement snat(const IpAddress& to) {
  return {"snat " + ip_text(to.family()) + " to " + to_text(to),
          {load_immediate(to.bytes()), translate(NFT_NAT_SNAT, to.family(), kNoPort)}};
}

Statement dnat(const IpAddress& to) {
  return {"dnat " + ip_text(to.family()) + " to " + to_text(to),
          {load_immediate(to.bytes()), translate(NFT_NAT_DNAT, to.family(), kNoPort)}};
}

Statement dnat_by_protocol_and_port(Family family, const std::string& map) {
  return {"dnat " + ip_text(family) + " to meta l4proto . th dport map @" + map,
          {load_meta(NFT_META_L4PROTO), load_payload(kDestinationPort, kAfter4), look_up(map, true),
           translate(NFT_NAT_DNAT, family, family == Family::v4 ? kAfter4 : kAfter16)}};
}

Statement dnat_by_port(Family family, Protocol protocol, const std::string& map) {
  Statement statement = l4proto(static_cast<std::uint8_t>(protocol));
  statement.text =
      "dnat " + ip_text(family) + " to " + std::string(to_text(protocol)) + " dport map @" + map;
  statement += {{},
                {load_payload(kDestinationPort), look_up(map, true),
                 translate(NFT_NAT_DNAT, family, kNoPort)}};
  return statement;
}

Statement accept() { return verdict("accept", NF_ACCEPT); }
Statement drop() { return verdict("drop", NF_DROP); }

}  // namespace egress::router::nft
