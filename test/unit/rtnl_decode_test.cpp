// What rtnl_encode packs is what rtnl_decode reads; and bytes that are no whole message make no
// value and no crash.
#include "router-init/rtnl_decode.hpp"

#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "router-init/rtnl_encode.hpp"
#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using egress::test::prefix;

const LinkIndexes kIndexes{{"eth0", 2}, {"macvlan0", 7}};
const LinkNames kNames{{2, "eth0"}, {7, "macvlan0"}};

const nlmsghdr& header(const Result<NlMessage>& message) {
  REQUIRE(message.has_value());
  return *::nlmsg_hdr(message->get());
}

Route route4() {
  Route route;
  route.destination = prefix("10.128.0.0/14");
  route.next_hops = {{"eth0", ip("169.254.1.1"), true}};
  route.table = 3180;
  route.source = ip("10.128.0.5");
  route.metric = 100;
  route.metrics = {{RTAX_MTU, 1400}};
  return route;
}

std::vector<Route> routes() {
  Route on_link = route4();
  on_link.next_hops = {{"macvlan0", {}, false}};
  on_link.scope = RouteScope::link;
  Route multipath = route4();
  multipath.next_hops = {{"eth0", ip("10.0.0.1"), false}, {"macvlan0", ip("10.0.0.2"), true}};
  Route default4;
  default4.destination = prefix("0.0.0.0/0");
  default4.next_hops = {{"eth0", ip("10.0.0.1"), false}};
  Route via6 = default4;
  via6.next_hops[0].gateway = ip("fe80::1");
  Route default6 = via6;
  default6.destination = prefix("::/0");
  default6.metric = 1024;
  default6.preference = 3;
  default6.metrics = {
      {RTAX_LOCK, 1U << RTAX_MTU}, {RTAX_MTU, 1400}, {RTAX_ADVMSS, 1340}, {RTAX_INITCWND, 20}};
  Route multipath6 = default6;
  multipath6.next_hops.push_back({"macvlan0", ip("fe80::2"), false});
  return {route4(), on_link, multipath, default4, via6, default6, multipath6};
}

std::vector<Rule> rules() {
  Rule rule;
  rule.priority = 3180;
  rule.table = 3180;
  rule.input_link = "macvlan0";
  Rule marked = rule;
  marked.input_link = "lo";
  marked.mark = 0x20000000;
  marked.mark_mask = 0x20000000;
  Rule whole_mark = marked;
  whole_mark.mark_mask = 0xffffffff;
  Rule narrow;
  narrow.family = Family::v6;
  narrow.priority = 3181;
  narrow.from = prefix("fd00:10:128::5/128");
  narrow.to = prefix("fd00::/8");
  return {rule, marked, whole_mark, narrow};
}

TEST_CASE("routes that are packed are read again") {
  for (const auto& route : routes()) {
    const auto message = encode_put_route(route, kIndexes);
    CHECK(decode_route(header(message), kNames) == route);
  }
}

TEST_CASE("rules that are packed are read again") {
  for (const auto& rule : rules()) {
    const auto message = encode_add_rule(rule);
    CHECK(decode_rule(header(message)) == rule);
  }
}

TEST_CASE("addresses that are packed are read again") {
  for (const auto& address : {LinkAddress{"macvlan0", prefix("10.42.253.46/24"), false},
                              LinkAddress{"macvlan0", prefix("2001:db8:42::46/64"), false},
                              LinkAddress{"macvlan0", prefix("169.254.7.7/16"), true},
                              LinkAddress{"macvlan0", prefix("2001:db8:42::46/64"), false, true, 77,
                                          Lifetimes{3600, 0}}}) {
    const auto message = encode_add_address(address, 7);
    CHECK(decode_address(header(message), kNames) == address);
  }
}

TEST_CASE("a link that is packed is read again") {
  const CreateMacvlan macvlan{"macvlan0", "ens3", 4, "", MacvlanMode::private_, 1450};
  const auto link = decode_link(header(encode_create_macvlan(macvlan, 9)));
  REQUIRE(link.has_value());
  CHECK(link->name == "macvlan0");
  CHECK(link->kind == "macvlan");
  CHECK(link->mtu == 1450);
  CHECK_FALSE(link->up);
}

TEST_CASE("what names a link that is not known makes no value") {
  CHECK_FALSE(decode_route(header(encode_put_route(route4(), kIndexes)), {{7, "macvlan0"}}));
  const LinkAddress address{"macvlan0", prefix("10.42.253.46/24"), false};
  CHECK_FALSE(decode_address(header(encode_add_address(address, 7)), {{2, "eth0"}}));
}

TEST_CASE("routes that are not for a plan make no value") {
  const auto message = encode_put_route(route4(), kIndexes);
  auto* head = static_cast<rtmsg*>(::nlmsg_data(::nlmsg_hdr(message->get())));
  const rtmsg plain = *head;
  REQUIRE(decode_route(header(message), kNames));
  const auto refused_with = [&](auto change) {
    *head = plain;
    change(*head);
    return !decode_route(header(message), kNames).has_value();
  };
  CHECK(refused_with([](rtmsg& one) { one.rtm_type = RTN_LOCAL; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_type = RTN_MULTICAST; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_type = RTN_UNREACHABLE; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_flags |= RTM_F_CLONED; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_src_len = 8; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_tos = 16; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_dst_len = 33; }));
  CHECK(refused_with([](rtmsg& one) { one.rtm_family = AF_INET6; }));
}

// Calls `decode` with the message cut to each shorter length, and with each of its 16-bit words
// set to values that are wrong as a length. The bytes stand at the end of their memory, so that
// the address sanitizer sees a look beyond them.
template <class Decode>
void hand_damaged(const nlmsghdr& whole, Decode decode) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(&whole);
  for (std::uint32_t size = sizeof whole; size < whole.nlmsg_len; ++size) {
    std::vector<std::uint8_t> bytes(first, first + size);
    auto* header = reinterpret_cast<nlmsghdr*>(bytes.data());
    header->nlmsg_len = size;
    decode(*header);
  }
  for (std::size_t at = sizeof whole; at + 2 <= whole.nlmsg_len; at += 2) {
    for (const std::uint16_t wrong :
         std::initializer_list<std::uint16_t>{0, 1, 3, 4, 5, 9, 0xffff}) {
      std::vector<std::uint8_t> bytes(first, first + whole.nlmsg_len);
      std::memcpy(bytes.data() + at, &wrong, sizeof wrong);
      decode(*reinterpret_cast<nlmsghdr*>(bytes.data()));
    }
  }
}

TEST_CASE("damaged messages are survived, and a head alone is no value") {
  for (const auto& route : routes()) {
    hand_damaged(header(encode_put_route(route, kIndexes)), [](const nlmsghdr& message) {
      const auto read = decode_route(message, kNames);
      if (message.nlmsg_len < sizeof(nlmsghdr) + sizeof(rtmsg)) REQUIRE_FALSE(read);
      if (read) REQUIRE_FALSE(read->next_hops.empty());
    });
  }
  for (const auto& rule : rules()) {
    hand_damaged(header(encode_add_rule(rule)), [](const nlmsghdr& message) {
      const auto read = decode_rule(message);
      if (message.nlmsg_len < sizeof(nlmsghdr) + 12) REQUIRE_FALSE(read);
    });
  }
  const LinkAddress address{"macvlan0", prefix("2001:db8:42::46/64"), false};
  hand_damaged(header(encode_add_address(address, 7)), [](const nlmsghdr& message) {
    const auto read = decode_address(message, kNames);
    if (read) REQUIRE(read->prefix.length <= address_bits(read->prefix.family()));
  });
  const CreateMacvlan macvlan{"macvlan0", "ens3", 4, "", MacvlanMode::private_, 1450};
  hand_damaged(header(encode_create_macvlan(macvlan, 9)), [](const nlmsghdr& message) {
    const auto read = decode_link(message);
    if (message.nlmsg_len < sizeof(nlmsghdr) + 16) REQUIRE_FALSE(read);
  });
}

}  // namespace
}  // namespace egress::router
