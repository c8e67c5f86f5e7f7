// What the pod's network is to be, part by part, whatever is there already. Pure.
#pragma once

#include <string>
#include <vector>

#include "router-init/choose.hpp"
#include "router-init/plan.hpp"

namespace egress::router {

// In the order in which they are to be set: ip_forward resets others
// (Documentation/networking/ip-sysctl.rst).
std::vector<SetSysctl> wanted_sysctls(const RouterConfig& config, const HostFacts& facts,
                                      const std::string& egress, const std::string& cluster);

// kClusterTable: a copy of all that leaves by the cluster interface, on-link routes first, so that
// each gateway is reachable when its route is added.
std::vector<Route> wanted_cluster_routes(const HostFacts& facts, Family family,
                                         const std::string& cluster);

// What goes by kClusterTable: replies that come in from outside for cluster clients, what bears the
// pod's own address, the pod's questions to its nameservers, and the kernel's own answers to
// packets from the cluster.
std::vector<Rule> wanted_rules(const HostFacts& facts, Family family, const LinkChoice& links);

// The host route to the gateway, then the default route through it, in the main table.
std::vector<Route> wanted_egress_routes(const IpPrefix& source, const IpAddress& gateway,
                                        const std::string& egress);

Ruleset wanted_ruleset(const RouterConfig& config, const std::string& egress,
                       const std::string& cluster);

}  // namespace egress::router
