#include "test/support/model_kernel.hpp"

#include <algorithm>
#include <set>
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

  void operator()(const SetSysctl& one) { facts.sysctls[one.key] = one.value; }
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
  void operator()(const SetLinkUp& one) { link(one.name).up = one.up; }
  void operator()(const ProbeAddress& one) {
    if (!link(one.link).up) throw std::logic_error("probe on a link that is down");
  }
  void operator()(const AddAddress& one) {
    if (!link(one.address.link).up) throw std::logic_error("address on a link that is down");
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
  void operator()(const LoadRuleset& one) { facts.ruleset = fingerprint(one.ruleset); }
  void operator()(const DeleteRuleset&) { facts.ruleset.reset(); }
  void operator()(const EndMovedFlows&) {
    if (!facts.ruleset) throw std::logic_error("flows ended before there is a table");
  }
  void operator()(const ResolveGateway&) {}
  void operator()(const Announce&) {}
};

}  // namespace

void carry_out(const Action& action, HostFacts& facts) { std::visit(CarryOut{facts}, action); }

std::string state_text(const HostFacts& facts) {
  std::set<std::string> lines;
  for (const auto& link : facts.links)
    lines.insert("link " + link.name + (link.up ? " up" : " down"));
  for (const auto& address : facts.addresses) lines.insert(to_command(AddAddress{address}));
  for (const auto& route : facts.routes) lines.insert(to_command(PutRoute{route}));
  for (const auto& rule : facts.rules) lines.insert(to_command(AddRule{rule}));
  for (const auto& [key, value] : facts.sysctls) lines.insert(key + "=" + value);
  lines.insert("table " + facts.ruleset.value_or("none"));
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace egress::router::test
