// A flow as the kernel tells it, whole and cut short, and the message that ends it.
#include "router-init/conntrack.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;

struct End {
  std::string address;
  std::uint16_t port;
};

class Message {
 public:
  explicit Message(int type = IPCTNL_MSG_CT_NEW) : words_(256) {
    header().nlmsg_len = NLMSG_HDRLEN;
    header().nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
    mnl_nlmsg_put_extra_header(&header(), sizeof(nfgenmsg));
  }

  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(words_.data()); }

  Message& tuple(std::uint16_t type, std::uint8_t protocol, const End& from, const End& to) {
    const auto source = ip(from.address);
    const auto destination = ip(to.address);
    nlattr* tuple = mnl_attr_nest_start(&header(), type);
    nlattr* addresses = mnl_attr_nest_start(&header(), CTA_TUPLE_IP);
    put(source.is_v4() ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, source);
    put(source.is_v4() ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination);
    mnl_attr_nest_end(&header(), addresses);
    nlattr* ports = mnl_attr_nest_start(&header(), CTA_TUPLE_PROTO);
    mnl_attr_put_u8(&header(), CTA_PROTO_NUM, protocol);
    if (protocol == IPPROTO_ICMP) {
      mnl_attr_put_u16(&header(), CTA_PROTO_ICMP_ID, htons(77));
    } else {
      mnl_attr_put_u16(&header(), CTA_PROTO_SRC_PORT, htons(from.port));
      mnl_attr_put_u16(&header(), CTA_PROTO_DST_PORT, htons(to.port));
    }
    mnl_attr_nest_end(&header(), ports);
    mnl_attr_nest_end(&header(), tuple);
    return *this;
  }
  Message& number(std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(&header(), type, htonl(value));
    return *this;
  }
  Message& zone(std::uint16_t value) {
    mnl_attr_put_u16(&header(), CTA_ZONE, htons(value));
    return *this;
  }

 private:
  void put(std::uint16_t type, const IpAddress& address) {
    mnl_attr_put(&header(), type, address.bytes().size(), address.bytes().data());
  }

  std::vector<std::uint32_t> words_;
};

constexpr std::uint32_t kTranslated = IPS_SRC_NAT | IPS_DST_NAT | IPS_CONFIRMED;

Message udp_flow() {
  Message message;
  message.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, {"10.129.0.10", 40000}, {"10.128.0.5", 80})
      .tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, {"203.0.113.26", 8080}, {"10.42.253.46", 40000})
      .number(CTA_STATUS, kTranslated)
      .number(CTA_ID, 0x12345678)
      .zone(9);
  return message;
}

TEST_CASE("a translated flow") {
  Message message = udp_flow();
  const auto tracked = decode_flow(message.header());
  REQUIRE(tracked);
  CHECK(tracked->flow == Flow{IPPROTO_UDP, ip("10.129.0.10"), ip("10.128.0.5"), 80,
                              ip("203.0.113.26"), 8080, true, true});
  CHECK(tracked->id_be == htonl(0x12345678));
  CHECK(tracked->zone_be == htons(9));
}

TEST_CASE("an IPv6 flow that is not translated") {
  Message message;
  message.tuple(CTA_TUPLE_ORIG, IPPROTO_TCP, {"fd01::10", 40000}, {"fd01::5", 80})
      .tuple(CTA_TUPLE_REPLY, IPPROTO_TCP, {"fd01::5", 80}, {"fd01::10", 40000})
      .number(CTA_STATUS, IPS_CONFIRMED);
  const auto tracked = decode_flow(message.header());
  REQUIRE(tracked);
  CHECK(tracked->flow ==
        Flow{IPPROTO_TCP, ip("fd01::10"), ip("fd01::5"), 80, ip("fd01::5"), 80, false, false});
  CHECK_FALSE(tracked->id_be);
  CHECK_FALSE(tracked->zone_be);
}

TEST_CASE("a protocol without ports") {
  Message message;
  message.tuple(CTA_TUPLE_ORIG, IPPROTO_ICMP, {"10.129.0.10", 0}, {"10.128.0.5", 0})
      .tuple(CTA_TUPLE_REPLY, IPPROTO_ICMP, {"203.0.113.27", 0}, {"10.42.253.46", 0})
      .number(CTA_STATUS, kTranslated);
  const auto tracked = decode_flow(message.header());
  REQUIRE(tracked);
  CHECK(tracked->flow == Flow{IPPROTO_ICMP,
                              ip("10.129.0.10"),
                              ip("10.128.0.5"),
                              {},
                              ip("203.0.113.27"),
                              {},
                              true,
                              true});
}

TEST_CASE("what is no flow, or lacks a part, makes none") {
  Message other(IPCTNL_MSG_CT_DELETE);
  CHECK_FALSE(decode_flow(other.header()));
  Message empty;
  CHECK_FALSE(decode_flow(empty.header()));
  Message one_way;
  one_way.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, {"10.129.0.10", 1}, {"10.128.0.5", 2})
      .number(CTA_STATUS, kTranslated);
  CHECK_FALSE(decode_flow(one_way.header()));
  one_way.tuple(CTA_TUPLE_REPLY, IPPROTO_UDP, {"203.0.113.26", 2}, {"10.42.253.46", 1});
  CHECK(decode_flow(one_way.header()));
}

TEST_CASE("a flow cut short anywhere, and with any byte another, is read without harm") {
  Message whole = udp_flow();
  const std::uint32_t length = whole.header().nlmsg_len;
  std::size_t read = 0;
  for (std::uint32_t cut = 0; cut < length; ++cut) {
    // Memory of its own, so that a reader that goes too far is seen by an address sanitizer.
    std::vector<std::uint32_t> words((std::max<std::uint32_t>(cut, sizeof(nlmsghdr)) + 3) / 4);
    std::memcpy(words.data(), &whole.header(), std::max<std::uint32_t>(cut, sizeof(nlmsghdr)));
    auto& message = *reinterpret_cast<nlmsghdr*>(words.data());
    message.nlmsg_len = cut;
    if (decode_flow(message)) ++read;
  }
  CHECK(read <= 20);  // only the identifier and the zone, 12 and 8 bytes at the end, may be missing
  for (std::uint32_t at = sizeof(nlmsghdr); at < length; ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff}) {
      Message message = udp_flow();
      reinterpret_cast<std::uint8_t*>(&message.header())[at] = static_cast<std::uint8_t>(value);
      decode_flow(message.header());
    }
  }
}

TEST_CASE("a flow is ended by its own tuple, identifier and zone") {
  Message message = udp_flow();
  const auto tracked = decode_flow(message.header());
  REQUIRE(tracked);
  MessageWriter writer;
  append_delete(writer, *tracked, 7);
  append_delete(writer, *tracked, 8);

  const Bytes batch = writer.bytes();
  int rest = static_cast<int>(batch.size());
  const auto* first = reinterpret_cast<const nlmsghdr*>(batch.data());
  REQUIRE(mnl_nlmsg_ok(first, rest));
  CHECK(first->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE));
  CHECK(first->nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
  CHECK(first->nlmsg_seq == 7);
  CHECK(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(first))->nfgen_family == AF_INET);
  // But for the type of the message and the reply, it says what the kernel said.
  Message expected(IPCTNL_MSG_CT_DELETE);
  expected.tuple(CTA_TUPLE_ORIG, IPPROTO_UDP, {"10.129.0.10", 40000}, {"10.128.0.5", 80})
      .zone(9)
      .number(CTA_ID, 0x12345678);
  REQUIRE(first->nlmsg_len == expected.header().nlmsg_len);
  const std::size_t attributes = NLMSG_HDRLEN + sizeof(nfgenmsg);
  CHECK(std::memcmp(batch.data() + attributes,
                    reinterpret_cast<const char*>(&expected.header()) + attributes,
                    first->nlmsg_len - attributes) == 0);

  const auto* second = mnl_nlmsg_next(first, &rest);
  REQUIRE(mnl_nlmsg_ok(second, rest));
  CHECK(second->nlmsg_seq == 8);
  mnl_nlmsg_next(second, &rest);
  CHECK(rest == 0);
}

}  // namespace
}  // namespace egress::router
