// Which links the plan is about: the one towards the outside, adopted or to be made, and the one
// towards the cluster. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "router-init/plan.hpp"

namespace egress::router {

struct LinkChoice {
  std::string egress_name;
  std::optional<Link> egress;           // as it is now; none where it is still to be made
  std::optional<CreateMacvlan> create;  // set where it is to be made
  std::string cluster_name;
  std::vector<std::string> warnings;
  std::vector<std::string> assumptions;
};

// Errors: no such link and no way to make it, a source address that is already held elsewhere on
// this node, no interface towards the cluster.
Result<LinkChoice> choose_links(const RouterConfig& config, const HostFacts& facts, Assume assume);

}  // namespace egress::router
