// Reads what is there: links, addresses, routes, rules, sysctls, nameservers, our table, and the
// node's side where the egress interface has still to be made. Reads only; the same state gives the
// same facts.
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "router-init/facts.hpp"

namespace egress::router {

// `egress_interface`: where it is missing, the node's side is read too, by `host_netns`
// (EGRESS_HOST_NETNS; empty: wherever it is found).
Result<HostFacts> read_host_facts(const std::string& egress_interface,
                                  const std::string& host_netns);

// A kernel setting under /proc/sys ("net/ipv4/ip_forward") of the calling thread's network
// namespace, without its line end; none where there is no such key.
std::optional<std::string> read_sysctl(const std::string& key);

}  // namespace egress::router
