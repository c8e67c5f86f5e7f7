// Requests for routes and policy rules against the real kernel: carried out, read back, taken back.
#include <linux/rtnetlink.h>

#include <catch2/catch.hpp>

#include "router-init/plan_text.hpp"
#include "test/netns/kernel_state.hpp"
#include "test/support/parse.hpp"

namespace egress::router::test {
namespace {

using egress::test::ip;
using egress::test::prefix;
using egress::test::run;
using egress::test::run_in_new_netns;

void must_go_both_ways(const Route& route) {
  INFO(to_command(PutRoute{route}));
  const auto before = state();
  const auto count = facts().routes.size();
  must(encode_put_route(route, indexes()));
  REQUIRE(holds(facts().routes, route));
  REQUIRE(facts().routes.size() == count + 1);
  must(encode_put_route(route, indexes()));
  REQUIRE(facts().routes.size() == count + 1);
  must(encode_delete_route(route, indexes()));
  REQUIRE(state() == before);
}

void must_go_both_ways(const Rule& rule) {
  INFO(to_command(AddRule{rule}));
  const auto before = state();
  must(encode_add_rule(rule));
  must(encode_add_rule(rule));
  REQUIRE(facts().rules == std::vector{rule});
  must(encode_delete_rule(rule));
  REQUIRE(state() == before);
}

TEST_CASE("IPv4 routes are put, put again and deleted") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip address add 10.128.0.5/23 dev eth0");
    must_go_both_ways(via("0.0.0.0/0", "10.128.0.1"));
    must_go_both_ways(on_link("10.128.0.0/14", "eth0"));
    Route full = on_link("10.42.253.1/32", "eth0");
    full.table = kClusterTable;
    full.source = ip("10.128.0.5");
    full.metric = 100;
    full.metrics = {{RTAX_MTU, 1400}, {RTAX_ADVMSS, 1340}, {RTAX_INITCWND, 20}};
    must_go_both_ways(full);
    Route onlink = via("0.0.0.0/0", "169.254.1.1");
    onlink.next_hops[0].onlink = true;
    must_go_both_ways(onlink);
    Route multipath = via("172.30.0.0/16", "10.128.0.1");
    multipath.next_hops.push_back({"eth0", ip("10.128.0.2"), false});
    multipath.table = kClusterTable;
    must_go_both_ways(multipath);
    must_go_both_ways(via("0.0.0.0/0", "fe80::1"));
  });
}

TEST_CASE("IPv6 routes are put, put again and deleted") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip -6 address add fd00::5/64 dev eth0 nodad");
    must_go_both_ways(via("::/0", "fd00::1"));
    must_go_both_ways(via("::/0", "fe80::1"));
    Route full = via("2001:db8::/32", "fd00::1");
    full.table = kClusterTable;
    full.source = ip("fd00::5");
    full.metrics = {{RTAX_LOCK, 1U << RTAX_MTU}, {RTAX_MTU, 1400}, {RTAX_ADVMSS, 1340}};
    full.metric = 77;
    full.preference = 3;
    must_go_both_ways(full);
    Route link_route = on_link("2001:db8:42::1/128", "eth0");
    link_route.metric = 256;
    must_go_both_ways(link_route);
    Route multipath = via("fd01::/32", "fd00::1");
    multipath.next_hops.push_back({"eth0", ip("fd00::2"), false});
    must_go_both_ways(multipath);
  });
}

TEST_CASE("a route is put in the place of the one with its destination, table and metric") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip address add 10.128.0.5/23 dev eth0; ip -6 address add fd00::5/64 dev eth0 nodad");
    for (const auto& [first, second] :
         {std::pair(via("0.0.0.0/0", "10.128.0.1"), via("0.0.0.0/0", "10.128.0.2")),
          std::pair(via("::/0", "fd00::1"), via("::/0", "fd00::2"))}) {
      Route elsewhere = first;
      elsewhere.table = kClusterTable;
      Route later = first;
      later.metric = 4096;
      for (const auto& one : {first, elsewhere, later}) must(encode_put_route(one, indexes()));
      must(encode_put_route(second, indexes()));
      REQUIRE_FALSE(holds(facts().routes, first));
      REQUIRE(holds(facts().routes, second));
      REQUIRE(holds(facts().routes, elsewhere));
      REQUIRE(holds(facts().routes, later));
    }
  });
}

TEST_CASE("a multipath route gives way to a single one, and the other way round") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip address add 10.128.0.5/23 dev eth0; ip -6 address add fd00::5/64 dev eth0 nodad");
    for (const auto& single : {via("0.0.0.0/0", "10.128.0.9"), via("::/0", "fd00::9")}) {
      Route multipath = single;
      multipath.next_hops.push_back(
          {"eth0", ip(single.family() == Family::v4 ? "10.128.0.2" : "fd00::2"), false});
      const auto count = facts().routes.size();
      for (const auto& route : {multipath, single, multipath}) {
        must(encode_put_route(route, indexes()));
        REQUIRE(holds(facts().routes, route));
        REQUIRE(facts().routes.size() == count + 1);
      }
    }
  });
}

TEST_CASE("the default route of a router advertisement gives way to ours") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip -6 address add fd00::5/64 dev eth0 nodad");
    run("ip -6 route add default via fe80::1 dev eth0 proto ra metric 1024 expires 600");
    must(encode_put_route(via("::/0", "fd00::1"), indexes()));
    REQUIRE(holds(facts().routes, via("::/0", "fd00::1")));
    REQUIRE_FALSE(holds(facts().routes, via("::/0", "fe80::1")));
  });
}

TEST_CASE("that very route is deleted, whoever made it, and none beside it") {
  run_in_new_netns([] {
    run(kMakePair);
    run("ip address add 10.128.0.5/23 dev eth0; ip -6 address add fd00::5/64 dev eth0 nodad;"
        "ip address add 10.9.0.5/23 dev peer0;"
        "ip route add default via 10.128.0.1 metric 100 proto dhcp;"
        "ip route add default via 10.128.0.2 metric 200;"
        "ip route add default via 10.128.0.1 metric 100 table 3180;"
        "ip -6 route add default via fd00::1 metric 100 proto ra;"
        "ip -6 route add default via fd00::2 metric 200;"
        "ip -6 route add default via fd00::1 metric 100 table 3180");
    const Route connected = route_there("10.128.0.0/23", 0);
    const Route dhcp = route_there("0.0.0.0/0", 100);
    const Route advertised = route_there("::/0", 100);
    for (const auto& route : {dhcp, advertised, connected}) {
      auto rest = facts().routes;
      const auto at = std::find(rest.begin(), rest.end(), route);
      REQUIRE(at != rest.end());
      rest.erase(at);
      must(encode_delete_route(route, indexes()));
      REQUIRE(facts().routes == rest);
    }
    Route by_peer = via("0.0.0.0/0", "10.128.0.2");
    by_peer.metric = 200;
    by_peer.next_hops[0].link = "peer0";
    const auto before = facts().routes;
    must(encode_delete_route(by_peer, indexes()));  // it is gone already
    REQUIRE(facts().routes == before);
  });
}

TEST_CASE("rules of both families are added, once, and deleted") {
  run_in_new_netns([] {
    run(kMakePair);
    for (const auto family : {Family::v4, Family::v6}) {
      Rule rule;
      rule.family = family;
      rule.priority = kRulePriority;
      rule.table = kClusterTable;
      must_go_both_ways(rule);
      Rule by_link = rule;
      by_link.input_link = "eth0";
      must_go_both_ways(by_link);
      Rule by_address = rule;
      by_address.from = prefix(family == Family::v4 ? "10.128.0.5/32" : "fd00::5/128");
      by_address.to = prefix(family == Family::v4 ? "172.30.0.0/16" : "fd02::/112");
      must_go_both_ways(by_address);
      Rule by_mark = rule;
      by_mark.input_link = "lo";
      by_mark.mark = kClusterMark;
      by_mark.mark_mask = kClusterMark;
      must_go_both_ways(by_mark);
      must(encode_add_rule(by_mark));
      must(encode_add_rule(by_link));
      must(encode_delete_rule(by_mark));
      REQUIRE(facts().rules == std::vector{by_link});
      must(encode_delete_rule(by_link));
    }
  });
}

}  // namespace
}  // namespace egress::router::test
