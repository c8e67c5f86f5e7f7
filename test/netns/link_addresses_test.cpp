// What egress-wait reads of its link, against the real kernel.
#include "redirect-proxy/wait/link_addresses.hpp"

#include <catch2/catch.hpp>

#include "test/support/netns.hpp"
#include "test/support/parse.hpp"

namespace egress::wait {
namespace {

using egress::test::ip;
using egress::test::run;
using egress::test::run_in_new_netns;

constexpr const char* kMakeLink =
    "sysctl -qw net.ipv6.conf.default.addr_gen_mode=1;"
    "ip link add macvlan0 type veth peer name peer0; ip link set peer0 up; ip link set macvlan0 up;"
    "ip address add 10.42.253.46/24 dev macvlan0;"
    "ip -6 address add 2001:db8:42::46/64 dev macvlan0 nodad;"
    "ip -6 address add fe80::46/64 dev macvlan0 nodad;";

// `count` lines of `line` with @ as a number from 1, for one `ip -batch`.
std::string batch(int count, const std::string& line) {
  return "for i in $(seq " + std::to_string(count) + "); do echo '" + line +
         "' | sed \"s/@/$i/g\"; done | ip -batch -;";
}

TEST_CASE("a link's addresses of global scope") {
  run_in_new_netns([] {
    run(kMakeLink);
    REQUIRE(read_link_addresses("macvlan0") ==
            std::vector{ip("10.42.253.46"), ip("2001:db8:42::46")});
    REQUIRE(read_link_addresses("no-link").empty());
  });
}

TEST_CASE("the default gateway is found behind any number of routes") {
  run_in_new_netns([] {
    run(kMakeLink);
    REQUIRE_FALSE(read_default_gateway("macvlan0", Family::v4));
    // The kernel sorts by destination, so that the default route would come first: the table of
    // another number and the metrics keep it behind.
    run(batch(200, "route add 10.9.@.0/24 via 10.42.253.9") +
        batch(200, "route add 2001:db8:@::/64 via 2001:db8:42::9") +
        "ip route add default via 10.42.253.7 table 99;"
        "ip route add default via 10.42.253.8 metric 50;"
        "ip route add default via 10.42.253.1 metric 5;"
        "ip -6 route add default via fe80::8 dev macvlan0 metric 50;"
        "ip -6 route add default via fe80::1 dev macvlan0 metric 5;"
        "ip route add default dev peer0 metric 1");
    REQUIRE(read_default_gateway("macvlan0", Family::v4) == ip("10.42.253.1"));
    REQUIRE(read_default_gateway("macvlan0", Family::v6) == ip("fe80::1"));
    REQUIRE_FALSE(read_default_gateway("peer0", Family::v4));
    REQUIRE_FALSE(read_default_gateway("no-link", Family::v4));
  });
}

TEST_CASE("a neighbor is found among any number of others") {
  run_in_new_netns([] {
    run(kMakeLink);
    REQUIRE_FALSE(kernel_knows_neighbour("macvlan0", ip("10.42.253.1")));
    run(batch(200, "neigh add 10.42.253.@ lladdr 02:00:00:00:00:01 dev macvlan0 nud reachable") +
        batch(200, "neigh add 2001:db8:42::@ lladdr 02:00:00:00:00:01 dev macvlan0 nud stale"));
    for (const auto* address :
         {"10.42.253.1", "10.42.253.200", "2001:db8:42::1", "2001:db8:42::200"}) {
      INFO(address);
      REQUIRE(kernel_knows_neighbour("macvlan0", ip(address)) == true);
      REQUIRE_FALSE(kernel_knows_neighbour("peer0", ip(address)));
    }
    run("ip neigh replace 10.42.253.7 dev macvlan0 nud failed;"
        "ip neigh replace 2001:db8:42::7 dev macvlan0 nud failed");
    REQUIRE(kernel_knows_neighbour("macvlan0", ip("10.42.253.7")) == false);
    REQUIRE(kernel_knows_neighbour("macvlan0", ip("2001:db8:42::7")) == false);
  });
}

}  // namespace
}  // namespace egress::wait
