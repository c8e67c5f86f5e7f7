// The nameservers of a resolv.conf(5). Pure: the text comes from elsewhere.
#pragma once

#include <string_view>
#include <vector>

#include "common/ip.hpp"

namespace egress::router {

// In their order, each once; as glibc reads them, but for the limit of three, which other resolvers
// do not have. An address with a zone (fe80::1%eth0) is left out, for the zone names its way
// already, and so is what is no address.
std::vector<IpAddress> parse_nameservers(std::string_view resolv_conf);

}  // namespace egress::router
