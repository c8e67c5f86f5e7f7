#include "router-init/plan_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

namespace egress::router {
namespace {

std::string ip_command(Family family) { return family == Family::v4 ? "ip " : "ip -6 "; }

std::string milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

// `default` instead of 0.0.0.0/0, and no length where it says nothing, as ip(8) prints them.
std::string route_target(const IpPrefix& prefix) {
  if (prefix.length == 0) return "default";
  return prefix.is_host() ? to_text(prefix.address) : to_text(prefix);
}

std::string next_hop_text(const NextHop& hop, Family family) {
  std::string text;
  if (hop.gateway) {
    const bool other = hop.gateway->family() != family;  // RFC 5549: IPv4 by an IPv6 gateway
    text += (other ? " via inet6 " : " via ") + to_text(*hop.gateway);
  }
  text += " dev " + hop.link;
  if (hop.onlink) text += " onlink";
  return text;
}

// Of linux/rtnetlink.h, RTAX_*, as ip(8) spells them; RTAX_LOCK marks those that the kernel must
// not adapt.
std::string metrics_text(const std::map<std::uint16_t, std::uint32_t>& metrics) {
  constexpr std::array<std::string_view, 18> kNames{
      "",         "",        "mtu",      "window",     "rtt",      "rttvar",
      "ssthresh", "cwnd",    "advmss",   "reordering", "hoplimit", "initcwnd",
      "features", "rto_min", "initrwnd", "quickack",   "",         "fastopen_no_cookie"};
  const auto locks = metrics.find(1);
  std::string text;
  for (const auto& [type, value] : metrics) {
    if (type >= kNames.size() || kNames[type].empty()) continue;
    const bool locked = locks != metrics.end() && (locks->second >> type & 1U) != 0;
    text += " " + std::string(kNames[type]) + (locked ? " lock " : " ") + std::to_string(value);
  }
  return text;
}

std::string route_text(const Route& route) {
  std::string text = route_target(route.destination);
  const bool multipath = route.next_hops.size() > 1;
  if (!multipath && !route.next_hops.empty())
    text += next_hop_text(route.next_hops[0], route.family());
  if (route.table != kMainTable) text += " table " + std::to_string(route.table);
  if (route.scope == RouteScope::link) text += " scope link";
  if (route.source) text += " src " + to_text(*route.source);
  if (route.metric != 0) text += " metric " + std::to_string(route.metric);
  if (route.preference != 0) text += route.preference == 1 ? " pref high" : " pref low";
  text += metrics_text(route.metrics);
  if (multipath) {
    for (const auto& hop : route.next_hops) text += " nexthop" + next_hop_text(hop, route.family());
  }
  return text;
}

std::string rule_text(const Rule& rule) {
  std::string text = "priority " + std::to_string(rule.priority);
  if (rule.from) text += " from " + to_text(*rule.from);
  if (rule.to) text += " to " + to_text(*rule.to);
  if (!rule.input_link.empty()) text += " iif " + rule.input_link;
  if (rule.mark != 0) {
    char mark[32] = {};
    std::snprintf(mark, sizeof mark, " fwmark 0x%x/0x%x", rule.mark, rule.mark_mask);
    text += mark;
  }
  return text + " lookup " + std::to_string(rule.table);
}

struct ToCommand {
  std::string operator()(const SetSysctl& one) const {
    return "sysctl -w " + one.key + "=" + one.value;
  }
  std::string operator()(const CreateMacvlan& one) const {
    return "nsenter --net=" + one.node_netns + " ip link add link " + one.parent + " name " +
           one.name + " netns $$ mtu " + std::to_string(one.mtu) + " type macvlan mode " +
           std::string(to_text(one.mode));
  }
  std::string operator()(const RenameLink& one) const {
    return "ip link set dev " + one.from + " name " + one.to;
  }
  std::string operator()(const DeleteLink& one) const { return "ip link delete dev " + one.name; }
  std::string operator()(const SetLinkUp& one) const {
    return "ip link set dev " + one.name + (one.up ? " up" : " down");
  }
  std::string operator()(const ProbeAddresses& one) const {
    std::string list;
    for (const auto& address : one.addresses) list += (list.empty() ? "" : ", ") + to_text(address);
    return "# probe for another holder of " + list + " on " + one.link + " for " +
           milliseconds(one.time);
  }
  std::string operator()(const AddAddress& one) const { return address("add", one.address); }
  std::string operator()(const DeleteAddress& one) const { return address("delete", one.address); }
  std::string operator()(const PutRoute& one) const {
    return ip_command(one.route.family()) + "route replace " + route_text(one.route);
  }
  std::string operator()(const DeleteRoute& one) const {
    return ip_command(one.route.family()) + "route delete " + route_text(one.route);
  }
  std::string operator()(const AddRule& one) const {
    return ip_command(one.rule.family) + "rule add " + rule_text(one.rule);
  }
  std::string operator()(const DeleteRule& one) const {
    return ip_command(one.rule.family) + "rule delete " + rule_text(one.rule);
  }
  std::string operator()(const LoadRuleset& one) const {
    return one.ruleset.translation ? "# nft: table inet " + std::string(kTableName)
                                   : "# nft: table inet " + std::string(kTableName) +
                                         " that lets nothing in from outside and forwards nothing";
  }
  std::string operator()(const DeleteRuleset&) const {
    return "nft delete table inet " + std::string(kTableName);
  }
  std::string operator()(const DeleteStaleConntrack&) const {
    return "# delete stale conntrack entries";
  }
  std::string operator()(const ResolveGateway& one) const {
    return "# resolve the gateway " + to_text(one.gateway) + " on " + one.link + " within " +
           milliseconds(one.time);
  }
  std::string operator()(const Announce& one) const {
    return "# announce " + to_text(one.address) + " on " + one.link;
  }

 private:
  static std::string address(const std::string& verb, const LinkAddress& one) {
    return ip_command(one.prefix.family()) + "address " + verb + " " + to_text(one.prefix) +
           " dev " + one.link +
           (verb == "add" && one.prefix.family() == Family::v6 ? " nodad" : "");
  }
};

// The ruleset that stands in the end; a guard before it is only on the way there.
const LoadRuleset* final_ruleset(const NetworkPlan& plan) {
  const LoadRuleset* last = nullptr;
  for (const auto& step : plan.steps) {
    if (const auto* load = std::get_if<LoadRuleset>(&step.action)) last = load;
  }
  return last;
}

}  // namespace

std::string to_command(const Action& action) { return std::visit(ToCommand{}, action); }

std::string to_nft_text(const NetworkPlan& plan) {
  const LoadRuleset* load = final_ruleset(plan);
  return load == nullptr ? std::string() : to_nft_text(load->ruleset);
}

std::string to_text(const NetworkPlan& plan) {
  std::string text;
  for (const auto& warning : plan.warnings) text += "# warning: " + warning + "\n";
  for (const auto& assumption : plan.assumptions) text += "# assumed: " + assumption + "\n";
  for (const auto& step : plan.steps) {
    const std::string command = to_command(step.action);
    const bool comment = command.starts_with("#");
    text += step.present ? "# already so: " + (comment ? command.substr(2) : command) : command;
    text += "\n";
  }
  return text + "\n# the ruleset, for nft -f\n" + to_nft_text(plan);
}

// Without the lifetimes themselves, which pass.
std::string attributes_text(const LinkAddress& address) {
  return std::string(address.lifetimes ? " dynamic" : "") +
         (address.no_prefix_route ? " noprefixroute" : "") +
         (address.metric != 0 ? " metric " + std::to_string(address.metric) : "");
}

std::set<std::string> state_lines(const HostFacts& facts) {
  std::set<std::string> lines;
  for (const auto& link : facts.links)
    lines.insert("link " + link.name + (link.up ? " up" : " down"));
  for (const auto& address : facts.addresses)
    lines.insert("address " + to_text(address.prefix) + " dev " + address.link +
                 attributes_text(address));
  for (const auto* routes : {&facts.routes, &facts.other_routes}) {
    for (const auto& route : *routes)
      lines.insert(std::string(to_text(route.family())) + " route " + route_text(route));
  }
  for (const auto& rule : facts.rules)
    lines.insert(std::string(to_text(rule.family)) + " rule " + rule_text(rule));
  for (const auto& [key, value] : facts.sysctls) lines.insert("sysctl " + key + "=" + value);
  if (facts.ruleset)
    lines.insert("nftables table " + std::string(kTableName) + ", " + facts.ruleset->comment);
  return lines;
}

std::vector<std::string> differences(const HostFacts& before, const HostFacts& after) {
  const auto old_lines = state_lines(before);
  const auto new_lines = state_lines(after);
  std::vector<std::string> list;
  for (const auto& line : old_lines) {
    if (!new_lines.contains(line)) list.push_back("missing: " + line);
  }
  for (const auto& line : new_lines) {
    if (!old_lines.contains(line)) list.push_back("new: " + line);
  }
  if (before.ruleset && after.ruleset) {
    const auto changed = differences(*before.ruleset, *after.ruleset);
    if (!changed.empty())
      list.push_back("nftables table " + std::string(kTableName) + ": " + changed);
  }
  return list;
}

}  // namespace egress::router
