// What a plan consists of, as plain values: each action that changes or asks something, and the
// actions that roll it back. Includes neither configuration nor sockets. An action's kStage is the
// exit code of a program that fails in it.
#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "common/exit_code.hpp"
#include "router-init/network.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

struct SetSysctl {
  static constexpr ExitCode kStage = ExitCode::sysctl;
  std::string key;  // "net/ipv4/conf/macvlan0/rp_filter"
  std::string value;
  bool operator==(const SetSysctl&) const = default;
};
struct CreateMacvlan {
  static constexpr ExitCode kStage = ExitCode::link;
  std::string name;
  std::string parent;  // in the node's namespace
  int parent_index = 0;
  std::string node_netns;  // path
  MacvlanMode mode = MacvlanMode::private_;
  std::uint32_t mtu = 0;
  bool operator==(const CreateMacvlan&) const = default;
};
// The link is down.
struct RenameLink {
  static constexpr ExitCode kStage = ExitCode::link;
  std::string from;
  std::string to;
  bool operator==(const RenameLink&) const = default;
};
struct DeleteLink {
  static constexpr ExitCode kStage = ExitCode::link;
  std::string name;
  bool operator==(const DeleteLink&) const = default;
};
struct SetLinkUp {
  static constexpr ExitCode kStage = ExitCode::link;
  std::string name;
  bool up = true;
  bool operator==(const SetLinkUp&) const = default;
};
enum class Carrier : std::uint8_t {
  required,  // a link without carrier is an error
  expected   // it is a warning
};
// Probes whether another host holds one of `addresses`, all of them at the same time. The link is
// up and does not hold them. A link without carrier has `time` to get it.
struct ProbeAddresses {
  static constexpr ExitCode kStage = ExitCode::conflict;
  std::string link;
  std::vector<IpAddress> addresses;
  std::chrono::milliseconds time;
  Carrier carrier = Carrier::required;
  bool operator==(const ProbeAddresses&) const = default;
};
struct AddAddress {
  static constexpr ExitCode kStage = ExitCode::address;
  LinkAddress address;
  bool operator==(const AddAddress&) const = default;
};
struct DeleteAddress {
  static constexpr ExitCode kStage = ExitCode::address;
  LinkAddress address;
  bool operator==(const DeleteAddress&) const = default;
};
// Adds the route, in place of one with the same destination, table and metric.
struct PutRoute {
  static constexpr ExitCode kStage = ExitCode::route;
  Route route;
  bool operator==(const PutRoute&) const = default;
};
struct DeleteRoute {
  static constexpr ExitCode kStage = ExitCode::route;
  Route route;
  bool operator==(const DeleteRoute&) const = default;
};
struct AddRule {
  static constexpr ExitCode kStage = ExitCode::route;
  Rule rule;
  bool operator==(const AddRule&) const = default;
};
struct DeleteRule {
  static constexpr ExitCode kStage = ExitCode::route;
  Rule rule;
  bool operator==(const DeleteRule&) const = default;
};
// Replaces our table, in one transaction.
struct LoadRuleset {
  static constexpr ExitCode kStage = ExitCode::ruleset;
  Ruleset ruleset;
  bool operator==(const LoadRuleset&) const = default;
};
struct DeleteRuleset {
  static constexpr ExitCode kStage = ExitCode::ruleset;
  bool operator==(const DeleteRuleset&) const = default;
};
// Deletes stale conntrack entries; see stale_conntrack.hpp. Never fails: an entry that stays is a
// warning.
struct DeleteStaleConntrack {
  static constexpr ExitCode kStage = ExitCode::ruleset;
  Translation translation;
  std::vector<IpAddress> pod_addresses;  // of the cluster interface
  bool operator==(const DeleteStaleConntrack&) const = default;
};
struct ResolveGateway {
  static constexpr ExitCode kStage = ExitCode::gateway;
  std::string link;
  IpAddress gateway;
  IpAddress source;
  std::chrono::milliseconds time;
  bool required = true;
  bool operator==(const ResolveGateway&) const = default;
};
// A gratuitous ARP request, or an unsolicited neighbor advertisement. Never fails: neighbors that
// miss it keep a stale entry for some time, which is a warning.
struct Announce {
  static constexpr ExitCode kStage = ExitCode::address;
  std::string link;
  IpAddress address;
  bool operator==(const Announce&) const = default;
};

using Action =
    std::variant<SetSysctl, CreateMacvlan, RenameLink, DeleteLink, SetLinkUp, ProbeAddresses,
                 AddAddress, DeleteAddress, PutRoute, DeleteRoute, AddRule, DeleteRule, LoadRuleset,
                 DeleteRuleset, DeleteStaleConntrack, ResolveGateway, Announce>;

inline ExitCode stage_of(const Action& action) {
  return std::visit([](const auto& one) { return one.kStage; }, action);
}

struct Step {
  Action action;
  // Restores what was there before, side effects of the kernel included; in this order. May be
  // carried out although the action failed half-way.
  std::vector<Action> undo;
  bool present = false;  // holds already: printed, not carried out

  bool operator==(const Step&) const = default;
};

struct NetworkPlan {
  std::vector<Step> steps;
  std::vector<std::string> warnings;
  std::vector<std::string>
      assumptions;  // made where facts are missing and `Assume::missing` was asked for

  bool operator==(const NetworkPlan&) const = default;
};

}  // namespace egress::router
