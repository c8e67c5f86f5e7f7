// Reads what is there: links, addresses, routes, rules, sysctls, nameservers, our table, and the
// node's side where the egress interface has still to be made. Reads only; the same state gives the
// same facts.
#pragma once

#include "common/result.hpp"
#include "router-init/config.hpp"
#include "router-init/plan.hpp"

namespace egress::router {

Result<HostFacts> read_host_facts(const RouterConfig& config);

}  // namespace egress::router
