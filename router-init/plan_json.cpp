#include <nlohmann/json.hpp>

#include "router-init/plan_text.hpp"

namespace egress::router {
namespace {

using Json = nlohmann::ordered_json;

Json route_json(const Route& route) {
  Json hops = Json::array();
  for (const auto& hop : route.next_hops) {
    Json one{{"link", hop.link}};
    if (hop.gateway) one["gateway"] = to_text(*hop.gateway);
    if (hop.onlink) one["onlink"] = true;
    hops.push_back(std::move(one));
  }
  Json json{{"destination", to_text(route.destination)},
            {"next_hops", std::move(hops)},
            {"table", route.table}};
  if (route.source) json["source"] = to_text(*route.source);
  if (route.metric != 0) json["metric"] = route.metric;
  constexpr std::uint16_t kMtu = 2;  // RTAX_MTU
  for (const auto& [type, value] : route.metrics) {
    if (type == kMtu) json["mtu"] = value;
  }
  return json;
}

Json rule_json(const Rule& rule) {
  Json json{{"family", to_text(rule.family)}, {"priority", rule.priority}, {"table", rule.table}};
  if (!rule.input_link.empty()) json["input_link"] = rule.input_link;
  if (rule.from) json["from"] = to_text(*rule.from);
  if (rule.to) json["to"] = to_text(*rule.to);
  if (rule.mark != 0) json.update({{"mark", rule.mark}, {"mark_mask", rule.mark_mask}});
  return json;
}

Json address_json(const LinkAddress& address) {
  return {{"link", address.link}, {"address", to_text(address.prefix)}};
}

Json ruleset_json(const Ruleset& ruleset) {
  Json json{{"table", kTableName},
            {"fingerprint", fingerprint(ruleset)},
            {"egress_interface", ruleset.egress_interface},
            {"cluster_interface", ruleset.cluster_interface},
            {"answer_ping", ruleset.answer_ping},
            {"translates", ruleset.translation.has_value()}};
  for (const Family family : kFamilies) {
    const auto& sources = ruleset.sources[family];
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (i > 0) {
        json["more_sources"].push_back(to_text(sources[i]));
      } else {
        json[family == Family::v4 ? "source4" : "source6"] = to_text(sources[i]);
      }
    }
  }
  return json;
}

// The name of the action, and what it is about.
struct ToJson {
  Json operator()(const SetSysctl& one) const {
    return {{"action", "set_sysctl"}, {"key", one.key}, {"value", one.value}};
  }
  Json operator()(const CreateMacvlan& one) const {
    return {{"action", "create_macvlan"},   {"link", one.name},          {"parent", one.parent},
            {"node_netns", one.node_netns}, {"mode", to_text(one.mode)}, {"mtu", one.mtu}};
  }
  Json operator()(const RenameLink& one) const {
    return {{"action", "rename_link"}, {"link", one.from}, {"to", one.to}};
  }
  Json operator()(const DeleteLink& one) const {
    return {{"action", "delete_link"}, {"link", one.name}};
  }
  Json operator()(const SetLinkUp& one) const {
    return {{"action", "set_link_up"}, {"link", one.name}, {"up", one.up}};
  }
  Json operator()(const ProbeAddresses& one) const {
    Json addresses = Json::array();
    for (const auto& address : one.addresses) addresses.push_back(to_text(address));
    return {{"action", "probe_addresses"},
            {"link", one.link},
            {"addresses", std::move(addresses)},
            {"milliseconds", one.time.count()},
            {"carrier_required", one.carrier == Carrier::required}};
  }
  Json operator()(const AddAddress& one) const {
    return with("add_address", address_json(one.address));
  }
  Json operator()(const DeleteAddress& one) const {
    return with("delete_address", address_json(one.address));
  }
  Json operator()(const PutRoute& one) const { return with("put_route", route_json(one.route)); }
  Json operator()(const DeleteRoute& one) const {
    return with("delete_route", route_json(one.route));
  }
  Json operator()(const AddRule& one) const { return with("add_rule", rule_json(one.rule)); }
  Json operator()(const DeleteRule& one) const { return with("delete_rule", rule_json(one.rule)); }
  Json operator()(const LoadRuleset& one) const {
    return with("load_ruleset", ruleset_json(one.ruleset));
  }
  Json operator()(const DeleteRuleset&) const { return {{"action", "delete_ruleset"}}; }
  Json operator()(const DeleteStaleConntrack&) const {
    return {{"action", "delete_stale_conntrack"}};
  }
  Json operator()(const ResolveGateway& one) const {
    return {{"action", "resolve_gateway"},
            {"link", one.link},
            {"gateway", to_text(one.gateway)},
            {"milliseconds", one.time.count()},
            {"required", one.required}};
  }
  Json operator()(const Announce& one) const {
    return {{"action", "announce"}, {"link", one.link}, {"address", to_text(one.address)}};
  }

 private:
  static Json with(const char* action, const Json& rest) {
    Json json{{"action", action}};
    json.update(rest);
    return json;
  }
};

}  // namespace

std::string to_json(const NetworkPlan& plan) {
  Json steps = Json::array();
  for (const auto& step : plan.steps) {
    Json json = std::visit(ToJson{}, step.action);
    json["stage"] = to_text(stage_of(step.action));
    json["present"] = step.present;
    json["command"] = to_command(step.action);
    steps.push_back(std::move(json));
  }
  const Json json{{"version", 1},
                  {"warnings", plan.warnings},
                  {"assumptions", plan.assumptions},
                  {"steps", std::move(steps)},
                  {"nft", to_nft_text(plan)}};
  return json.dump(2) + "\n";
}

}  // namespace egress::router
