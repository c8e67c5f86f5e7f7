// The exit codes of every program of this project. They are part of the contract with
// administrators: a pod's `state.terminated.exitCode` tells at which stage it failed. The README
// explains each; numbers never change.
#pragma once

#include <string_view>

namespace egress {

enum class ExitCode : int {
  ok = 0,
  internal = 1,       // a bug, or memory ran out
  usage = 2,          // the command line
  configuration = 3,  // an environment variable or a table
  facts = 4,          // the state of the pod or the node could not be read, or lacks what is needed
  link = 5,           // making, adopting or raising the egress interface
  sysctl = 6,         // a kernel setting
  conflict = 7,       // another host holds EGRESS_SOURCE
  address = 8,        // assigning an address
  route = 9,          // a route or a policy rule
  gateway = 10,       // EGRESS_GATEWAY does not answer
  ruleset = 11,       // nftables
  runtime = 12,       // a failure after a good start
};

// The stage in one word, as it stands in messages: "link", "ruleset", ...
std::string_view to_text(ExitCode code);

}  // namespace egress
