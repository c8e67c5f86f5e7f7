// From what was asked for and what is there to what will be done: a list of steps, each with the
// action that takes it back. Pure: the same config and facts give the same plan, and nothing is
// read or written here.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/result.hpp"
#include "router-init/config.hpp"
#include "router-init/network.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

// The table that holds what was the pod's way before: all routes by the cluster interface. Policy
// rules of the priorities kRulePriority and up lead to it.
inline constexpr std::uint32_t kClusterTable = 3180;
inline constexpr std::uint32_t kRulePriority = 3180;

// What the node's namespace holds, where it can be entered.
struct NodeFacts {
  std::string path;  // of the namespace
  std::vector<Link> links;
  std::vector<LinkAddress> addresses;
  std::vector<Route> routes;
};

// What is there, read before anything is decided.
struct HostFacts {
  std::vector<Link> links;
  std::vector<LinkAddress> addresses;
  std::vector<Route> routes;                   // unicast, of the main table and of kClusterTable
  std::vector<Rule> rules;                     // those that lead to kClusterTable
  std::vector<IpAddress> nameservers;          // of resolv.conf
  std::map<std::string, std::string> sysctls;  // "net/ipv4/ip_forward" -> "0"; those that exist
  std::optional<std::string>
      ruleset;  // our table's fingerprint; empty text: it has none; none: no table
  std::optional<NodeFacts> node;  // read only where the egress interface is missing
  std::string node_trouble;       // why `node` is missing, for people
};

struct SetSysctl {
  std::string key;  // "net/ipv4/conf/macvlan0/rp_filter"
  std::string value;
  bool operator==(const SetSysctl&) const = default;
};
struct CreateMacvlan {
  std::string name;
  std::string parent;  // in the node's namespace
  int parent_index = 0;
  std::string node_netns;  // path
  MacvlanMode mode = MacvlanMode::private_;
  std::uint32_t mtu = 0;
  bool operator==(const CreateMacvlan&) const = default;
};
struct DeleteLink {
  std::string name;
  bool operator==(const DeleteLink&) const = default;
};
struct SetLinkUp {
  std::string name;
  bool up = true;
  bool operator==(const SetLinkUp&) const = default;
};
// Asks the wire whether another host holds `address`; the link is up and does not hold it yet.
struct ProbeAddress {
  std::string link;
  IpAddress address;
  std::chrono::milliseconds time;
  bool operator==(const ProbeAddress&) const = default;
};
struct AddAddress {
  LinkAddress address;
  bool operator==(const AddAddress&) const = default;
};
struct DeleteAddress {
  LinkAddress address;
  bool operator==(const DeleteAddress&) const = default;
};
// Adds the route, in place of one with the same destination, table and metric.
struct PutRoute {
  Route route;
  bool operator==(const PutRoute&) const = default;
};
struct DeleteRoute {
  Route route;
  bool operator==(const DeleteRoute&) const = default;
};
struct AddRule {
  Rule rule;
  bool operator==(const AddRule&) const = default;
};
struct DeleteRule {
  Rule rule;
  bool operator==(const DeleteRule&) const = default;
};
// Replaces our table, in one transaction.
struct LoadRuleset {
  Ruleset ruleset;
  bool operator==(const LoadRuleset&) const = default;
};
struct DeleteRuleset {
  bool operator==(const DeleteRuleset&) const = default;
};
// Ends the flows that the table of before sent elsewhere; see moved_flows.hpp.
struct EndMovedFlows {
  Translation translation;
  std::vector<IpAddress> pod_addresses;  // of the cluster interface
  bool operator==(const EndMovedFlows&) const = default;
};
struct ResolveGateway {
  std::string link;
  IpAddress gateway;
  IpAddress source;
  std::chrono::milliseconds time;
  bool required = true;
  bool operator==(const ResolveGateway&) const = default;
};
// Gratuitous ARP, or an unsolicited neighbour advertisement.
struct Announce {
  std::string link;
  IpAddress address;
  bool operator==(const Announce&) const = default;
};

using Action = std::variant<SetSysctl, CreateMacvlan, DeleteLink, SetLinkUp, ProbeAddress,
                            AddAddress, DeleteAddress, PutRoute, DeleteRoute, AddRule, DeleteRule,
                            LoadRuleset, DeleteRuleset, EndMovedFlows, ResolveGateway, Announce>;

struct Step {
  Action action;
  std::optional<Action> undo;  // none where there is nothing to take back
  bool present = false;        // so already: printed, not done

  bool operator==(const Step&) const = default;
};

struct NetworkPlan {
  std::vector<Step> steps;
  std::vector<std::string> warnings;
  std::vector<std::string>
      assumptions;  // made where facts are missing and `Assume::missing` was asked for

  bool operator==(const NetworkPlan&) const = default;
};

// The sysctls that a plan may look at or set, for these links: keys below /proc/sys.
std::vector<std::string> sysctls_of_interest(const std::vector<Link>& links);

enum class Assume {
  nothing,  // facts that are missing are an error
  missing,  // the plan is for printing: an interface that is not there is taken as given
};

Result<NetworkPlan> make_plan(const RouterConfig& config, const HostFacts& facts, Assume assume);

// The exit code of a program that fails in this action.
ExitCode stage_of(const Action& action);

}  // namespace egress::router
