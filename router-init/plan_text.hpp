// A plan as people and programs read it: ip(8), sysctl(8) and nft(8) command lines, or JSON. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "router-init/facts.hpp"
#include "router-init/steps.hpp"

namespace egress::router {

// The command line that does the same; for what no command does, a comment. One line. Also what an
// error and the log call the step.
std::string to_command(const Action& action);

// Every step in order, those that are so already as comments; the nftables ruleset is last, so that
// all from its first line on is a text for `nft -c -f -`.
std::string to_text(const NetworkPlan& plan);

// The ruleset alone, for `nft -c -f -`. Empty where the plan holds none.
std::string to_nft_text(const NetworkPlan& plan);

// The same as an object: {"version": 1, "warnings": [...], "assumptions": [...], "steps":
// [{"action": "put_route", "stage": "route", "command": "ip route ...", "present": false, ...}],
// "nft": "table inet ..."}.
std::string to_json(const NetworkPlan& plan);

// All of the pod's state that a plan may change, a line each.
std::set<std::string> state_lines(const HostFacts& facts);

// What is in one of the two states alone, a line each: "missing: ..." and "new: ...". Empty after a
// rollback that restored everything.
std::vector<std::string> differences(const HostFacts& before, const HostFacts& after);

}  // namespace egress::router
