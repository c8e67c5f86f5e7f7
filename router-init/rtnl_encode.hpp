// One rtnetlink request for each change of links, addresses, routes and rules, built and not sent. No socket here.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "router-init/network.hpp"
#include "router-init/plan.hpp"

struct nl_msg;

namespace egress::router {

struct FreeNlMessage {
  void operator()(nl_msg* message) const;
};
using NlMessage = std::unique_ptr<nl_msg, FreeNlMessage>;

using LinkIndexes = std::map<std::string, int, std::less<>>;  // name -> index, in the namespace of the socket

// ip link add link PARENT name NAME netns PODNS mtu MTU type macvlan mode MODE      (sent in the node's namespace)
Result<NlMessage> encode_create_macvlan(const CreateMacvlan& link, int pod_netns_fd);
Result<NlMessage> encode_delete_link(int index);                  // ip link delete dev NAME
Result<NlMessage> encode_set_link_up(int index, bool up);         // ip link set dev NAME up|down
Result<NlMessage> encode_add_address(const LinkAddress& address, int index);  // ip address add ... nodad noprefixroute?
Result<NlMessage> encode_delete_address(const LinkAddress& address, int index);
Result<NlMessage> encode_put_route(const Route& route, const LinkIndexes& indexes);  // ip route replace ...
Result<NlMessage> encode_delete_route(const Route& route, const LinkIndexes& indexes);
Result<NlMessage> encode_add_rule(const Rule& rule);
Result<NlMessage> encode_delete_rule(const Rule& rule);

}  // namespace egress::router
