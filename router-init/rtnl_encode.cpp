#include "router-init/rtnl_encode.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

#include <cstdint>

namespace egress::router {
namespace {

// The deleter of a libnl object that is counted.
template <auto put>
struct Put {
  template <class Object>
  void operator()(Object* object) const {
    put(object);
  }
};
using NlAddress = std::unique_ptr<nl_addr, Put<::nl_addr_put>>;
using RtnlLink = std::unique_ptr<rtnl_link, Put<::rtnl_link_put>>;
using RtnlAddress = std::unique_ptr<rtnl_addr, Put<::rtnl_addr_put>>;
using RtnlRoute = std::unique_ptr<rtnl_route, Put<::rtnl_route_put>>;
using RtnlRule = std::unique_ptr<rtnl_rule, Put<::rtnl_rule_put>>;

int nl_family(Family family) { return family == Family::v4 ? AF_INET : AF_INET6; }

// libnl copies or counts what it is given, so each stays ours.
NlAddress make_address(const IpPrefix& prefix) {
  const auto bytes = prefix.address.bytes();
  NlAddress address(::nl_addr_build(nl_family(prefix.family()), bytes.data(), bytes.size()));
  if (address) ::nl_addr_set_prefixlen(address.get(), prefix.length);
  return address;
}

NlAddress make_address(const IpAddress& address) {
  return make_address(IpPrefix{address, address_bits(address.family())});
}

// What a build function of libnl makes. It fails for want of memory, or of a part that the caller
// has not set.
template <class Build>
Result<NlMessage> made_by(ExitCode stage, Build build) {
  nl_msg* message = nullptr;
  const int result = build(&message);
  if (result >= 0) return NlMessage(message);
  return Error{stage, "rtnetlink message", ::nl_geterror(result), {}};
}

Error out_of_memory(ExitCode stage) {
  return Error{stage, "rtnetlink message", "out of memory", {}};
}

RtnlLink make_link(int index) {
  RtnlLink link(::rtnl_link_alloc());
  if (link) ::rtnl_link_set_ifindex(link.get(), index);
  return link;
}

template <class Change>
Result<NlMessage> change_link(int index, Change change) {
  const RtnlLink link = make_link(index);
  const RtnlLink changes(::rtnl_link_alloc());
  if (!link || !changes) return out_of_memory(ExitCode::link);
  change(changes.get());
  return made_by(ExitCode::link, [&](nl_msg** message) {
    return ::rtnl_link_build_change_request(link.get(), changes.get(), 0, message);
  });
}

RtnlAddress make_link_address(const LinkAddress& address, int index) {
  RtnlAddress made(::rtnl_addr_alloc());
  const NlAddress local = make_address(address.prefix);
  if (!made || !local) return nullptr;
  ::rtnl_addr_set_ifindex(made.get(), index);
  ::rtnl_addr_set_local(made.get(), local.get());
  ::rtnl_addr_set_scope(made.get(), address.link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  return made;
}

// Adds `hop` to `route`, which owns it then.
Result<void> add_next_hop(rtnl_route* route, const NextHop& hop, const LinkIndexes& indexes) {
  const auto index = indexes.find(hop.link);
  if (index == indexes.end()) {
    return Error{ExitCode::route, "link " + hop.link, "is not there", {}};
  }
  rtnl_nexthop* made = ::rtnl_route_nh_alloc();
  if (made == nullptr) return out_of_memory(ExitCode::route);
  ::rtnl_route_add_nexthop(route, made);
  ::rtnl_route_nh_set_ifindex(made, index->second);
  if (hop.onlink) ::rtnl_route_nh_set_flags(made, RTNH_F_ONLINK);
  if (!hop.gateway) return {};
  const NlAddress gateway = make_address(*hop.gateway);
  if (!gateway) return out_of_memory(ExitCode::route);
  // An IPv4 route by an IPv6 gateway is RTA_VIA (RFC 5549).
  if (nl_family(hop.gateway->family()) == ::rtnl_route_get_family(route)) {
    ::rtnl_route_nh_set_gateway(made, gateway.get());
  } else {
    ::rtnl_route_nh_set_via(made, gateway.get());
  }
  return {};
}

Result<RtnlRoute> make_route(const Route& route, const LinkIndexes& indexes) {
  RtnlRoute made(::rtnl_route_alloc());
  const NlAddress destination = make_address(route.destination);
  if (!made || !destination) return out_of_memory(ExitCode::route);
  ::rtnl_route_set_family(made.get(), static_cast<std::uint8_t>(nl_family(route.family())));
  ::rtnl_route_set_dst(made.get(), destination.get());
  ::rtnl_route_set_table(made.get(), route.table);
  ::rtnl_route_set_type(made.get(), RTN_UNICAST);
  ::rtnl_route_set_scope(made.get(), static_cast<std::uint8_t>(route.scope));
  if (route.metric != 0) ::rtnl_route_set_priority(made.get(), route.metric);
  for (const auto& [type, value] : route.metrics) ::rtnl_route_set_metric(made.get(), type, value);
  if (route.source) {
    const NlAddress source = make_address(*route.source);
    if (!source) return out_of_memory(ExitCode::route);
    ::rtnl_route_set_pref_src(made.get(), source.get());
  }
  for (const auto& hop : route.next_hops) {
    if (auto added = add_next_hop(made.get(), hop, indexes); !added) return added.error();
  }
  return made;
}

Result<RtnlRule> make_rule(const Rule& rule) {
  RtnlRule made(::rtnl_rule_alloc());
  if (!made) return out_of_memory(ExitCode::route);
  ::rtnl_rule_set_family(made.get(), nl_family(rule.family));
  ::rtnl_rule_set_prio(made.get(), rule.priority);
  ::rtnl_rule_set_table(made.get(), rule.table);
  if (!rule.input_link.empty()) ::rtnl_rule_set_iif(made.get(), rule.input_link.c_str());
  if (rule.from) {
    const NlAddress from = make_address(*rule.from);
    if (!from) return out_of_memory(ExitCode::route);
    ::rtnl_rule_set_src(made.get(), from.get());
  }
  if (rule.to) {
    const NlAddress to = make_address(*rule.to);
    if (!to) return out_of_memory(ExitCode::route);
    ::rtnl_rule_set_dst(made.get(), to.get());
  }
  if (rule.mark != 0) {
    ::rtnl_rule_set_mark(made.get(), rule.mark);
    ::rtnl_rule_set_mask(made.get(), rule.mark_mask);
  }
  return made;
}

}  // namespace

void FreeNlMessage::operator()(nl_msg* message) const { ::nlmsg_free(message); }

Result<NlMessage> encode_create_macvlan(const CreateMacvlan& link, int pod_netns_fd) {
  const RtnlLink made(::rtnl_link_macvlan_alloc());
  if (!made) return out_of_memory(ExitCode::link);
  ::rtnl_link_set_name(made.get(), link.name.c_str());
  ::rtnl_link_set_link(made.get(), link.parent_index);
  ::rtnl_link_set_mtu(made.get(), link.mtu);
  ::rtnl_link_set_ns_fd(made.get(), pod_netns_fd);
  ::rtnl_link_macvlan_set_mode(made.get(), static_cast<std::uint32_t>(link.mode));
  return made_by(ExitCode::link, [&](nl_msg** message) {
    return ::rtnl_link_build_add_request(made.get(), NLM_F_CREATE | NLM_F_EXCL, message);
  });
}

Result<NlMessage> encode_delete_link(int index) {
  const RtnlLink link = make_link(index);
  if (!link) return out_of_memory(ExitCode::link);
  return made_by(ExitCode::link, [&](nl_msg** message) {
    return ::rtnl_link_build_delete_request(link.get(), message);
  });
}

Result<NlMessage> encode_rename_link(int index, const std::string& to) {
  return change_link(index, [&](rtnl_link* changes) { ::rtnl_link_set_name(changes, to.c_str()); });
}

Result<NlMessage> encode_set_link_up(int index, bool up) {
  return change_link(index, [&](rtnl_link* changes) {
    up ? ::rtnl_link_set_flags(changes, IFF_UP) : ::rtnl_link_unset_flags(changes, IFF_UP);
  });
}

Result<NlMessage> encode_add_address(const LinkAddress& address, int index) {
  const RtnlAddress made = make_link_address(address, index);
  if (!made) return out_of_memory(ExitCode::address);
  if (address.prefix.family() == Family::v6) ::rtnl_addr_set_flags(made.get(), IFA_F_NODAD);
  if (address.no_prefix_route) ::rtnl_addr_set_flags(made.get(), IFA_F_NOPREFIXROUTE);
  if (address.lifetimes) {
    ::rtnl_addr_set_valid_lifetime(made.get(), address.lifetimes->valid);
    ::rtnl_addr_set_preferred_lifetime(made.get(), address.lifetimes->preferred);
  }
  return made_by(ExitCode::address, [&](nl_msg** message) {
    const int built = ::rtnl_addr_build_add_request(made.get(), NLM_F_CREATE | NLM_F_EXCL, message);
    // libnl knows no such attribute.
    if (built < 0 || address.metric == 0) return built;
    return ::nla_put_u32(*message, IFA_RT_PRIORITY, address.metric);
  });
}

Result<NlMessage> encode_delete_address(const LinkAddress& address, int index) {
  const RtnlAddress made = make_link_address(address, index);
  if (!made) return out_of_memory(ExitCode::address);
  return made_by(ExitCode::address, [&](nl_msg** message) {
    return ::rtnl_addr_build_delete_request(made.get(), 0, message);
  });
}

Result<NlMessage> encode_put_route(const Route& route, const LinkIndexes& indexes) {
  const auto made = make_route(route, indexes);
  if (!made) return made.error();
  ::rtnl_route_set_protocol(made->get(), route.protocol);
  return made_by(ExitCode::route, [&](nl_msg** message) {
    const int built =
        ::rtnl_route_build_add_request(made->get(), NLM_F_CREATE | NLM_F_REPLACE, message);
    if (built < 0 || route.preference == 0) return built;
    return ::nla_put_u8(*message, RTA_PREF, route.preference);  // libnl has no setter for it
  });
}

Result<NlMessage> encode_delete_route(const Route& route, const LinkIndexes& indexes) {
  const auto made = make_route(route, indexes);
  if (!made) return made.error();
  // Zero matches any: a route that a network plugin or the kernel made is deleted too.
  ::rtnl_route_set_protocol(made->get(), RTPROT_UNSPEC);
  return made_by(ExitCode::route, [&](nl_msg** message) {
    return ::rtnl_route_build_del_request(made->get(), 0, message);
  });
}

Result<NlMessage> encode_add_rule(const Rule& rule) {
  const auto made = make_rule(rule);
  if (!made) return made.error();
  ::rtnl_rule_set_action(made->get(), FR_ACT_TO_TBL);
  return made_by(ExitCode::route, [&](nl_msg** message) {
    return ::rtnl_rule_build_add_request(made->get(), NLM_F_CREATE | NLM_F_EXCL, message);
  });
}

Result<NlMessage> encode_delete_rule(const Rule& rule) {
  const auto made = make_rule(rule);
  if (!made) return made.error();
  return made_by(ExitCode::route, [&](nl_msg** message) {
    return ::rtnl_rule_build_delete_request(made->get(), 0, message);
  });
}

}  // namespace egress::router
