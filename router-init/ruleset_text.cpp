#include <cinttypes>
#include <cstdio>

#include "router-init/ruleset_parts.hpp"

namespace egress::router {
namespace {

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

// nft reads a final * as a wildcard, unless a backslash stands before it; nothing else is special
// between quotes. It has no spelling for such a name with a backslash inside, or with 15
// characters.
std::string quoted(std::string name) {
  if (name.ends_with('*')) name.insert(name.size() - 1, 1, '\\');
  return '"' + name + '"';
}

std::string nft_family(Family family) { return family == Family::v4 ? "ip" : "ip6"; }

// "meta nfproto ipv4 ".
std::string match_family(Family family) {
  return family == Family::v4 ? "meta nfproto ipv4 " : "meta nfproto ipv6 ";
}

class Printer {
 public:
  explicit Printer(const Ruleset& ruleset)
      : ruleset_(ruleset),
        egress_(quoted(ruleset.egress_interface)),
        cluster_(quoted(ruleset.cluster_interface)) {}

  // All that stands between the table's braces, but for the comment.
  std::string body() {
    for (const auto& name : counter_names(ruleset_)) {
      open("counter " + name);
      line("packets 0 bytes 0");
      close();
    }
    if (ruleset_.translation) maps(*ruleset_.translation);
    mark_cluster();
    if (ruleset_.translation) translate(*ruleset_.translation);
    if (ruleset_.masquerades()) masquerade_as_source();
    input();
    forward();
    leak_guard();
    return std::move(text_);
  }

 private:
  void open(const std::string& what) { text_ += "\n  " + what + " {\n"; }
  void line(const std::string& what) { text_ += "    " + what + "\n"; }
  void close() { text_ += "  }\n"; }

  void maps(const Translation& translation) {
    for (const auto& map : destination_maps(translation)) {
      open("map " + map.name);
      line("type inet_proto . inet_service : " + address_type(map.family) + " . inet_service");
      line("counter");
      line("elements = {");
      for (const auto& one : map.mappings) {
        line("  " + std::string(to_text(one.protocol)) + " . " + std::to_string(one.port) + " : " +
             to_text(one.address) + " . " + std::to_string(one.remote_port) + ",");
      }
      line("}");
      close();
    }
    for (const auto& map : range_maps(translation)) {
      open("map " + map.name);
      line("type inet_service : " + address_type(map.family));
      line("flags interval");
      line("counter");
      line("elements = {");
      for (const auto& one : map.mappings) {
        line("  " + to_text(one.ports) + " : " + to_text(one.address) + ",");
      }
      line("}");
      close();
    }
  }

  void mark_cluster() {
    char mark[16] = {};
    std::snprintf(mark, sizeof mark, "0x%08" PRIx32, kClusterMark);
    open("chain mark_cluster");
    line("type filter hook prerouting priority mangle; policy accept;");
    line("iifname " + cluster_ + " meta mark set meta mark | " + mark);
    close();
  }

  void translate(const Translation& translation) {
    open("chain translate");
    line("type nat hook prerouting priority dstnat; policy accept;");
    line("iifname != " + cluster_ + " accept");
    line("fib daddr . iif type != local accept");
    line("fib saddr type local counter name \"dropped_forward\" drop");
    // Without the family the other family's connections would be looked up, and counted, too.
    for (const auto& map : destination_maps(translation)) {
      line(match_family(map.family) + "dnat " + nft_family(map.family) +
           " to meta l4proto . th dport map @" + map.name);
    }
    for (const auto& map : range_maps(translation)) {
      line(match_family(map.family) + "dnat " + nft_family(map.family) + " to " +
           std::string(to_text(map.protocol)) + " dport map @" + map.name);
    }
    if (translation.fallback.v4 || translation.fallback.v6) {
      for (const auto port : translation.kept_ports)
        line("tcp dport " + std::to_string(port) + " accept");
    }
    if (const auto& to = translation.fallback.v4) {
      line("meta nfproto ipv4 counter name \"fallback4\" dnat ip to " + to_text(*to));
    }
    if (const auto& to = translation.fallback.v6) {
      line("meta nfproto ipv6 counter name \"fallback6\" dnat ip6 to " + to_text(*to));
    }
    close();
  }

  void masquerade_as_source() {
    open("chain masquerade_as_source");
    line("type nat hook postrouting priority srcnat; policy accept;");
    for (const Family family : {Family::v4, Family::v6}) {
      for (const auto& rule : spread_rules(ruleset_, family)) {
        line("oifname " + egress_ + " " + match_family(family) + match_spread(rule) + "snat " +
             nft_family(family) + " to " + to_text(rule.address));
      }
    }
    close();
  }

  static std::string match_spread(const SpreadRule& rule) {
    const std::string modulus = std::to_string(rule.modulus);
    const std::string family = nft_family(rule.address.family());
    switch (rule.hash) {
      case SpreadRule::Hash::none: return {};
      case SpreadRule::Hash::random: return "numgen random mod " + modulus + " == 0 ";
      case SpreadRule::Hash::source:
      case SpreadRule::Hash::destination: break;
    }
    char seed[16] = {};
    std::snprintf(seed, sizeof seed, "0x%08" PRIx32, kSpreadSeed);
    return "jhash " + family + (rule.hash == SpreadRule::Hash::source ? " saddr" : " daddr") +
           " mod " + modulus + " seed " + seed + " == " + std::to_string(rule.equals) + " ";
  }

  void input() {
    open("chain input");
    line("type filter hook input priority filter; policy accept;");
    if (ruleset_.translation) {
      line("iifname " + cluster_ + " ct state invalid counter name \"dropped_invalid\" drop");
    }
    line("iifname != " + egress_ + " accept");
    line("ct state established,related accept");
    for (const Family family : {Family::v4, Family::v6}) {
      if (!ruleset_.answer_ping) break;
      for (const auto& source : ruleset_.sources[family]) {
        line(nft_family(family) + " daddr " + to_text(source) +
             (source.is_v4() ? " icmp" : " icmpv6") + " type echo-request accept");
      }
    }
    if (!ruleset_.sources.v6.empty()) {
      line("icmpv6 type mld-listener-query accept");
      line("icmpv6 type nd-neighbor-solicit accept");
      line("icmpv6 type nd-neighbor-advert accept");
    }
    line("counter name \"dropped_outside\" drop");
    close();
  }

  void forward() {
    open("chain forward");
    line("type filter hook forward priority filter; policy drop;");
    if (ruleset_.translation) {
      line("ct state invalid counter name \"dropped_invalid\" drop");
      line("tcp flags syn / syn,rst tcp option maxseg size set rt mtu");
      line("iifname " + cluster_ + " oifname " + egress_ +
           " ct status dnat counter name \"forwarded_out\" accept");
      line("iifname " + egress_ + " oifname " + cluster_ +
           " ct status dnat ct state established,related counter name \"forwarded_in\" accept");
    }
    line("counter name \"dropped_forward\" drop");
    close();
  }

  void leak_guard() {
    open("chain leak_guard");
    line("type filter hook postrouting priority srcnat + 10; policy accept;");
    line("oifname != " + egress_ + " accept");
    for (const auto& source : ruleset_.sources[Family::v4])
      line("ip saddr " + to_text(source) + " accept");
    for (const auto& source : ruleset_.sources[Family::v6])
      line("ip6 saddr " + to_text(source) + " accept");
    if (!ruleset_.sources.v6.empty()) {
      line("ip6 saddr fe80::/10 accept");
      line("ip6 saddr :: accept");
    }
    line("counter name \"dropped_leak\" drop");
    close();
  }

  static std::string address_type(Family family) {
    return family == Family::v4 ? "ipv4_addr" : "ipv6_addr";
  }

  const Ruleset& ruleset_;
  const std::string egress_;
  const std::string cluster_;
  std::string text_;
};

}  // namespace

// The text holds every value and every rule, so a hash of it changes with either.
std::string fingerprint(const Ruleset& ruleset) { return hash_text(Printer(ruleset).body()); }

std::string to_nft_text(const Ruleset& ruleset) {
  const std::string table = "table inet " + std::string(kTableName);
  const std::string body = Printer(ruleset).body();
  return table + "\ndelete " + table + "\n" + table + " {\n  comment \"plan " + hash_text(body) +
         "\"\n" + body + "}\n";
}

}  // namespace egress::router
