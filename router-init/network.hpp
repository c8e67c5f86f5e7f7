// The kernel's network objects as plain values: what host_facts reads, plan decides, rtnl_encode
// sends and plan_text prints. Links are named, not numbered; apply turns a name into an index at
// the last moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.hpp"

namespace egress::router {

// linux/if_link.h, enum macvlan_mode.
enum class MacvlanMode : std::uint32_t { private_ = 1, vepa = 2, bridge = 4, passthru = 8 };

std::optional<MacvlanMode> parse_macvlan_mode(
    std::string_view text);  // "private", "vepa", "bridge", "passthru"
std::string_view to_text(MacvlanMode mode);

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

struct LinkAddress {
  std::string link;
  IpPrefix prefix;          // the address with its prefix length
  bool link_scope = false;  // RT_SCOPE_LINK: fe80::/10, 169.254.0.0/16

  bool operator==(const LinkAddress&) const = default;
};

// linux/rtnetlink.h, enum rt_scope_t. IPv6 routes are all global.
enum class RouteScope : std::uint8_t { global = 0, link = 253 };

inline constexpr std::uint32_t kMainTable = 254;
inline constexpr std::uint8_t kStaticProtocol = 4;  // RTPROT_STATIC: an administrator's, and ours

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
  std::uint32_t mtu = 0;  // RTAX_MTU; 0: that of the link
  RouteScope scope = RouteScope::global;
  std::uint8_t protocol = kStaticProtocol;  // who made it, RTPROT_*

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
