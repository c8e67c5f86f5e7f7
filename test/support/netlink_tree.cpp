#include "test/support/netlink_tree.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <vector>

namespace egress::test {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Header = std::map<std::string, std::uint32_t>;

std::string hex(Bytes bytes) {
  std::string text;
  for (const auto byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

template <class Value>
Value read(Bytes bytes, std::size_t at = 0) {
  Value value;
  if (bytes.size() < at + sizeof value) throw std::runtime_error("message cut short");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::size_t aligned(std::size_t length) { return (length + 3) / 4 * 4; }

struct Attribute {
  int type = 0;
  Bytes payload;
};

std::vector<Attribute> split(Bytes bytes) {
  std::vector<Attribute> attributes;
  while (!bytes.empty()) {
    const auto head = read<nlattr>(bytes);
    if (head.nla_len < sizeof head || head.nla_len > bytes.size()) {
      throw std::runtime_error("attribute of length " + std::to_string(head.nla_len));
    }
    // Whether NLA_F_NESTED is set says nothing that the type does not say.
    attributes.push_back(
        {head.nla_type & NLA_TYPE_MASK, bytes.subspan(sizeof head, head.nla_len - sizeof head)});
    bytes = bytes.subspan(std::min(aligned(head.nla_len), bytes.size()));
  }
  std::stable_sort(attributes.begin(), attributes.end(),
                   [](const Attribute& a, const Attribute& b) { return a.type < b.type; });
  return attributes;
}

// Object kinds: RTM_NEWLINK, RTM_DELLINK, ... share the four numbers from their base on.
int object_of(int type) { return type / 4 * 4; }

// Where an attribute stands: the object, then the types from the outermost on.
using Path = std::vector<int>;

bool is_nest(const Path& path) {
  static const std::vector<Path> nests{{RTM_NEWLINK, IFLA_LINKINFO},
                                       {RTM_NEWLINK, IFLA_LINKINFO, IFLA_INFO_DATA},
                                       {RTM_NEWROUTE, RTA_METRICS}};
  return std::find(nests.begin(), nests.end(), path) != nests.end();
}

std::string attributes_text(Bytes bytes, const Path& path, const std::string& indent);

std::string multipath_text(Bytes bytes, const Path& path, const std::string& indent) {
  std::string text;
  while (!bytes.empty()) {
    const auto hop = read<rtnexthop>(bytes);
    if (hop.rtnh_len < sizeof hop) throw std::runtime_error("next hop without its head");
    text += indent + "next hop index " + std::to_string(hop.rtnh_ifindex) + " flags " +
            std::to_string(hop.rtnh_flags) + " hops " + std::to_string(hop.rtnh_hops) + "\n";
    text +=
        attributes_text(bytes.subspan(sizeof hop, hop.rtnh_len - sizeof hop), path, indent + "  ");
    bytes = bytes.subspan(std::min(aligned(hop.rtnh_len), bytes.size()));
  }
  return text;
}

std::string value_text(const Attribute& attribute, const Path& path) {
  // The number of a descriptor is the sender's affair.
  if (path == Path{RTM_NEWLINK, IFLA_NET_NS_FD}) return "a descriptor";
  // With or without the zero at its end, a kind is the same to the kernel (nla_strscpy).
  if (path == Path{RTM_NEWLINK, IFLA_LINKINFO, IFLA_INFO_KIND}) {
    const auto end = std::find(attribute.payload.begin(), attribute.payload.end(), 0);
    return std::string(attribute.payload.begin(), end);
  }
  return hex(attribute.payload);
}

std::string attributes_text(Bytes bytes, const Path& path, const std::string& indent) {
  std::string text;
  for (const auto& attribute : split(bytes)) {
    Path own = path;
    own.push_back(attribute.type);
    text += indent + std::to_string(attribute.type);
    if (is_nest(own)) {
      text += "\n" + attributes_text(attribute.payload, own, indent + "  ");
    } else if (own == Path{RTM_NEWROUTE, RTA_MULTIPATH}) {
      text += "\n" + multipath_text(attribute.payload, path, indent + "  ");
    } else {
      text += " " + value_text(attribute, own) + "\n";
    }
  }
  return text;
}

// A table under 256 stands in the head, any table in an attribute, and the attribute counts
// (rtm_get_table, frh_get_table): `table` is what the kernel takes, and the attribute is left out.
std::uint32_t table_of(Bytes attributes, int table_type, std::uint32_t in_head) {
  for (const auto& attribute : split(attributes)) {
    if (attribute.type == table_type) return read<std::uint32_t>(attribute.payload);
  }
  return in_head;
}

std::string without_attribute(std::string text, int type) {
  const auto at = ("\n" + text).find("\n" + std::to_string(type) + " ");
  if (at != text.npos) text.erase(at, text.find('\n', at) + 1 - at);
  return text;
}

struct Decoded {
  Header header;
  std::string attributes;
};

Decoded decode_link(Bytes body) {
  const auto head = read<ifinfomsg>(body);
  return {{{"family", head.ifi_family},
           {"device type", head.ifi_type},
           {"index", static_cast<std::uint32_t>(head.ifi_index)},
           {"flags", head.ifi_flags},
           {"change", head.ifi_change}},
          attributes_text(body.subspan(sizeof head), {RTM_NEWLINK}, "")};
}

Decoded decode_address(Bytes body) {
  const auto head = read<ifaddrmsg>(body);
  return {{{"family", head.ifa_family},
           {"prefix length", head.ifa_prefixlen},
           {"flags", head.ifa_flags},
           {"scope", head.ifa_scope},
           {"index", head.ifa_index}},
          attributes_text(body.subspan(sizeof head), {RTM_NEWADDR}, "")};
}

Decoded decode_route(Bytes body) {
  const auto head = read<rtmsg>(body);
  const auto attributes = body.subspan(sizeof head);
  Decoded route{{{"family", head.rtm_family},
                 {"destination length", head.rtm_dst_len},
                 {"source length", head.rtm_src_len},
                 {"tos", head.rtm_tos},
                 {"table", table_of(attributes, RTA_TABLE, head.rtm_table)},
                 {"protocol", head.rtm_protocol},
                 {"type", head.rtm_type},
                 {"flags", head.rtm_flags}},
                without_attribute(attributes_text(attributes, {RTM_NEWROUTE}, ""), RTA_TABLE)};
  // The destination of a default route has no bits to say.
  if (head.rtm_dst_len == 0) route.attributes = without_attribute(route.attributes, RTA_DST);
  // IPv6 has no scopes of routes (rtm_to_fib6_config reads none).
  if (head.rtm_family == AF_INET) route.header["scope"] = head.rtm_scope;
  return route;
}

Decoded decode_rule(Bytes body) {
  const auto head = read<fib_rule_hdr>(body);
  const auto attributes = body.subspan(sizeof head);
  return {{{"family", head.family},
           {"destination length", head.dst_len},
           {"source length", head.src_len},
           {"tos", head.tos},
           {"table", table_of(attributes, FRA_TABLE, head.table)},
           {"action", head.action},
           {"flags", head.flags}},
          without_attribute(attributes_text(attributes, {RTM_NEWRULE}, ""), FRA_TABLE)};
}

Decoded decode(int type, Bytes body) {
  switch (object_of(type)) {
    case RTM_NEWLINK: return decode_link(body);
    case RTM_NEWADDR: return decode_address(body);
    case RTM_NEWROUTE: return decode_route(body);
    case RTM_NEWRULE: return decode_rule(body);
    default: throw std::runtime_error("message type " + std::to_string(type));
  }
}

}  // namespace

std::string netlink_tree(std::span<const std::uint8_t> message) {
  const auto head = read<nlmsghdr>(message);
  if (head.nlmsg_len != message.size()) throw std::runtime_error("message of another length");
  // Set when a request is sent, on each.
  const int flags = head.nlmsg_flags & ~(NLM_F_REQUEST | NLM_F_ACK);
  const auto decoded = decode(head.nlmsg_type, message.subspan(sizeof head));
  std::string text =
      "type " + std::to_string(head.nlmsg_type) + " flags " + std::to_string(flags) + "\n";
  for (const auto& [name, value] : decoded.header) {
    text += name + " " + std::to_string(value) + "\n";
  }
  return text + decoded.attributes;
}

}  // namespace egress::test
