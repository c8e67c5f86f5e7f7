// The addresses of a link of this pod, the gateway behind it, and what the kernel knows about that
// neighbor. Reads only, over rtnetlink; needs no privilege.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ip.hpp"

namespace egress::wait {

// Those of global scope. Empty where there is no such link.
std::vector<IpAddress> read_link_addresses(const std::string& link);

// The gateway of the default route by `link` with the lowest metric, in the main table.
std::optional<IpAddress> read_default_gateway(const std::string& link, Family family);

// Whether the kernel has the MAC address of a neighbor: false where it asked in vain. None where it
// has not asked.
std::optional<bool> kernel_knows_neighbour(const std::string& link, const IpAddress& neighbour);

}  // namespace egress::wait
