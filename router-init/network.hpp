// The kernel's network objects as plain values: what host_facts reads, plan decides, rtnl_encode
// sends and plan_text prints. Links are named, not numbered; apply resolves a name to an index at
// the last moment.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/ip.hpp"

namespace egress::router {

// linux/if_link.h, enum macvlan_mode.
enum class MacvlanMode : std::uint32_t { private_ = 1, vepa = 2, bridge = 4, passthru = 8 };

// As ip(8) spells them.
inline constexpr std::array<std::pair<std::string_view, MacvlanMode>, 4> kMacvlanModes{{
    {"private", MacvlanMode::private_},
    {"bridge", MacvlanMode::bridge},
    {"vepa", MacvlanMode::vepa},
    {"passthru", MacvlanMode::passthru},
}};
constexpr std::string_view to_text(MacvlanMode mode) {
  for (const auto& [name, one] : kMacvlanModes) {
    if (one == mode) return name;
  }
  return "unknown";
}

// The name of a new link until it is in the pod and gets that of EGRESS_INTERFACE: older kernels
// (6.1) compare a new name with the links of the namespace that the request is sent in, the node's.
inline constexpr std::string_view kTemporaryLink = "egress-new";

// The cluster interface where EGRESS_CLUSTER_INTERFACE is not set and this one exists.
inline constexpr std::string_view kClusterLink = "eth0";

struct Link {
  int index = 0;
  std::string name;
  std::string kind;      // "macvlan", "veth", "bridge", ...; empty for hardware
  bool up = false;       // IFF_UP: administratively up
  bool carrier = false;  // IFF_LOWER_UP
  bool loopback = false;
  std::uint32_t mtu = 0;  // bytes
  MacAddress mac;

  bool operator==(const Link&) const = default;
};

// How long an address remains, in seconds from when it was read (IFA_CACHEINFO).
struct Lifetimes {
  std::uint32_t valid = 0;
  std::uint32_t preferred = 0;

  bool operator==(const Lifetimes&) const = default;
};

struct LinkAddress {
  std::string link;
  IpPrefix prefix;                          // the address with its prefix length
  bool link_scope = false;                  // RT_SCOPE_LINK: fe80::/10, 169.254.0.0/16
  bool no_prefix_route = false;             // IFA_F_NOPREFIXROUTE
  std::uint32_t metric = 0;                 // IFA_RT_PRIORITY: of the prefix route; 0: the default
  std::optional<Lifetimes> lifetimes = {};  // none: permanent

  bool operator==(const LinkAddress&) const = default;
};

// linux/rtnetlink.h, enum rt_scope_t. IPv6 routes are all global.
enum class RouteScope : std::uint8_t { global = 0, link = 253 };

inline constexpr std::uint32_t kMainTable = 254;
inline constexpr std::uint8_t kStaticProtocol = 4;  // RTPROT_STATIC: an administrator's, and ours
inline constexpr std::uint8_t kKernelProtocol = 2;  // RTPROT_KERNEL
inline constexpr std::uint8_t kRouterAdvertisementProtocol = 9;  // RTPROT_RA

struct NextHop {
  std::string link;
  std::optional<IpAddress> gateway;  // none: on-link
  bool onlink = false;  // RTNH_F_ONLINK: the gateway is reachable although no route says so

  bool operator==(const NextHop&) const = default;
};

// A unicast route.
struct Route {
  IpPrefix destination;
  std::vector<NextHop> next_hops;  // one; more for a multipath route
  std::uint32_t table = kMainTable;
  std::optional<IpAddress> source;  // preferred source
  std::uint32_t metric = 0;
  std::map<std::uint16_t, std::uint32_t> metrics = {};  // RTA_METRICS: RTAX_MTU, RTAX_ADVMSS, ...
  std::uint8_t preference = 0;  // RTA_PREF (IPv6, RFC 4191 §2.2): 0 medium, 1 high, 3 low
  RouteScope scope = RouteScope::global;
  std::uint8_t protocol = kStaticProtocol;  // who created it, RTPROT_*

  Family family() const { return destination.family(); }
  bool is_default() const { return destination.length == 0; }
  bool leaves_by(std::string_view link) const {
    return !next_hops.empty() && next_hops[0].link == link;
  }
  bool operator==(const Route&) const = default;
};

// A policy rule whose action is to look up a table. What is empty or zero is not matched on.
struct Rule {
  Family family = Family::v4;
  std::uint32_t priority = 0;
  std::uint32_t table = kMainTable;
  std::string input_link;  // "lo": made by this namespace itself
  std::optional<IpPrefix> from;
  std::optional<IpPrefix> to;
  std::uint32_t mark = 0;
  std::uint32_t mark_mask = 0;

  bool operator==(const Rule&) const = default;
};

}  // namespace egress::router
