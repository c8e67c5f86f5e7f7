#include "router-init/nft_rules.hpp"

#include <libnftnl/rule.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

// After glibc's headers, or both define the same (linux/libc-compat.h).
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include <array>
#include <new>

#include "router-init/nft_expressions.hpp"
#include "router-init/ruleset_parts.hpp"

namespace egress::router {
namespace {

using nft::Compare;

constexpr std::uint32_t kInvalid = NF_CT_STATE_INVALID_BIT;
constexpr std::uint32_t kEstablishedOrRelated =
    NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
// The same place in TCP (RFC 9293), UDP (RFC 768) and SCTP (RFC 9260).
constexpr nft::Payload kDestinationPort{NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};

NftRule make_rule() {
  NftRule rule(nftnl_rule_alloc());
  if (!rule) throw std::bad_alloc();
  return rule;
}

// iifname "eth0" meta mark set meta mark | 0x20000000
NftRule mark(const std::string& cluster) {
  constexpr std::uint32_t kKept = ~kClusterMark;
  constexpr std::uint32_t kSet = kClusterMark;
  auto rule = make_rule();
  nft::match_iifname(rule.get(), Compare::equal, cluster);
  nft::load_meta(rule.get(), NFT_META_MARK);
  nft::bitwise(rule.get(), nft::bytes_of(kKept), nft::bytes_of(kSet));
  nft::set_meta(rule.get(), NFT_META_MARK);
  return rule;
}

// iifname != "eth0" accept
NftRule accept_unless_from(const std::string& link) {
  auto rule = make_rule();
  nft::match_iifname(rule.get(), Compare::not_equal, link);
  nft::accept(rule.get());
  return rule;
}

// oifname != "macvlan0" accept
NftRule accept_unless_towards(const std::string& link) {
  auto rule = make_rule();
  nft::match_oifname(rule.get(), Compare::not_equal, link);
  nft::accept(rule.get());
  return rule;
}

// fib daddr . iif type != local accept
NftRule accept_unless_for_us() {
  auto rule = make_rule();
  nft::load_fib_address_type(rule.get(), NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF);
  nft::compare(rule.get(), Compare::not_equal, nft::bytes_of(nft::kLocal));
  nft::accept(rule.get());
  return rule;
}

// fib saddr type local counter name "dropped_forward" drop
NftRule drop_from_us() {
  auto rule = make_rule();
  nft::load_fib_address_type(rule.get(), NFTA_FIB_F_SADDR);
  nft::compare(rule.get(), Compare::equal, nft::bytes_of(nft::kLocal));
  nft::count_in(rule.get(), "dropped_forward");
  nft::drop(rule.get());
  return rule;
}

// meta nfproto ipv4 dnat ip to meta l4proto . th dport map @destinations4
NftRule translate_by(const DestinationMap& map) {
  auto rule = make_rule();
  nft::match_nfproto(rule.get(), map.family);
  nft::load_meta(rule.get(), NFT_META_L4PROTO);
  nft::load_payload(rule.get(), kDestinationPort, nft::kRegisterAfter4);
  nft::look_up(rule.get(), map.name);
  const bool v4 = map.family == Family::v4;
  nft::translate(rule.get(),
                 {NFT_NAT_DNAT, map.family, v4 ? nft::kRegisterAfter4 : nft::kRegisterAfter16});
  return rule;
}

// meta nfproto ipv4 dnat ip to tcp dport map @tcp_ranges4
NftRule translate_by(const RangeMap& map) {
  auto rule = make_rule();
  nft::match_nfproto(rule.get(), map.family);
  nft::match_l4proto(rule.get(), static_cast<std::uint8_t>(map.protocol));
  nft::load_payload(rule.get(), kDestinationPort);
  nft::look_up(rule.get(), map.name);
  nft::translate(rule.get(), {NFT_NAT_DNAT, map.family, {}});
  return rule;
}

// tcp dport 9180 accept
NftRule keep(std::uint16_t port) {
  const std::uint16_t port_be = htons(port);
  auto rule = make_rule();
  nft::match_l4proto(rule.get(), IPPROTO_TCP);
  nft::load_payload(rule.get(), kDestinationPort);
  nft::compare(rule.get(), Compare::equal, nft::bytes_of(port_be));
  nft::accept(rule.get());
  return rule;
}

// meta nfproto ipv4 counter name "fallback4" dnat ip to 203.0.113.27
NftRule translate_rest_to(const IpAddress& address) {
  auto rule = make_rule();
  nft::match_nfproto(rule.get(), address.family());
  nft::count_in(rule.get(), address.is_v4() ? "fallback4" : "fallback6");
  nft::load_immediate(rule.get(), address.bytes());
  nft::translate(rule.get(), {NFT_NAT_DNAT, address.family(), {}});
  return rule;
}

// oifname "macvlan0" meta nfproto ipv4 [jhash ip saddr mod 2 seed 0x45475253 == 0] snat ip to
// 10.42.253.46
NftRule masquerade(const std::string& egress, const SpreadRule& spread) {
  const Family family = spread.address.family();
  auto rule = make_rule();
  nft::match_oifname(rule.get(), Compare::equal, egress);
  nft::match_nfproto(rule.get(), family);
  if (spread.hash == SpreadRule::Hash::random) {
    nft::load_random(rule.get(), spread.modulus);
  } else if (spread.hash != SpreadRule::Hash::none) {
    nft::load_address_hash(rule.get(), family, spread.hash == SpreadRule::Hash::source,
                           spread.modulus, kSpreadSeed);
  }
  if (spread.hash != SpreadRule::Hash::none)
    nft::compare(rule.get(), Compare::equal, nft::bytes_of(spread.equals));
  nft::load_immediate(rule.get(), spread.address.bytes());
  nft::translate(rule.get(), {NFT_NAT_SNAT, family, {}});
  return rule;
}

// iifname "eth0" ct state invalid counter name "dropped_invalid" drop
NftRule drop_invalid_from(const std::string& link) {
  auto rule = make_rule();
  nft::match_iifname(rule.get(), Compare::equal, link);
  nft::match_ct_state(rule.get(), kInvalid);
  nft::count_in(rule.get(), "dropped_invalid");
  nft::drop(rule.get());
  return rule;
}

// ct state invalid counter name "dropped_invalid" drop
NftRule drop_invalid() {
  auto rule = make_rule();
  nft::match_ct_state(rule.get(), kInvalid);
  nft::count_in(rule.get(), "dropped_invalid");
  nft::drop(rule.get());
  return rule;
}

// ct state established,related accept
NftRule accept_replies() {
  auto rule = make_rule();
  nft::match_ct_state(rule.get(), kEstablishedOrRelated);
  nft::accept(rule.get());
  return rule;
}

// icmpv6 type nd-neighbor-solicit accept
NftRule accept_icmp(Family family, std::uint8_t type) {
  auto rule = make_rule();
  nft::match_nfproto(rule.get(), family);
  nft::match_icmp_type(rule.get(), family, type);
  nft::accept(rule.get());
  return rule;
}

// ip daddr 10.42.253.46 icmp type echo-request accept
NftRule accept_ping(const IpAddress& address) {
  auto rule = make_rule();
  nft::match_destination(rule.get(), address);
  const std::uint8_t type = address.is_v4() ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  nft::match_icmp_type(rule.get(), address.family(), type);
  nft::accept(rule.get());
  return rule;
}

// tcp flags syn / syn,rst tcp option maxseg size set rt mtu
NftRule clamp_segment_size() {
  constexpr nft::Payload kFlags{NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1};  // RFC 9293 §3.1
  constexpr std::array<std::uint8_t, 1> kSyn{0x02};
  constexpr std::array<std::uint8_t, 1> kSynAndRst{0x06};
  auto rule = make_rule();
  nft::match_l4proto(rule.get(), IPPROTO_TCP);
  nft::load_payload(rule.get(), kFlags);
  nft::bitwise(rule.get(), kSynAndRst, std::array<std::uint8_t, 1>{});
  nft::compare(rule.get(), Compare::equal, kSyn);
  nft::load_rt_tcpmss(rule.get());
  nft::host_to_network(rule.get(), sizeof(std::uint16_t));
  nft::write_tcp_option_maxseg(rule.get());
  return rule;
}

// iifname "eth0" oifname "macvlan0" ct status dnat counter name "forwarded_out" accept
NftRule forward_out(const Ruleset& ruleset) {
  auto rule = make_rule();
  nft::match_iifname(rule.get(), Compare::equal, ruleset.cluster_interface);
  nft::match_oifname(rule.get(), Compare::equal, ruleset.egress_interface);
  nft::match_ct_status(rule.get(), IPS_DST_NAT);
  nft::count_in(rule.get(), "forwarded_out");
  nft::accept(rule.get());
  return rule;
}

// iifname "macvlan0" oifname "eth0" ct status dnat ct state established,related
//   counter name "forwarded_in" accept
NftRule forward_in(const Ruleset& ruleset) {
  auto rule = make_rule();
  nft::match_iifname(rule.get(), Compare::equal, ruleset.egress_interface);
  nft::match_oifname(rule.get(), Compare::equal, ruleset.cluster_interface);
  nft::match_ct_status(rule.get(), IPS_DST_NAT);
  nft::match_ct_state(rule.get(), kEstablishedOrRelated);
  nft::count_in(rule.get(), "forwarded_in");
  nft::accept(rule.get());
  return rule;
}

// ip6 saddr fe80::/10 accept
NftRule accept_from(const IpPrefix& source) {
  auto rule = make_rule();
  nft::match_source(rule.get(), source);
  nft::accept(rule.get());
  return rule;
}

// counter name "dropped_outside" drop
NftRule drop_counted(const std::string& counter) {
  auto rule = make_rule();
  nft::count_in(rule.get(), counter);
  nft::drop(rule.get());
  return rule;
}

BaseChain make_mark_cluster(const Ruleset& ruleset) {
  BaseChain chain{"mark_cluster", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE, NF_ACCEPT, {}};
  chain.rules.push_back(mark(ruleset.cluster_interface));
  return chain;
}

BaseChain make_translate(const Ruleset& ruleset, const Translation& translation) {
  BaseChain chain{"translate", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, NF_ACCEPT, {}};
  chain.rules.push_back(accept_unless_from(ruleset.cluster_interface));
  chain.rules.push_back(accept_unless_for_us());
  // The kernel refuses a forged source of its own for IPv4 only.
  chain.rules.push_back(drop_from_us());
  for (const auto& map : destination_maps(translation)) chain.rules.push_back(translate_by(map));
  for (const auto& map : range_maps(translation)) chain.rules.push_back(translate_by(map));
  if (translation.fallback.v4 || translation.fallback.v6) {
    for (const auto port : translation.kept_ports) chain.rules.push_back(keep(port));
  }
  for (const auto& address : {translation.fallback.v4, translation.fallback.v6}) {
    if (address) chain.rules.push_back(translate_rest_to(*address));
  }
  return chain;
}

BaseChain make_masquerade_as_source(const Ruleset& ruleset) {
  BaseChain chain{"masquerade_as_source", "nat",     NF_INET_POST_ROUTING,
                  NF_IP_PRI_NAT_SRC,      NF_ACCEPT, {}};
  for (const Family family : {Family::v4, Family::v6}) {
    for (const auto& spread : spread_rules(ruleset, family))
      chain.rules.push_back(masquerade(ruleset.egress_interface, spread));
  }
  return chain;
}

BaseChain make_input(const Ruleset& ruleset) {
  BaseChain chain{"input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT, {}};
  auto& rules = chain.rules;
  // It was not translated and would reach the pod itself, whose RST would end the client's
  // connection.
  if (ruleset.translation) rules.push_back(drop_invalid_from(ruleset.cluster_interface));
  rules.push_back(accept_unless_from(ruleset.egress_interface));
  rules.push_back(accept_replies());
  for (const Family family : {Family::v4, Family::v6}) {
    if (!ruleset.answer_ping) break;
    for (const auto& source : ruleset.sources[family]) rules.push_back(accept_ping(source));
  }
  if (!ruleset.sources.v6.empty()) {
    rules.push_back(accept_icmp(Family::v6, MLD_LISTENER_QUERY));
    rules.push_back(accept_icmp(Family::v6, ND_NEIGHBOR_SOLICIT));
    rules.push_back(accept_icmp(Family::v6, ND_NEIGHBOR_ADVERT));
  }
  rules.push_back(drop_counted("dropped_outside"));
  return chain;
}

BaseChain make_forward(const Ruleset& ruleset) {
  BaseChain chain{"forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP, {}};
  if (ruleset.translation) {
    chain.rules.push_back(drop_invalid());
    chain.rules.push_back(clamp_segment_size());
    chain.rules.push_back(forward_out(ruleset));
    chain.rules.push_back(forward_in(ruleset));
  }
  chain.rules.push_back(drop_counted("dropped_forward"));
  return chain;
}

BaseChain make_leak_guard(const Ruleset& ruleset) {
  BaseChain chain{"leak_guard",           "filter",  NF_INET_POST_ROUTING,
                  NF_IP_PRI_NAT_SRC + 10, NF_ACCEPT, {}};
  chain.rules.push_back(accept_unless_towards(ruleset.egress_interface));
  for (const Family family : {Family::v4, Family::v6}) {
    for (const auto& source : ruleset.sources[family])
      chain.rules.push_back(accept_from({source, address_bits(family)}));
  }
  if (!ruleset.sources.v6.empty()) {
    constexpr std::array<std::uint8_t, 16> kLinkLocal{0xfe, 0x80};
    chain.rules.push_back(accept_from({IpAddress::from_bytes(kLinkLocal), 10}));
    // Duplicate address detection asks from the unspecified address (RFC 4862 §5.4.2).
    chain.rules.push_back(accept_from({default_prefix(Family::v6).address, 128}));
  }
  chain.rules.push_back(drop_counted("dropped_leak"));
  return chain;
}

}  // namespace

void FreeNftRule::operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }

std::vector<BaseChain> make_chains(const Ruleset& ruleset) {
  std::vector<BaseChain> chains;
  chains.push_back(make_mark_cluster(ruleset));
  if (ruleset.translation) chains.push_back(make_translate(ruleset, *ruleset.translation));
  if (ruleset.masquerades()) chains.push_back(make_masquerade_as_source(ruleset));
  chains.push_back(make_input(ruleset));
  chains.push_back(make_forward(ruleset));
  chains.push_back(make_leak_guard(ruleset));
  return chains;
}

}  // namespace egress::router
