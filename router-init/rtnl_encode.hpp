// One rtnetlink request (rtnetlink(7)) for each change of links, addresses, routes and rules, built
// and not sent. No socket here. Above each declaration stands the command that sends the same;
// test/wire holds them against each other.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "router-init/network.hpp"
#include "router-init/steps.hpp"

struct nl_msg;

namespace egress::router {

struct FreeNlMessage {
  void operator()(nl_msg* message) const;
};
using NlMessage = std::unique_ptr<nl_msg, FreeNlMessage>;

// Name -> index, in the namespace of the socket that the message is for.
using LinkIndexes = std::map<std::string, int, std::less<>>;

// ip link add link PARENT name NAME mtu MTU netns FD type macvlan mode MODE
// To be sent in the node's namespace, where the parent is. The new link is down.
// `pod_netns_fd`: an open namespace, still the caller's; it must stay open until the message is
// sent.
Result<NlMessage> encode_create_macvlan(const CreateMacvlan& link, int pod_netns_fd);

// ip link delete dev NAME
Result<NlMessage> encode_delete_link(int index);

// ip link set dev NAME name TO
// The link is down.
Result<NlMessage> encode_rename_link(int index, const std::string& to);

// ip link set dev NAME up|down
Result<NlMessage> encode_set_link_up(int index, bool up);

// ip address add PREFIX dev NAME [scope link] [nodad]
// IPv6 without duplicate address detection: ProbeAddresses has done it before. The kernel adds the
// connected route of the prefix by itself.
Result<NlMessage> encode_add_address(const LinkAddress& address, int index);

// ip address delete PREFIX dev NAME
Result<NlMessage> encode_delete_address(const LinkAddress& address, int index);

// ip route replace DESTINATION ... proto PROTOCOL
// In place of the route with the same destination, table and metric. IPv6: a metric of 0 is 1024 to
// the kernel, and a route without gateway takes the place of one without, one with that of one
// with, if there is such a one. Error: a next hop's link that `indexes` does not name.
Result<NlMessage> encode_put_route(const Route& route, const LinkIndexes& indexes);

// ip route delete unicast DESTINATION ... scope SCOPE
// That route alone, whoever made it. A metric of 0 matches any metric, of which the kernel takes
// the lowest. Error: as encode_put_route.
Result<NlMessage> encode_delete_route(const Route& route, const LinkIndexes& indexes);

// ip rule add ... lookup TABLE
Result<NlMessage> encode_add_rule(const Rule& rule);

// ip rule delete ... lookup TABLE
Result<NlMessage> encode_delete_rule(const Rule& rule);

}  // namespace egress::router
