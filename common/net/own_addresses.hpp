// The addresses that this pod's interfaces hold: a target among them is the proxy itself or its
// neighbour in the pod.
#pragma once

#include <string_view>
#include <vector>

#include "common/ip.hpp"
#include "common/result.hpp"

namespace egress::net {

// Of all interfaces, loopback included, each once, sorted. Errors (stage facts): getifaddrs(3).
Result<std::vector<IpAddress>> read_own_addresses();

// Of one interface, sorted; none where there is no such interface. Errors as above.
Result<std::vector<IpAddress>> read_addresses_of(std::string_view interface);

}  // namespace egress::net
