// The addresses that this pod's interfaces hold: a target among them is the proxy itself or its
// neighbour in the pod.
#pragma once

#include <vector>

#include "common/ip.hpp"
#include "common/result.hpp"

namespace egress::net {

// Of all interfaces, loopback included, each once, sorted. Errors (stage facts): getifaddrs(3).
Result<std::vector<IpAddress>> read_own_addresses();

}  // namespace egress::net
