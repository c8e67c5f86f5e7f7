#include "test/support/model_kernel.hpp"

#include <algorithm>
#include <stdexcept>

#include "router-init/plan_text.hpp"

namespace egress::router::test {
namespace {

template <class Value>
void remove_one(std::vector<Value>& list, const Value& value) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found == list.end()) throw std::logic_error("nothing to remove");
  list.erase(found);
}

template <class Value>
void add_once(std::vector<Value>& list, const Value& value) {
  if (std::find(list.begin(), list.end(), value) != list.end())
    throw std::logic_error("there already");
  list.push_back(value);
}

struct CarryOut {
  HostFacts& facts;

  Link& link(const std::string& name) {
    for (auto& one : facts.links) {
      if (one.name == name) return one;
    }
    throw std::logic_error("no link " + name);
  }

  // With the side effects of Documentation/networking/ip-sysctl.rst.
  void operator()(const SetSysctl& one) {
    const auto forward = [&](Family family) {
      facts.sysctls[link_key(family, "all", "forwarding")] = one.value;
      facts.sysctls[link_key(family, "default", "forwarding")] = one.value;
      for (const auto& each : facts.links)
        facts.sysctls[link_key(family, each.name, "forwarding")] = one.value;
    };
    const bool changes = facts.sysctls[one.key] != one.value;
    facts.sysctls[one.key] = one.value;
    if (one.key == "net/ipv4/ip_forward" && changes) {
      forward(Family::v4);
      facts.sysctls["net/ipv4/conf/all/accept_redirects"] = one.value == "0" ? "1" : "0";
    }
    if (one.key == "net/ipv6/conf/all/forwarding" && changes) {
      forward(Family::v6);
      if (one.value == "1") purge_advertised_defaults();
    }
    for (const auto& each : facts.links) {
      if (one.key == link_key(Family::v6, each.name, "disable_ipv6") && one.value == "1")
        drop_ipv6(each.name);
    }
  }
  void purge_advertised_defaults() {
    std::erase_if(facts.routes, [&](const Route& route) {
      return route.family() == Family::v6 && route.is_default() &&
             route.protocol == kRouterAdvertisementProtocol &&
             facts.sysctls[link_key(Family::v6, route.next_hops[0].link, "accept_ra")] != "2";
    });
  }
  void drop_ipv6(const std::string& name) {
    std::erase_if(facts.addresses, [&](const LinkAddress& address) {
      return address.link == name && address.prefix.family() == Family::v6;
    });
    std::erase_if(facts.routes, [&](const Route& route) {
      return route.leaves_by(name) && route.family() == Family::v6;
    });
  }
  void operator()(const CreateMacvlan& one) {
    facts.links.push_back({99, one.name, "macvlan", false, true, false, one.mtu, {}});
    // A new link brings its settings with it, each at the kernel's default.
    for (const auto& key : sysctls_of_interest({facts.links.back()}))
      facts.sysctls.try_emplace(key, "");
  }
  void operator()(const DeleteLink& one) {
    std::erase_if(facts.links, [&](const Link& link) { return link.name == one.name; });
    std::erase_if(facts.addresses,
                  [&](const LinkAddress& address) { return address.link == one.name; });
    std::erase_if(facts.routes, [&](const Route& route) { return route.leaves_by(one.name); });
    std::erase_if(facts.sysctls, [&](const auto& sysctl) {
      return sysctl.first.find("/" + one.name + "/") != std::string::npos;
    });
  }
  void operator()(const RenameLink& one) {
    if (link(one.from).up) throw std::logic_error("renamed while up");
    link(one.from).name = one.to;
    std::map<std::string, std::string> renamed;
    for (const auto& [old_key, value] : facts.sysctls) {
      std::string key = old_key;
      if (const auto at = key.find("/" + one.from + "/"); at != key.npos)
        key.replace(at + 1, one.from.size(), one.to);
      renamed.emplace(key, value);
    }
    facts.sysctls = std::move(renamed);
  }
  void operator()(const SetLinkUp& one) {
    if (link(one.name).up && !one.up) drop_ipv6(one.name);
    link(one.name).up = one.up;
  }
  void operator()(const ProbeAddresses& one) {
    if (!link(one.link).up) throw std::logic_error("probe on a link that is down");
  }
  void operator()(const AddAddress& one) {
    link(one.address.link);
    add_once(facts.addresses, one.address);
  }
  void operator()(const DeleteAddress& one) { remove_one(facts.addresses, one.address); }
  void operator()(const PutRoute& one) {
    for (const auto& hop : one.route.next_hops) link(hop.link);
    std::erase_if(facts.routes, [&](const Route& route) {
      return route.table == one.route.table && route.destination == one.route.destination &&
             route.metric == one.route.metric;
    });
    facts.routes.push_back(one.route);
  }
  void operator()(const DeleteRoute& one) { remove_one(facts.routes, one.route); }
  void operator()(const AddRule& one) { add_once(facts.rules, one.rule); }
  void operator()(const DeleteRule& one) { remove_one(facts.rules, one.rule); }
  void operator()(const LoadRuleset& one) { facts.ruleset = state_of(one.ruleset); }
  void operator()(const DeleteRuleset&) { facts.ruleset.reset(); }
  void operator()(const DeleteStaleConntrack&) {
    if (!facts.ruleset) throw std::logic_error("flows ended before there is a table");
  }
  void operator()(const ResolveGateway&) {}
  void operator()(const Announce&) {}
};

}  // namespace

void carry_out(const Action& action, HostFacts& facts) { std::visit(CarryOut{facts}, action); }

std::string state_text(const HostFacts& facts) {
  std::string text;
  for (const auto& line : state_lines(facts)) text += line + "\n";
  return text;
}

}  // namespace egress::router::test
