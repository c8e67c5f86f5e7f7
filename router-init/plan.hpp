// From configuration and facts to steps. Pure: the same configuration and facts give the same plan,
// and nothing is read or written here.
#pragma once

#include "common/result.hpp"
#include "router-init/config.hpp"
#include "router-init/facts.hpp"
#include "router-init/steps.hpp"

namespace egress::router {

enum class Assume {
  nothing,  // facts that are missing are an error
  missing,  // the plan is for printing: an interface that is not there is taken as given
};

// Errors: what choose_links reports, and a destination that this pod holds itself.
Result<NetworkPlan> make_plan(const RouterConfig& config, const HostFacts& facts, Assume assume);

}  // namespace egress::router
