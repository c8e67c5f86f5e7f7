// What rtnetlink messages of the kernel say, as values: the other direction of rtnl_encode. Pure; a
// message is only looked at. Attributes that are too short or missing make no value, never a crash.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "router-init/network.hpp"

struct nlmsghdr;

namespace egress::router {

using LinkNames = std::map<int, std::string>;  // index -> name, in the namespace of the message

// RTM_NEWLINK.
std::optional<Link> decode_link(const nlmsghdr& message);

// RTM_NEWADDR. None for an address of a link that `names` does not hold.
std::optional<LinkAddress> decode_address(const nlmsghdr& message, const LinkNames& names);

// RTM_NEWROUTE. None for what is no unicast route (local, broadcast, multicast, unreachable), for a
// cached one (RTM_F_CLONED), for one that matches a source or a type of service as well, and for
// one whose links `names` does not hold.
std::optional<Route> decode_route(const nlmsghdr& message, const LinkNames& names);

// RTM_NEWRULE. None for a rule whose action is not the look-up of a table.
std::optional<Rule> decode_rule(const nlmsghdr& message);

}  // namespace egress::router
