#include "router-init/rtnl_decode.hpp"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace egress::router {
namespace {

// The attributes of a message, a nest or a next hop by their types; the last of each type counts.
class Attributes {
 public:
  Attributes(const nlmsghdr& message, int header_bytes)
      : Attributes(::nlmsg_attrdata(&message, header_bytes),
                   ::nlmsg_attrlen(&message, header_bytes)) {}
  explicit Attributes(const nlattr* nest)
      : Attributes(static_cast<nlattr*>(::nla_data(nest)), ::nla_len(nest)) {}
  Attributes(nlattr* first, int length) {
    ok_ = length >= 0 && ::nla_parse(table_.data(), kMost, first, length, nullptr) >= 0;
  }

  bool ok() const { return ok_; }
  const nlattr* find(int type) const { return table_[static_cast<std::size_t>(type)]; }

  std::span<const std::uint8_t> bytes(int type) const {
    const nlattr* found = find(type);
    if (found == nullptr) return {};
    return {static_cast<const std::uint8_t*>(::nla_data(found)),
            static_cast<std::size_t>(::nla_len(found))};
  }
  std::optional<std::uint32_t> u32(int type) const {
    const nlattr* found = find(type);
    const bool whole = found != nullptr && ::nla_len(found) >= int{sizeof(std::uint32_t)};
    return whole ? std::optional(::nla_get_u32(found)) : std::nullopt;
  }
  std::string text(int type) const {
    const auto found = bytes(type);
    return {found.begin(), std::find(found.begin(), found.end(), 0)};
  }

 private:
  static constexpr int kMost = std::max<int>({IFLA_MAX, IFA_MAX, RTA_MAX, FRA_MAX, RTAX_MAX});
  std::array<nlattr*, kMost + 1> table_{};
  bool ok_ = false;
};

template <class Header>
const Header* header_of(const nlmsghdr& message, int type) {
  const bool whole = ::nlmsg_valid_hdr(&message, sizeof(Header)) != 0;
  if (message.nlmsg_type != type || !whole) return nullptr;
  return static_cast<const Header*>(::nlmsg_data(&message));
}

std::optional<Family> family_of(int family) {
  if (family == AF_INET) return Family::v4;
  if (family == AF_INET6) return Family::v6;
  return std::nullopt;
}

std::optional<IpAddress> to_address(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  return IpAddress::from_bytes(bytes);
}

// 0.0.0.0/0 and ::/0 come without their attribute.
std::optional<IpPrefix> to_prefix(Family family, std::span<const std::uint8_t> bytes,
                                  std::uint8_t length) {
  if (length > address_bits(family)) return std::nullopt;
  if (bytes.empty()) return length == 0 ? std::optional(default_prefix(family)) : std::nullopt;
  const auto address = to_address(bytes);
  if (!address || address->family() != family) return std::nullopt;
  return IpPrefix{*address, length};
}

// RTA_VIA: an address with its family before it (struct rtvia).
std::optional<IpAddress> to_via(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kBefore = sizeof(std::uint16_t);
  return bytes.size() > kBefore ? to_address(bytes.subspan(kBefore)) : std::nullopt;
}

std::optional<NextHop> to_next_hop(const Attributes& attributes, int index, unsigned flags,
                                   const LinkNames& names) {
  const auto name = names.find(index);
  if (!attributes.ok() || name == names.end()) return std::nullopt;
  NextHop hop;
  hop.link = name->second;
  hop.gateway = to_address(attributes.bytes(RTA_GATEWAY));
  if (attributes.find(RTA_VIA) != nullptr) hop.gateway = to_via(attributes.bytes(RTA_VIA));
  hop.onlink = (flags & RTNH_F_ONLINK) != 0;
  return hop;
}

// None where one of them cannot be told.
std::optional<std::vector<NextHop>> to_next_hops(const Attributes& attributes, unsigned flags,
                                                 const LinkNames& names) {
  const nlattr* multipath = attributes.find(RTA_MULTIPATH);
  if (multipath == nullptr) {
    const auto index = static_cast<int>(attributes.u32(RTA_OIF).value_or(0));
    const auto hop = to_next_hop(attributes, index, flags, names);
    if (!hop) return std::nullopt;
    return std::vector{*hop};
  }
  std::vector<NextHop> hops;
  auto* next = static_cast<rtnexthop*>(::nla_data(multipath));
  for (int left = ::nla_len(multipath); left >= static_cast<int>(sizeof *next);) {
    if (next->rtnh_len < sizeof *next || next->rtnh_len > left) return std::nullopt;
    const Attributes own(reinterpret_cast<nlattr*>(next + 1),
                         next->rtnh_len - static_cast<int>(sizeof *next));
    const auto hop = to_next_hop(own, next->rtnh_ifindex, next->rtnh_flags, names);
    if (!hop) return std::nullopt;
    hops.push_back(*hop);
    const int step = (next->rtnh_len + RTNH_ALIGNTO - 1) / RTNH_ALIGNTO * RTNH_ALIGNTO;
    left -= step;
    next = reinterpret_cast<rtnexthop*>(reinterpret_cast<char*>(next) + step);
  }
  if (hops.empty()) return std::nullopt;
  return hops;
}

}  // namespace

std::optional<Link> decode_link(const nlmsghdr& message) {
  const auto* header = header_of<ifinfomsg>(message, RTM_NEWLINK);
  if (header == nullptr) return std::nullopt;
  const Attributes attributes(message, sizeof *header);
  if (!attributes.ok() || attributes.find(IFLA_IFNAME) == nullptr) return std::nullopt;
  Link link;
  link.index = header->ifi_index;
  link.name = attributes.text(IFLA_IFNAME);
  link.up = (header->ifi_flags & IFF_UP) != 0;
  link.carrier = (header->ifi_flags & IFF_LOWER_UP) != 0;
  link.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
  link.mtu = attributes.u32(IFLA_MTU).value_or(0);
  if (const auto mac = attributes.bytes(IFLA_ADDRESS); mac.size() == link.mac.bytes.size()) {
    std::copy(mac.begin(), mac.end(), link.mac.bytes.begin());
  }
  if (const nlattr* info = attributes.find(IFLA_LINKINFO); info != nullptr) {
    link.kind = Attributes(info).text(IFLA_INFO_KIND);
  }
  return link;
}

std::optional<LinkAddress> decode_address(const nlmsghdr& message, const LinkNames& names) {
  const auto* header = header_of<ifaddrmsg>(message, RTM_NEWADDR);
  if (header == nullptr) return std::nullopt;
  const Attributes attributes(message, sizeof *header);
  const auto family = family_of(header->ifa_family);
  const auto name = names.find(static_cast<int>(header->ifa_index));
  if (!attributes.ok() || !family || name == names.end()) return std::nullopt;
  // On a point-to-point link IFA_ADDRESS is the peer's; IPv6 sends IFA_LOCAL only then.
  const int type = attributes.find(IFA_LOCAL) != nullptr ? IFA_LOCAL : IFA_ADDRESS;
  const auto prefix = to_prefix(*family, attributes.bytes(type), header->ifa_prefixlen);
  if (!prefix || attributes.find(type) == nullptr) return std::nullopt;
  LinkAddress address{name->second, *prefix, header->ifa_scope == RT_SCOPE_LINK};
  const std::uint32_t flags = attributes.u32(IFA_FLAGS).value_or(header->ifa_flags);
  address.no_prefix_route = (flags & IFA_F_NOPREFIXROUTE) != 0;
  address.metric = attributes.u32(IFA_RT_PRIORITY).value_or(0);
  ifa_cacheinfo times{};
  const auto bytes = attributes.bytes(IFA_CACHEINFO);
  if (bytes.size() >= sizeof times && (flags & IFA_F_PERMANENT) == 0) {
    std::memcpy(&times, bytes.data(), sizeof times);
    address.lifetimes = {times.ifa_valid, times.ifa_prefered};
  }
  return address;
}

std::optional<Route> decode_route(const nlmsghdr& message, const LinkNames& names) {
  const auto* header = header_of<rtmsg>(message, RTM_NEWROUTE);
  if (header == nullptr || header->rtm_type != RTN_UNICAST) return std::nullopt;
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  if (header->rtm_src_len != 0 || header->rtm_tos != 0) return std::nullopt;
  const Attributes attributes(message, sizeof *header);
  const auto family = family_of(header->rtm_family);
  if (!attributes.ok() || !family) return std::nullopt;
  const auto destination = to_prefix(*family, attributes.bytes(RTA_DST), header->rtm_dst_len);
  auto hops = to_next_hops(attributes, header->rtm_flags, names);
  if (!destination || !hops) return std::nullopt;
  Route route;
  route.destination = *destination;
  route.next_hops = std::move(*hops);
  route.table = attributes.u32(RTA_TABLE).value_or(header->rtm_table);
  route.source = to_address(attributes.bytes(RTA_PREFSRC));
  route.metric = attributes.u32(RTA_PRIORITY).value_or(0);
  if (const nlattr* metrics = attributes.find(RTA_METRICS); metrics != nullptr) {
    const Attributes values(metrics);
    for (std::uint16_t type = RTAX_LOCK; type <= RTAX_MAX; ++type) {
      const auto value = type == RTAX_CC_ALGO ? std::nullopt : values.u32(type);  // that is a name
      if (value) route.metrics.emplace(type, *value);
    }
  }
  if (const auto preference = attributes.bytes(RTA_PREF); !preference.empty())
    route.preference = preference[0];
  if (header->rtm_scope == RT_SCOPE_LINK) route.scope = RouteScope::link;
  route.protocol = header->rtm_protocol;
  return route;
}

std::optional<Rule> decode_rule(const nlmsghdr& message) {
  const auto* header = header_of<fib_rule_hdr>(message, RTM_NEWRULE);
  if (header == nullptr || header->action != FR_ACT_TO_TBL) return std::nullopt;
  const Attributes attributes(message, sizeof *header);
  const auto family = family_of(header->family);
  if (!attributes.ok() || !family) return std::nullopt;
  Rule rule;
  rule.family = *family;
  rule.priority = attributes.u32(FRA_PRIORITY).value_or(0);
  rule.table = attributes.u32(FRA_TABLE).value_or(header->table);
  rule.input_link = attributes.text(FRA_IIFNAME);
  if (header->src_len != 0) {
    rule.from = to_prefix(*family, attributes.bytes(FRA_SRC), header->src_len);
  }
  if (header->dst_len != 0) {
    rule.to = to_prefix(*family, attributes.bytes(FRA_DST), header->dst_len);
  }
  rule.mark = attributes.u32(FRA_FWMARK).value_or(0);
  if (rule.mark != 0) rule.mark_mask = attributes.u32(FRA_FWMASK).value_or(0xffffffff);
  return rule;
}

}  // namespace egress::router
