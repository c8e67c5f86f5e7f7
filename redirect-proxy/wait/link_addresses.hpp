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

// The gateway of the default route by `link`, in the main table.
std::optional<IpAddress> read_default_gateway(const std::string& link, Family family);

// Whether the kernel has the MAC address of an IPv4 neighbour: false where it asked in vain. None
// where it has not asked, and for IPv6, of which no file tells.
std::optional<bool> kernel_knows_neighbour(const std::string& link, const IpAddress& neighbour);

// The same out of the texts of /proc/net/route, /proc/net/ipv6_route and /proc/net/arp. Pure.
std::optional<IpAddress> parse_default_gateway(std::string_view proc_net_route,
                                               std::string_view link);
std::optional<IpAddress> parse_default_gateway6(std::string_view proc_net_ipv6_route,
                                                std::string_view link);
std::optional<bool> parse_known_neighbour(std::string_view proc_net_arp, std::string_view link,
                                          const IpAddress& neighbour);

}  // namespace egress::wait
