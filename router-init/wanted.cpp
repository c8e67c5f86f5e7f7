#include "router-init/wanted.hpp"

#include <algorithm>
#include <array>

namespace egress::router {
namespace {

// A route to a more specific network first, on-link before by gateway.
bool added_before(const Route& a, const Route& b) {
  const bool on_link_a = !a.next_hops[0].gateway;
  const bool on_link_b = !b.next_hops[0].gateway;
  if (on_link_a != on_link_b) return on_link_a;
  return a.destination.length > b.destination.length;
}

// Where the cluster configures pods by router advertisements, they stay valid: with forwarding the
// kernel ignores them, and deletes the default route that it has from them, unless accept_ra is 2.
// That default route is kept in kClusterTable and must not come back to the main table.
void accept_cluster_advertisements(const HostFacts& facts, const std::string& cluster,
                                   std::vector<SetSysctl>& settings) {
  const auto now = facts.sysctls.find(link_key(Family::v6, cluster, "accept_ra"));
  if (now == facts.sysctls.end()) return;
  const bool gave_route =
      std::any_of(facts.routes.begin(), facts.routes.end(), [&](const Route& route) {
        return route.protocol == kRouterAdvertisementProtocol && route.leaves_by(cluster);
      });
  const bool gave_address =
      std::any_of(facts.addresses.begin(), facts.addresses.end(), [&](const LinkAddress& address) {
        return address.link == cluster && address.prefix.family() == Family::v6 &&
               !address.link_scope && address.lifetimes;
      });
  if (!gave_route && !gave_address && now->second != "2") return;
  settings.push_back({now->first, "2"});
  settings.push_back({link_key(Family::v6, cluster, "accept_ra_defrtr"), "0"});
}

}  // namespace

std::vector<SetSysctl> wanted_sysctls(const RouterConfig& config, const HostFacts& facts,
                                      const std::string& egress, const std::string& cluster) {
  std::vector<SetSysctl> settings;
  if (!config.sources.v6.empty()) accept_cluster_advertisements(facts, cluster, settings);
  if (!config.sources.v4.empty()) {
    if (config.translates()) settings.push_back({"net/ipv4/ip_forward", "1"});
    settings.push_back({"net/ipv4/fwmark_reflect", "1"});
  }
  if (!config.sources.v6.empty()) {
    if (config.translates()) settings.push_back({"net/ipv6/conf/all/forwarding", "1"});
    settings.push_back({"net/ipv6/fwmark_reflect", "1"});
  }
  // Forwarding needs `all` and the link to agree on redirects, a host either of them: both are off.
  settings.push_back({"net/ipv4/conf/all/accept_redirects", "0"});
  settings.push_back({link_key(Family::v4, egress, "accept_redirects"), "0"});
  settings.push_back({link_key(Family::v4, egress, "accept_source_route"), "0"});
  // Loose: the way back to a cluster client, or to a nameserver, is not the one that the main table
  // names.
  settings.push_back({link_key(Family::v4, cluster, "rp_filter"), "2"});
  settings.push_back({link_key(Family::v4, egress, "rp_filter"), "2"});
  // Each address is answered for on its own link only, and no other is named in a question.
  settings.push_back({link_key(Family::v4, egress, "arp_ignore"), "1"});
  settings.push_back({link_key(Family::v4, cluster, "arp_ignore"), "1"});
  settings.push_back({link_key(Family::v4, egress, "arp_announce"), "2"});
  // No other host's address is answered for: `all` would make each link a proxy.
  settings.push_back({link_key(Family::v4, "all", "proxy_arp"), "0"});
  settings.push_back({link_key(Family::v4, egress, "proxy_arp"), "0"});
  settings.push_back({link_key(Family::v4, egress, "proxy_arp_pvlan"), "0"});
  // The kernel announces by itself when the link comes back.
  settings.push_back({link_key(Family::v4, egress, "arp_notify"), "1"});
  if (!config.sources.v6.empty()) {
    settings.push_back({link_key(Family::v6, egress, "accept_ra"), "0"});
    settings.push_back({link_key(Family::v6, egress, "autoconf"), "0"});
    settings.push_back({link_key(Family::v6, egress, "accept_redirects"), "0"});
    settings.push_back({link_key(Family::v6, egress, "ndisc_notify"), "1"});
    settings.push_back({link_key(Family::v6, "all", "proxy_ndp"), "0"});
    settings.push_back({link_key(Family::v6, egress, "proxy_ndp"), "0"});
    settings.push_back({link_key(Family::v6, egress, "disable_ipv6"), "0"});
  } else {
    settings.push_back({link_key(Family::v6, egress, "disable_ipv6"), "1"});
  }
  if (config.mode == Mode::dns_proxy)
    settings.push_back({"net/ipv4/ip_unprivileged_port_start", "0"});
  return settings;
}

std::vector<Route> wanted_cluster_routes(const HostFacts& facts, Family family,
                                         const std::string& cluster) {
  std::vector<Route> routes;
  for (Route route : facts.routes) {
    if (route.family() != family || !route.leaves_by(cluster)) continue;
    if (family == Family::v6 && route.destination.address.is_link_local()) continue;
    route.table = kClusterTable;
    route.protocol = kStaticProtocol;
    if (std::find(routes.begin(), routes.end(), route) == routes.end())
      routes.push_back(std::move(route));
  }
  std::stable_sort(routes.begin(), routes.end(), added_before);
  return routes;
}

std::vector<Rule> wanted_rules(const HostFacts& facts, Family family, const LinkChoice& links) {
  const Rule to_cluster{family, kRulePriority, kClusterTable, {}, {}, {}, 0, 0};
  std::vector<Rule> rules;

  rules.push_back(to_cluster);
  rules.back().input_link = links.egress_name;

  for (const auto& one : facts.addresses) {
    if (one.link != links.cluster_name || one.link_scope || one.prefix.family() != family) continue;
    rules.push_back(to_cluster);
    rules.back().priority = kRulePriority + 1;
    rules.back().from = IpPrefix{one.prefix.address, address_bits(family)};
  }

  for (const auto& nameserver : facts.nameservers) {
    if (nameserver.family() != family || nameserver.is_loopback()) continue;
    Rule rule = to_cluster;
    rule.priority = kRulePriority + 2;
    rule.input_link = "lo";
    rule.to = IpPrefix{nameserver, address_bits(family)};
    if (std::find(rules.begin(), rules.end(), rule) == rules.end())
      rules.push_back(std::move(rule));
  }

  rules.push_back(to_cluster);
  rules.back().priority = kRulePriority + 3;
  rules.back().input_link = "lo";
  rules.back().mark = kClusterMark;
  rules.back().mark_mask = kClusterMark;
  return rules;
}

std::vector<Route> wanted_egress_routes(const IpPrefix& source, const IpAddress& gateway,
                                        const std::string& egress) {
  const Family family = source.family();
  // IPv6 has no metric 0: 1 comes before the 1024 of routes that others make.
  Route to_gateway;
  to_gateway.destination = {gateway, address_bits(family)};
  to_gateway.next_hops = {{egress, {}, false}};
  to_gateway.metric = family == Family::v4 ? 0 : 1;
  if (family == Family::v4) to_gateway.scope = RouteScope::link;
  Route outside;
  outside.destination = default_prefix(family);
  outside.next_hops = {{egress, gateway, false}};
  outside.metric = to_gateway.metric;
  outside.source = source.address;
  if (gateway.is_v6() && gateway.is_link_local()) return {outside};  // on every link by itself
  return {to_gateway, outside};
}

Ruleset wanted_ruleset(const RouterConfig& config, const std::string& egress,
                       const std::string& cluster) {
  Ruleset ruleset{egress, cluster, {}, config.answer_ping, {}, config.spread};
  for (const auto& source : config.all_sources())
    ruleset.sources[source.family()].push_back(source.address);
  if (!config.translates()) return ruleset;

  Translation& translation = ruleset.translation.emplace();
  for (const auto& entry : config.destinations.entries) {
    if (!entry.local.is_single() && entry.local == entry.remote) {
      translation.ranges.push_back({entry.protocol, entry.local, entry.address});
      continue;
    }
    // nftables has no "same offset into another range", so a shifted range is as many single ports.
    for (std::uint32_t offset = 0; offset < entry.local.size(); ++offset) {
      translation.ports.push_back(
          {entry.protocol, static_cast<std::uint16_t>(entry.local.first + offset), entry.address,
           static_cast<std::uint16_t>(entry.remote.first + offset)});
    }
  }
  for (const Family family : kFamilies) {
    if (const auto& fallback = config.destinations.fallback[family])
      translation.fallback[family] = fallback->address;
  }
  translation.kept_ports = config.kept_ports;
  return ruleset;
}

}  // namespace egress::router
