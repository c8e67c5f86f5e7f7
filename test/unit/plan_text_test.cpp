#include "router-init/plan_text.hpp"

#include <linux/rtnetlink.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "test/support/parse.hpp"
#include "test/support/pods.hpp"

namespace egress::router {
namespace {

using namespace test;
using egress::test::ip;
using egress::test::prefix;

NetworkPlan reference_plan() {
  return make_plan(reference_config(), calico_pod(), Assume::nothing).value();
}

TEST_CASE("routes and rules as ip(8) spells them") {
  Route route;
  route.destination = prefix("0.0.0.0/0");
  route.next_hops = {{"eth0", ip("10.0.0.1"), true}};
  CHECK(to_command(PutRoute{route}) == "ip route replace default via 10.0.0.1 dev eth0 onlink");
  route.next_hops.push_back({"eth1", ip("10.0.1.1"), false});
  route.metrics = {{RTAX_MTU, 1400}};
  CHECK(to_command(DeleteRoute{route}) ==
        "ip route delete default mtu 1400 nexthop via 10.0.0.1 dev eth0 onlink nexthop via "
        "10.0.1.1 dev eth1");
  CHECK(to_command(AddAddress{{"macvlan0", prefix("2001:db8:42::46/64"), false}}) ==
        "ip -6 address add 2001:db8:42::46/64 dev macvlan0 nodad");
}

TEST_CASE("the text ends with the ruleset that stands in the end") {
  const auto plan = reference_plan();
  const auto text = to_text(plan);
  const auto nft = to_nft_text(plan);
  CHECK(nft.find("203.0.113.27") != nft.npos);  // the translation, not the guard
  CHECK(text.ends_with("# the ruleset, for nft -f\n" + nft));
}

TEST_CASE("what is so already is printed as a comment") {
  NetworkPlan plan;
  plan.warnings = {"w"};
  plan.assumptions = {"a"};
  plan.steps = {{SetSysctl{"net/ipv4/ip_forward", "1"}, {}, true},
                {SetLinkUp{"macvlan0", true}, {}, false}};
  CHECK(
      to_text(plan).starts_with("# warning: w\n"
                                "# assumed: a\n"
                                "# already so: sysctl -w net/ipv4/ip_forward=1\n"
                                "ip link set dev macvlan0 up\n"));
}

TEST_CASE("as JSON, every step has its action, stage and command") {
  const auto plan = reference_plan();
  const auto json = nlohmann::json::parse(to_json(plan));
  CHECK(json["version"] == 1);
  CHECK(json["nft"] == to_nft_text(plan));
  REQUIRE(json["steps"].size() == plan.steps.size());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto& step = json["steps"][i];
    CHECK_FALSE(step["action"].get<std::string>().empty());
    CHECK_FALSE(step["stage"].get<std::string>().empty());
    CHECK(step["present"] == plan.steps[i].present);
  }
  CHECK(json["steps"][1] == nlohmann::json::parse(R"({
    "action": "create_macvlan", "link": "egress-new", "parent": "ens3", "node_netns": "/proc/1/ns/net",
    "mode": "private", "mtu": 1500, "stage": "link", "present": false,
    "command": "nsenter --net=/proc/1/ns/net ip link add link ens3 name egress-new netns $$ mtu 1500 type macvlan mode private"
  })"));
}

}  // namespace
}  // namespace egress::router
