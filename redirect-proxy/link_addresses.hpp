// The addresses that a link of this pod holds, and the IPv4 gateway behind it. Reads only; needs no
// privilege.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.hpp"

namespace egress::wait {

// Those of global scope. Empty where there is no such link.
std::vector<IpAddress> read_link_addresses(const std::string& link);

// The gateway of the default route by `link`, out of the text of /proc/net/route. Pure.
std::optional<IpAddress> parse_default_gateway(std::string_view proc_net_route,
                                               std::string_view link);

// Whether the kernel knows the MAC address of `neighbour` on `link`, and so would ask nobody for
// it, out of the text of /proc/net/arp. Pure.
bool is_known_neighbour(std::string_view proc_net_arp, std::string_view link,
                        const IpAddress& neighbour);

}  // namespace egress::wait
