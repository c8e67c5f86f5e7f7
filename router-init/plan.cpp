#include "router-init/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "router-init/choose.hpp"
#include "router-init/wanted.hpp"

namespace egress::router {
namespace {

// Sysctls with which the kernel changes others.
constexpr std::string_view kForwarding4 = "net/ipv4/ip_forward";
constexpr std::string_view kForwarding6 = "net/ipv6/conf/all/forwarding";

template <class Range, class Value>
bool holds(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

// Appends the steps in the order in which they are safe: nothing is open before the lockdown
// ruleset is loaded, no route is lost that kClusterTable does not hold, no address is used before
// it was probed for, nothing is translated before the gateway answered. What cannot be rolled back
// comes last, behind all that can fail: a rerun's ruleset takes the place of one that nobody has
// any more.
class Planner {
 public:
  Planner(const RouterConfig& config, const HostFacts& facts, LinkChoice links)
      : config_(config), facts_(facts), links_(std::move(links)) {}

  NetworkPlan plan() {
    add_guard();
    add_link();
    for (const auto& own : config_.primary_sources()) add_cluster_table(own.family());
    add_sysctls();
    add({SetLinkUp{egress(), true}, undo_link_up(), links_.egress && links_.egress->up});
    add_addresses();
    add_rules();
    for (const auto& own : config_.primary_sources()) add_egress_routes(own);
    for (const auto& own : config_.primary_sources()) add_gateway_check(own);
    for (const auto& own : config_.primary_sources()) remove_other_defaults(own.family());
    add_ruleset();
    add_stale_conntrack();
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
    add({LoadRuleset{std::move(guard)}, {DeleteRuleset{}}, false});
  }

  void add_ruleset() {
    Ruleset ruleset = wanted_ruleset(config_, egress(), cluster());
    if (!facts_.ruleset && !ruleset.translation) return;  // the guard is all there is to it
    const bool present = facts_.ruleset && is_loaded(ruleset, *facts_.ruleset);
    add({LoadRuleset{std::move(ruleset)}, {}, present});
  }

  // What the kernel holds counts, not what the table's comment says of it.
  bool is_loaded(const Ruleset& ruleset, const TableState& actual) {
    const TableState desired = state_of(ruleset);
    const std::string changed = differences(desired, actual);
    if (!changed.empty() && actual.comment == desired.comment) {
      plan_.warnings.push_back("table inet " + std::string(kTableName) +
                               " was changed by another program: " + changed +
                               ": it is loaded again");
    }
    return changed.empty();
  }

  // In every run: flows may have begun while the lockdown ruleset was there, and an earlier run may
  // have been killed after it had loaded the ruleset.
  void add_stale_conntrack() {
    auto translation = wanted_ruleset(config_, egress(), cluster()).translation;
    if (!translation) return;
    DeleteStaleConntrack action{std::move(*translation), {}};
    for (const auto& one : facts_.addresses) {
      if (one.link == cluster()) action.pod_addresses.push_back(one.prefix.address);
    }
    add({std::move(action), {}, false});
  }

  // A run that was killed may have left a link with its temporary name.
  void add_link() {
    const auto left = std::find_if(facts_.links.begin(), facts_.links.end(),
                                   [](const Link& link) { return link.name == kTemporaryLink; });
    if (left != facts_.links.end()) add({DeleteLink{left->name}, {}, false});
    if (!links_.create) return;
    add({*links_.create, {DeleteLink{links_.create->name}}, false});
    add({RenameLink{links_.create->name, egress()},
         {RenameLink{egress(), links_.create->name}},
         false});
  }

  // The kernel drops the IPv6 addresses and routes of a link that goes down, or that loses IPv6.
  // The routes that it adds with an address are not put back: they would replace those of other
  // links.
  std::vector<Action> restore_egress6() const {
    std::vector<Action> actions;
    for (const auto& one : facts_.addresses) {
      if (one.link == egress() && one.prefix.family() == Family::v6)
        actions.emplace_back(AddAddress{one});
    }
    for (const auto* routes : {&facts_.routes, &facts_.other_routes}) {
      for (const auto& route : *routes) {
        if (route.family() == Family::v6 && route.leaves_by(egress()) &&
            route.protocol != kKernelProtocol)
          actions.emplace_back(PutRoute{route});
      }
    }
    return actions;
  }

  std::vector<Action> undo_link_up() const {
    if (links_.egress && links_.egress->up) return {};
    std::vector<Action> actions = restore_egress6();
    actions.insert(actions.begin(), SetLinkUp{egress(), false});
    return actions;
  }

  void add_sysctls() {
    for (auto& setting : wanted_sysctls(config_, facts_, egress(), cluster())) {
      const auto now = facts_.sysctls.find(setting.key);
      if (now != facts_.sysctls.end()) {
        add({setting, undo_sysctl(setting.key, now->second), now->second == setting.value});
      } else if (!links_.egress && key_will_exist(setting.key)) {
        add({std::move(setting), {}, false});  // goes with the link that has not been created yet
      }
    }
  }

  // Restores the setting, and what the kernel changes together with it
  // (Documentation/networking/ip-sysctl.rst).
  std::vector<Action> undo_sysctl(const std::string& key, const std::string& value) const {
    std::vector<Action> actions{SetSysctl{key, value}};
    const auto restore = [&](const std::string& other) {
      const auto now = facts_.sysctls.find(other);
      if (now != facts_.sysctls.end()) actions.emplace_back(SetSysctl{other, now->second});
    };
    const auto restore_forwarding = [&](Family family) {
      restore(link_key(family, "default", "forwarding"));
      for (const auto& link : facts_.links) restore(link_key(family, link.name, "forwarding"));
    };
    if (key == kForwarding4) {
      restore_forwarding(Family::v4);
      restore(link_key(Family::v4, "all", "accept_redirects"));
    } else if (key == kForwarding6) {
      restore_forwarding(Family::v6);
      for (const auto& route : facts_.routes) {
        const bool purged = route.family() == Family::v6 && route.is_default() &&
                            route.protocol == kRouterAdvertisementProtocol;
        if (purged && !route.leaves_by(cluster())) actions.emplace_back(PutRoute{route});
      }
    } else if (key == link_key(Family::v6, egress(), "disable_ipv6")) {
      for (auto& action : restore_egress6()) actions.push_back(std::move(action));
    }
    return actions;
  }

  // A key of a link that is not there yet exists later if the cluster interface has the same one
  // now: a kernel without IPv6 has none.
  bool key_will_exist(std::string key) const {
    const auto at = key.find("/" + egress() + "/");
    if (at == key.npos) return facts_.sysctls.empty();
    key.replace(at + 1, egress().size(), cluster());
    return facts_.sysctls.empty() || facts_.sysctls.contains(key);
  }

  bool is_held(const IpAddress& address) const {
    return std::any_of(facts_.addresses.begin(), facts_.addresses.end(),
                       [&](const LinkAddress& one) {
                         return one.link == egress() && one.prefix.address == address;
                       });
  }

  void add_addresses() {
    const auto sources = config_.all_sources();
    if (config_.address_probe.count() > 0) {
      ProbeAddresses probe{egress(), {}, config_.address_probe, config_.carrier_check};
      for (const auto& own : sources) {
        if (!is_held(own.address)) probe.addresses.push_back(own.address);
      }
      if (!probe.addresses.empty()) add({std::move(probe), {}, false});
    }
    for (const auto& own : sources) {
      const LinkAddress wanted{egress(), own, false};
      add({AddAddress{wanted}, {DeleteAddress{wanted}}, is_held(own.address)});
      warn_of_others(own);
    }
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
      add({PutRoute{route}, {DeleteRoute{route}}, present});
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
    for (const auto& rule : all)
      add({AddRule{rule}, {DeleteRule{rule}}, holds(facts_.rules, rule)});
    for (const auto& rule : facts_.rules) {
      if (!holds(all, rule)) add({DeleteRule{rule}, {AddRule{rule}}, false});
    }
  }

  void add_egress_routes(const IpPrefix& own) {
    const Family family = own.family();
    for (const auto& route : wanted_egress_routes(own, gateway(family), egress()))
      add_route_over(route);
  }

  // PutRoute replaces a route with the same destination and metric; that one is put back in a
  // rollback.
  void add_route_over(const Route& route) {
    const auto replaced =
        std::find_if(facts_.routes.begin(), facts_.routes.end(), [&](const Route& one) {
          return one.table == kMainTable && one.destination == route.destination &&
                 one.metric == route.metric;
        });
    if (replaced == facts_.routes.end()) return add({PutRoute{route}, {DeleteRoute{route}}, false});
    add({PutRoute{route}, {PutRoute{*replaced}}, *replaced == route});
  }

  // Ours comes first by its metric; the others go only once nothing is left that may fail.
  void remove_other_defaults(Family family) {
    const std::uint32_t ours =
        wanted_egress_routes(config_.sources[family].front(), gateway(family), egress())
            .back()
            .metric;
    for (const auto& route : facts_.routes) {
      const bool other = route.table == kMainTable && route.is_default() &&
                         route.family() == family && route.metric != ours;
      if (other) add({DeleteRoute{route}, {PutRoute{route}}, false});
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

// The addresses that the table names, with the lines that do.
std::map<IpAddress, std::size_t> destination_lines(const DestinationTable& table) {
  std::map<IpAddress, std::size_t> lines;
  for (const auto& entry : table.entries) lines.emplace(entry.address, entry.line);
  for (const Family family : kFamilies) {
    if (const auto& fallback = table.fallback[family])
      lines.emplace(fallback->address, fallback->line);
  }
  return lines;
}

// The route of the main table, other than a default route, by which packets to `address` would
// still leave by the cluster interface after set-up, or null.
const Route* cluster_route_to(const IpAddress& address, const RouterConfig& config,
                              const HostFacts& facts, const std::string& cluster) {
  const Route* longest = nullptr;
  for (const auto& route : facts.routes) {
    if (route.table != kMainTable || route.is_default() || !route.destination.contains(address))
      continue;
    if (longest == nullptr || route.destination.length > longest->destination.length)
      longest = &route;
  }
  if (longest == nullptr || !longest->leaves_by(cluster)) return nullptr;
  const auto sources = config.all_sources();
  const bool on_egress_link = std::any_of(sources.begin(), sources.end(), [&](const IpPrefix& own) {
    return own.contains(address) && own.length > longest->destination.length;
  });
  const bool is_gateway = config.gateway[address.family()] == address;
  return on_egress_link || is_gateway ? nullptr : longest;
}

// What the text alone does not show: a destination that this pod holds is an error, one to which
// the pod's routes lead by the cluster interface a warning, one for each route.
Result<void> check_destinations(const RouterConfig& config, const HostFacts& facts,
                                LinkChoice& links) {
  std::set<IpPrefix> warned;
  for (const auto& [address, line] : destination_lines(config.destinations)) {
    const std::string object =
        "EGRESS_DESTINATION line " + std::to_string(line) + ", " + to_text(address);
    for (const auto& own : facts.addresses) {
      if (own.prefix.address != address) continue;
      return Error{ExitCode::configuration, object,
                   "is an address of this pod itself, on " + own.link,
                   "name a host of the external network"};
    }
    const Route* route = cluster_route_to(address, config, facts, links.cluster_name);
    if (route == nullptr || !warned.insert(route->destination).second) continue;
    links.warnings.push_back(object + ": is an address of the cluster (" +
                             to_text(route->destination) + " by " + links.cluster_name +
                             "): what is sent to it is dropped, because it would leave by " +
                             links.cluster_name);
  }
  return {};
}

}  // namespace

Result<NetworkPlan> make_plan(const RouterConfig& config, const HostFacts& facts, Assume assume) {
  auto links = choose_links(config, facts, assume);
  if (!links) return links.error();
  if (auto checked = check_destinations(config, facts, *links); !checked) return checked.error();
  return Planner(config, facts, std::move(*links)).plan();
}

}  // namespace egress::router
