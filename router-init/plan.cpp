#include "router-init/plan.hpp"

#include <algorithm>
#include <array>

#include "router-init/choose.hpp"
#include "router-init/wanted.hpp"

namespace egress::router {
namespace {

template <class Range, class Value>
bool holds(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

// Appends the steps in the order in which they are safe: nothing is open before the guard stands,
// nothing is claimed before the wire was asked, nothing is translated before the gateway answered.
class Planner {
 public:
  Planner(const RouterConfig& config, const HostFacts& facts, LinkChoice links)
      : config_(config), facts_(facts), links_(std::move(links)) {}

  NetworkPlan plan() {
    add_guard();
    add_link();
    add_sysctls();
    add({SetLinkUp{egress(), true}, undo_link_up(), links_.egress && links_.egress->up});
    for (const auto& own : config_.all_sources()) add_address(own);
    for (const auto& own : config_.primary_sources()) add_cluster_table(own.family());
    add_rules();
    for (const auto& own : config_.primary_sources()) add_egress_routes(own);
    for (const auto& own : config_.primary_sources()) add_gateway_check(own);
    add_ruleset();
    add_end_of_moved_flows();
    for (const auto& own : config_.all_sources()) add({Announce{egress(), own.address}, {}, false});
    plan_.warnings.insert(plan_.warnings.end(), links_.warnings.begin(), links_.warnings.end());
    plan_.assumptions = std::move(links_.assumptions);
    return std::move(plan_);
  }

 private:
  void add(Step step) { plan_.steps.push_back(std::move(step)); }
  const std::string& egress() const { return links_.egress_name; }
  const std::string& cluster() const { return links_.cluster_name; }

  const IpAddress& gateway(Family family) const { return *config_.gateway[family]; }

  // Where no table of ours stands yet, one that lets nothing in and forwards nothing is loaded
  // before all else, and with it goes all that a failure has to take back.
  void add_guard() {
    if (facts_.ruleset) return;
    Ruleset guard = wanted_ruleset(config_, egress(), cluster());
    guard.translation.reset();
    add({LoadRuleset{std::move(guard)}, DeleteRuleset{}, false});
  }

  void add_ruleset() {
    Ruleset ruleset = wanted_ruleset(config_, egress(), cluster());
    if (!facts_.ruleset && !ruleset.translation) return;  // the guard is all there is to it
    const bool present = facts_.ruleset && *facts_.ruleset == fingerprint(ruleset);
    add({LoadRuleset{std::move(ruleset)}, {}, present});
  }

  // Done anew by every run but the first, for the one before may have been killed after it had
  // loaded the table.
  void add_end_of_moved_flows() {
    if (!facts_.ruleset) return;
    auto translation = wanted_ruleset(config_, egress(), cluster()).translation;
    if (!translation) return;
    EndMovedFlows action{std::move(*translation), {}};
    for (const auto& one : facts_.addresses) {
      if (one.link == cluster()) action.pod_addresses.push_back(one.prefix.address);
    }
    add({std::move(action), {}, false});
  }

  void add_link() {
    if (links_.create) add({*links_.create, DeleteLink{egress()}, false});
  }

  std::optional<Action> undo_link_up() const {
    if (!links_.egress || links_.egress->up) return std::nullopt;
    return SetLinkUp{egress(), false};
  }

  void add_sysctls() {
    for (auto& setting : wanted_sysctls(config_, egress(), cluster())) {
      const auto now = facts_.sysctls.find(setting.key);
      if (now != facts_.sysctls.end()) {
        add({setting, SetSysctl{setting.key, now->second}, now->second == setting.value});
      } else if (!links_.egress && key_will_exist(setting.key)) {
        add({std::move(setting), {}, false});  // goes with the link that is still to be made
      }
    }
  }

  // A key of a link that is not there yet exists later if the cluster interface has the same one
  // now: a kernel without IPv6 has none.
  bool key_will_exist(std::string key) const {
    const auto at = key.find("/" + egress() + "/");
    if (at == key.npos) return facts_.sysctls.empty();
    key.replace(at + 1, egress().size(), cluster());
    return facts_.sysctls.empty() || facts_.sysctls.contains(key);
  }

  void add_address(const IpPrefix& own) {
    const LinkAddress wanted{egress(), own, false};
    const auto held =
        std::find_if(facts_.addresses.begin(), facts_.addresses.end(), [&](const LinkAddress& one) {
          return one.link == egress() && one.prefix.address == own.address;
        });
    const bool present = held != facts_.addresses.end();
    if (config_.address_probe.count() > 0) {
      add({ProbeAddress{egress(), own.address, config_.address_probe}, {}, present});
    }
    add({AddAddress{wanted}, DeleteAddress{wanted}, present});
    warn_of_others(own);
  }

  void warn_of_others(const IpPrefix& own) {
    for (const auto& one : facts_.addresses) {
      if (one.link != egress() || one.link_scope || one.prefix.family() != own.family()) continue;
      if (one.prefix.address == own.address) {
        if (one.prefix.length == own.length) continue;
        plan_.warnings.push_back(egress() + " holds EGRESS_SOURCE already, as " +
                                 to_text(one.prefix) + ": it stays so");
      } else if (!config_.is_source(one.prefix.address) &&
                 own == config_.sources[own.family()].front()) {
        plan_.warnings.push_back(egress() + " also holds " + to_text(one.prefix) +
                                 ": nothing leaves with that address");
      }
    }
  }

  void add_cluster_table(Family family) {
    for (auto& route : wanted_cluster_routes(facts_, family, cluster())) {
      const bool present = holds(facts_.routes, route);
      add({PutRoute{route}, DeleteRoute{route}, present});
    }
  }

  // Rules of ours that are wanted no more, such as those of another pod address, go last: until
  // then both ways work.
  void add_rules() {
    std::vector<Rule> all;
    for (const auto& own : config_.primary_sources()) {
      const auto rules = wanted_rules(facts_, own.family(), links_);
      all.insert(all.end(), rules.begin(), rules.end());
    }
    for (const auto& rule : all) add({AddRule{rule}, DeleteRule{rule}, holds(facts_.rules, rule)});
    for (const auto& rule : facts_.rules) {
      if (!holds(all, rule)) add({DeleteRule{rule}, AddRule{rule}, false});
    }
  }

  void add_egress_routes(const IpPrefix& own) {
    const Family family = own.family();
    for (const auto& route : wanted_egress_routes(own, gateway(family), egress())) {
      add_route_over(route);
      if (route.is_default()) remove_other_defaults(route);
    }
  }

  // PutRoute replaces a route with the same destination and metric; to take it back is to put that
  // one in its place.
  void add_route_over(const Route& route) {
    const auto replaced =
        std::find_if(facts_.routes.begin(), facts_.routes.end(), [&](const Route& one) {
          return one.table == kMainTable && one.destination == route.destination &&
                 one.metric == route.metric;
        });
    if (replaced == facts_.routes.end()) return add({PutRoute{route}, DeleteRoute{route}, false});
    add({PutRoute{route}, PutRoute{*replaced}, *replaced == route});
  }

  void remove_other_defaults(const Route& ours) {
    for (const auto& route : facts_.routes) {
      const bool other = route.table == kMainTable && route.is_default() &&
                         route.family() == ours.family() && route.metric != ours.metric;
      if (other) add({DeleteRoute{route}, PutRoute{route}, false});
    }
  }

  void add_gateway_check(const IpPrefix& own) {
    if (config_.gateway_check == GatewayCheck::off) return;
    add({ResolveGateway{egress(), gateway(own.family()), own.address, config_.gateway_timeout,
                        config_.gateway_check == GatewayCheck::require},
         {},
         false});
  }

  const RouterConfig& config_;
  const HostFacts& facts_;
  LinkChoice links_;
  NetworkPlan plan_;
};

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // clang 14 does not deduce aggregates

}  // namespace

Result<NetworkPlan> make_plan(const RouterConfig& config, const HostFacts& facts, Assume assume) {
  auto links = choose_links(config, facts, assume);
  if (!links) return links.error();
  return Planner(config, facts, std::move(*links)).plan();
}

ExitCode stage_of(const Action& action) {
  return std::visit(Overloaded{
                        [](const SetSysctl&) { return ExitCode::sysctl; },
                        [](const CreateMacvlan&) { return ExitCode::link; },
                        [](const DeleteLink&) { return ExitCode::link; },
                        [](const SetLinkUp&) { return ExitCode::link; },
                        [](const ProbeAddress&) { return ExitCode::conflict; },
                        [](const AddAddress&) { return ExitCode::address; },
                        [](const DeleteAddress&) { return ExitCode::address; },
                        [](const PutRoute&) { return ExitCode::route; },
                        [](const DeleteRoute&) { return ExitCode::route; },
                        [](const AddRule&) { return ExitCode::route; },
                        [](const DeleteRule&) { return ExitCode::route; },
                        [](const LoadRuleset&) { return ExitCode::ruleset; },
                        [](const DeleteRuleset&) { return ExitCode::ruleset; },
                        [](const EndMovedFlows&) { return ExitCode::ruleset; },
                        [](const ResolveGateway&) { return ExitCode::gateway; },
                        [](const Announce&) { return ExitCode::address; },
                    },
                    action);
}

}  // namespace egress::router
