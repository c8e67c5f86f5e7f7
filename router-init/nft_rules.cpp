#include "router-init/nft_rules.hpp"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

// After glibc's headers, or both define the same (linux/libc-compat.h).
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "router-init/nft_statements.hpp"

namespace egress::router {
namespace {

using nft::BaseChain;
using nft::Compare;
using nft::DataType;
using nft::Rule;
using nft::Side;

constexpr std::uint32_t kInvalid = NF_CT_STATE_INVALID_BIT;
constexpr std::uint32_t kEstablishedOrRelated =
    NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
constexpr std::uint32_t kSpreadSeed = 0x45475253;  // fixed: a new pod spreads as the old one

std::string with_digit(std::string name, Family family) {
  return name += family == Family::v4 ? '4' : '6';
}
std::string egress_set(Family family) { return with_digit("egress", family); }
std::string fallback_counter(Family family) { return with_digit("fallback", family); }

DataType address_type(Family family) {
  return family == Family::v4 ? DataType::ipv4_addr : DataType::ipv6_addr;
}

IpPrefix prefix(std::initializer_list<std::uint8_t> start, std::uint8_t length,
                std::initializer_list<std::uint8_t> end = {}) {
  std::array<std::uint8_t, 16> bytes{};
  std::copy(start.begin(), start.end(), bytes.begin());
  std::copy(end.begin(), end.end(), bytes.end() - static_cast<std::ptrdiff_t>(end.size()));
  return {IpAddress::from_bytes(bytes), length};
}
const IpPrefix kLinkLocal = prefix({0xfe, 0x80}, 10);
const IpPrefix kAllNodes = prefix({0xff, 0x02}, 128, {0x01});  // RFC 4291 §2.7.1
const IpPrefix kSolicitedNodes = prefix({0xff, 0x02}, 104, {0x01, 0xff, 0, 0, 0});  // the same

class Builder {
 public:
  explicit Builder(const Ruleset& ruleset)
      : ruleset_(ruleset),
        from_cluster_(nft::iifname(Compare::equal, ruleset.cluster_interface)),
        from_egress_(nft::iifname(Compare::equal, ruleset.egress_interface)),
        to_cluster_(nft::oifname(Compare::equal, ruleset.cluster_interface)),
        to_egress_(nft::oifname(Compare::equal, ruleset.egress_interface)) {}

  nft::Table table() {
    nft::Table table;
    table.counters = {"forwarded_out",   "forwarded_in",    "dropped_invalid",
                      "dropped_outside", "dropped_forward", "dropped_leak"};
    for (const Family family : families()) table.sets.push_back(egress_ips(family));
    table.chains.push_back(address_filter());
    if (ruleset_.translation) {
      for (const Family family : kFamilies) {
        if (ruleset_.translation->fallback[family])
          table.counters.push_back(fallback_counter(family));
      }
      const auto maps = maps_of(*ruleset_.translation);
      for (const auto& map : maps) table.sets.push_back(map.set);
      table.chains.push_back(translate(*ruleset_.translation, maps));
    }
    if (ruleset_.masquerades()) table.chains.push_back(masquerade_as_source());
    table.chains.push_back(input());
    table.chains.push_back(forward());
    table.chains.push_back(error_guard());
    table.chains.push_back(leak_guard());
    return table;
  }

 private:
  // A map, and the rule that translates by it.
  struct Map {
    nft::Set set;
    Rule rule;
  };

  std::vector<Family> families() const {
    std::vector<Family> used;
    for (const Family family : kFamilies) {
      if (!ruleset_.sources[family].empty()) used.push_back(family);
    }
    return used;
  }
  bool has_v6() const { return !ruleset_.sources.v6.empty(); }

  // set egress4 { type ipv4_addr; elements = { 10.42.253.46 } }
  nft::Set egress_ips(Family family) const {
    nft::Set set{egress_set(family), {address_type(family)}, {}, false, {}};
    for (const auto& source : ruleset_.sources[family]) {
      const nft::Value key{source.bytes()};
      set.elements.push_back({key, key, {}});
    }
    return set;
  }

  // map destinations4 { type inet_proto . inet_service : ipv4_addr . inet_service; counter }
  // meta nfproto ipv4 dnat ip to meta l4proto . th dport map @destinations4
  //
  // Without the family the other family's connections would be looked up, and counted, too.
  static Map destinations(const Translation& translation, Family family) {
    nft::Set set{with_digit("destinations", family),
                 {DataType::inet_proto, DataType::inet_service},
                 {address_type(family), DataType::inet_service},
                 false,
                 {}};
    for (const auto& one : translation.ports) {
      if (one.address.family() != family) continue;
      const std::uint16_t port_be = htons(one.port);
      const std::uint16_t remote_be = htons(one.remote_port);
      const nft::Value key{bytes_of(one.protocol), bytes_of(port_be)};
      set.elements.push_back({key, key, nft::Value{one.address.bytes(), bytes_of(remote_be)}});
    }
    Rule rule{nft::nfproto(family), nft::dnat_by_protocol_and_port(family, set.name)};
    return {std::move(set), std::move(rule)};
  }

  // map tcp_ranges4 { type inet_service : ipv4_addr; flags interval; counter }
  // meta nfproto ipv4 dnat ip to tcp dport map @tcp_ranges4
  //
  // One for all protocols would need a key of two fields, and with those the kernel takes ten times
  // as long to load.
  static Map ranges(const Translation& translation, Family family, Protocol protocol) {
    nft::Set set{with_digit(std::string(to_text(protocol)) + "_ranges", family),
                 {DataType::inet_service},
                 {address_type(family)},
                 true,
                 {}};
    std::vector<RangeMapping> mappings;
    std::copy_if(translation.ranges.begin(), translation.ranges.end(), std::back_inserter(mappings),
                 [&](const RangeMapping& one) {
                   return one.protocol == protocol && one.address.family() == family;
                 });
    std::sort(mappings.begin(), mappings.end(), [](const RangeMapping& a, const RangeMapping& b) {
      return a.ports.first < b.ports.first;
    });
    for (const auto& one : mappings) {
      const std::uint16_t first_be = htons(one.ports.first);
      const std::uint16_t last_be = htons(one.ports.last);
      set.elements.push_back({nft::Value{bytes_of(first_be)}, nft::Value{bytes_of(last_be)},
                              nft::Value{one.address.bytes()}});
    }
    Rule rule{nft::nfproto(family), nft::dnat_by_port(family, protocol, set.name)};
    return {std::move(set), std::move(rule)};
  }

  // Those that are not empty.
  static std::vector<Map> maps_of(const Translation& translation) {
    std::vector<Map> maps;
    const auto add = [&](Map map) {
      if (!map.set.elements.empty()) maps.push_back(std::move(map));
    };
    for (const Family family : kFamilies) add(destinations(translation, family));
    for (const Family family : kFamilies) {
      for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
        add(ranges(translation, family, protocol));
    }
    return maps;
  }

  // Before packets are tracked, and before fragments are put together: what one interface brings in
  // never meets what the other does.
  BaseChain address_filter() const {
    BaseChain chain{"address_filter", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW_BEFORE_DEFRAG,
                    NF_ACCEPT,        {}};
    auto& rules = chain.rules;
    // The pod would answer from an egress IP, and by the egress interface.
    // iifname "eth0" ip daddr @egress4 counter name "dropped_forward" drop
    for (const Family family : families()) {
      rules.push_back({from_cluster_,
                       nft::address_in(Side::destination, family, egress_set(family)),
                       nft::count("dropped_forward"), nft::drop()});
    }
    // Here already, for the error that the kernel makes of an incomplete datagram.
    // iifname "eth0" meta mark set meta mark | 0x20000000
    rules.push_back({from_cluster_, nft::set_mark_bits(kClusterMark)});
    // iifname != "macvlan0" accept
    rules.push_back({nft::iifname(Compare::not_equal, ruleset_.egress_interface), nft::accept()});
    // ip daddr @egress4 accept
    for (const Family family : families()) {
      rules.push_back(
          {nft::address_in(Side::destination, family, egress_set(family)), nft::accept()});
    }
    // Neighbor discovery (RFC 4861): solicitations, unsolicited advertisements, and what the
    // link-local address is told. The chain `input` accepts nothing else that is sent there.
    if (has_v6()) {
      // ip6 daddr ff02::1:ff00:0/104 accept
      rules.push_back({nft::address(Side::destination, kSolicitedNodes), nft::accept()});
      // ip6 daddr ff02::1 accept
      rules.push_back({nft::address(Side::destination, kAllNodes), nft::accept()});
      // ip6 daddr fe80::/10 fib daddr . iif type local accept
      rules.push_back({nft::address(Side::destination, kLinkLocal),
                       nft::destination_is_local(Compare::equal), nft::accept()});
    }
    rules.push_back(drop_counted("dropped_outside"));
    return chain;
  }

  BaseChain translate(const Translation& translation, const std::vector<Map>& maps) const {
    BaseChain chain{"translate", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, NF_ACCEPT, {}};
    auto& rules = chain.rules;
    // iifname != "eth0" accept
    rules.push_back({nft::iifname(Compare::not_equal, ruleset_.cluster_interface), nft::accept()});
    // fib daddr . iif type != local accept
    rules.push_back({nft::destination_is_local(Compare::not_equal), nft::accept()});
    // The kernel rejects a forged source of its own for IPv4 only.
    // fib saddr type local counter name "dropped_forward" drop
    rules.push_back({nft::source_is_local(), nft::count("dropped_forward"), nft::drop()});
    for (const auto& map : maps) rules.push_back(map.rule);
    if (translation.fallback.v4 || translation.fallback.v6) {
      // tcp dport 9180 accept
      for (const auto port : translation.kept_ports)
        rules.push_back({nft::tcp_destination_port(port), nft::accept()});
    }
    // meta nfproto ipv4 counter name "fallback4" dnat ip to 203.0.113.27
    for (const Family family : kFamilies) {
      if (const auto& address = translation.fallback[family]) {
        rules.push_back(
            {nft::nfproto(family), nft::count(fallback_counter(family)), nft::dnat(*address)});
      }
    }
    return chain;
  }

  BaseChain masquerade_as_source() const {
    BaseChain chain{"masquerade_as_source", "nat",     NF_INET_POST_ROUTING,
                    NF_IP_PRI_NAT_SRC,      NF_ACCEPT, {}};
    for (const Family family : kFamilies) {
      const auto& sources = ruleset_.sources[family];
      for (std::size_t index = 0; index < sources.size(); ++index)
        chain.rules.push_back(snat(sources, index));
    }
    return chain;
  }

  // Each rule takes a share of the new connections that those before it left; the last one takes
  // the rest. Without translation the pod itself opens all of them, and by Spread::client the same
  // destination always sees the same address.
  //
  // oifname "macvlan0" meta nfproto ipv4 jhash ip saddr mod 2 seed 0x45475253 == 0
  //   snat ip to 10.42.253.46
  Rule snat(const std::vector<IpAddress>& sources, std::size_t at) const {
    const auto count = static_cast<std::uint32_t>(sources.size());
    const auto index = static_cast<std::uint32_t>(at);
    const Family family = sources[at].family();
    Rule rule{to_egress_, nft::nfproto(family)};
    if (index + 1 < count && ruleset_.spread == Spread::connection) {
      rule.push_back(nft::random(count - index, 0));  // drawn anew in each rule
    } else if (index + 1 < count) {
      const Side side = ruleset_.translation ? Side::source : Side::destination;
      rule.push_back(nft::jhash({side, family, count, kSpreadSeed}, index));
    }
    rule.push_back(nft::snat(sources[at]));
    return rule;
  }

  BaseChain input() const {
    BaseChain chain{"input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER, NF_ACCEPT, {}};
    auto& rules = chain.rules;
    // It was not translated and would reach the pod itself, whose RST would end the client's
    // connection.
    // iifname "eth0" ct state invalid counter name "dropped_invalid" drop
    if (ruleset_.translation) {
      rules.push_back(
          {from_cluster_, nft::ct_state(kInvalid), nft::count("dropped_invalid"), nft::drop()});
    }
    // iifname != "macvlan0" accept
    rules.push_back({nft::iifname(Compare::not_equal, ruleset_.egress_interface), nft::accept()});
    // ct direction reply ct state established,related accept
    rules.push_back(
        {nft::ct_direction_reply(), nft::ct_state(kEstablishedOrRelated), nft::accept()});
    // ip daddr @egress4 icmp type echo-request accept
    for (const Family family : families()) {
      if (!ruleset_.answer_ping) break;
      const bool v4 = family == Family::v4;
      rules.push_back({nft::address_in(Side::destination, family, egress_set(family)),
                       nft::icmp_type(family, v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST), nft::accept()});
    }
    if (has_v6()) {
      // icmpv6 type nd-neighbor-solicit accept
      for (const int type : {MLD_LISTENER_QUERY, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT})
        rules.push_back(
            {nft::icmp_type_of(Family::v6, static_cast<std::uint8_t>(type)), nft::accept()});
    }
    rules.push_back(drop_counted("dropped_outside"));
    return chain;
  }

  BaseChain forward() const {
    BaseChain chain{"forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER, NF_DROP, {}};
    if (ruleset_.translation) {
      auto& rules = chain.rules;
      // ct state invalid counter name "dropped_invalid" drop
      rules.push_back({nft::ct_state(kInvalid), nft::count("dropped_invalid"), nft::drop()});
      // tcp flags syn / syn,rst tcp option maxseg size set rt mtu
      rules.push_back({nft::tcp_syn(), nft::clamp_segment_size()});
      // iifname "eth0" oifname "macvlan0" ct status dnat counter name "forwarded_out" accept
      rules.push_back({from_cluster_, to_egress_, nft::ct_status_dnat(),
                       nft::count("forwarded_out"), nft::accept()});
      // iifname "macvlan0" oifname "eth0" ct status dnat ct direction reply
      //   ct state established,related counter name "forwarded_in" accept
      rules.push_back({from_egress_, to_cluster_, nft::ct_status_dnat(), nft::ct_direction_reply(),
                       nft::ct_state(kEstablishedOrRelated), nft::count("forwarded_in"),
                       nft::accept()});
    }
    chain.rules.push_back(drop_counted("dropped_forward"));
    return chain;
  }

  // The kernel's own ICMP errors go into the cluster for packets from there only. It makes some
  // before address_filter sees the packet (hop-by-hop options) or after `input` accepted it
  // (destination options, routing headers, incomplete datagrams to the link-local address), and
  // sends them to whatever source the packet names. Errors that are forwarded do not pass here.
  BaseChain error_guard() const {
    BaseChain chain{"error_guard", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER, NF_ACCEPT, {}};
    auto& rules = chain.rules;
    // oifname != "eth0" accept
    rules.push_back({nft::oifname(Compare::not_equal, ruleset_.cluster_interface), nft::accept()});
    // meta mark & 0x20000000 != 0x00000000 accept
    rules.push_back({nft::any_mark_bit(kClusterMark), nft::accept()});
    // icmp type destination-unreachable counter name "dropped_leak" drop
    constexpr std::array kErrors4{ICMP_DEST_UNREACH, ICMP_REDIRECT, ICMP_TIME_EXCEEDED,
                                  ICMP_PARAMETERPROB};
    constexpr std::array kErrors6{ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED,
                                  ICMP6_PARAM_PROB};
    for (const Family family : families()) {
      for (const int type : family == Family::v4 ? kErrors4 : kErrors6) {
        rules.push_back({nft::icmp_type_of(family, static_cast<std::uint8_t>(type)),
                         nft::count("dropped_leak"), nft::drop()});
      }
    }
    return chain;
  }

  BaseChain leak_guard() const {
    BaseChain chain{"leak_guard",           "filter",  NF_INET_POST_ROUTING,
                    NF_IP_PRI_NAT_SRC + 10, NF_ACCEPT, {}};
    auto& rules = chain.rules;
    // What outsiders make the kernel send to forged cluster addresses.
    // oifname "eth0" ip saddr @egress4 counter name "dropped_leak" drop
    for (const Family family : families()) {
      rules.push_back({to_cluster_, nft::address_in(Side::source, family, egress_set(family)),
                       nft::count("dropped_leak"), nft::drop()});
    }
    // oifname != "macvlan0" accept
    rules.push_back({nft::oifname(Compare::not_equal, ruleset_.egress_interface), nft::accept()});
    // ip saddr @egress4 accept
    for (const Family family : families())
      rules.push_back({nft::address_in(Side::source, family, egress_set(family)), nft::accept()});
    if (has_v6()) {
      // ip6 saddr fe80::/10 accept
      rules.push_back({nft::address(Side::source, kLinkLocal), nft::accept()});
      // Duplicate address detection sends from the unspecified address (RFC 4862 §5.4.2).
      // ip6 saddr :: accept
      rules.push_back(
          {nft::address(Side::source, {default_prefix(Family::v6).address, 128}), nft::accept()});
    }
    rules.push_back(drop_counted("dropped_leak"));
    return chain;
  }

  // counter name "dropped_outside" drop
  static Rule drop_counted(const std::string& counter) {
    return {nft::count(counter), nft::drop()};
  }

  const Ruleset& ruleset_;
  const nft::Statement from_cluster_;
  const nft::Statement from_egress_;
  const nft::Statement to_cluster_;
  const nft::Statement to_egress_;
};

const std::string kCommentPrefix = "plan ";

// FNV-1a, 64 bits: it has to tell our own rulesets apart, not to withstand forgery.
std::string hash_text(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  char digits[17] = {};
  std::snprintf(digits, sizeof digits, "%016" PRIx64, hash);
  return digits;
}

}  // namespace

// The text holds every value and every rule, so a hash of it changes with either.
nft::Table make_table(const Ruleset& ruleset) {
  nft::Table table = Builder(ruleset).table();
  table.comment = kCommentPrefix + hash_text(to_text(table));
  return table;
}

std::string fingerprint(const Ruleset& ruleset) {
  return make_table(ruleset).comment.substr(kCommentPrefix.size());
}

std::string to_nft_text(const Ruleset& ruleset) {
  const std::string name = "table inet " + std::string(kTableName);
  const nft::Table table = make_table(ruleset);
  return name + "\ndelete " + name + "\n" + name + " {\n  comment \"" + table.comment + "\"\n" +
         to_text(table) + "}\n";
}

}  // namespace egress::router
