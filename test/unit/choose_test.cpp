#include "router-init/choose.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"
#include "test/support/pods.hpp"

namespace egress::router {
namespace {

using namespace test;
using egress::test::ip;
using egress::test::prefix;

LinkChoice chosen(const RouterConfig& config, const HostFacts& facts) {
  auto choice = choose_links(config, facts, Assume::nothing);
  if (!choice) FAIL(to_text(choice.error()));
  return std::move(*choice);
}

Error refused(const RouterConfig& config, const HostFacts& facts) {
  const auto choice = choose_links(config, facts, Assume::nothing);
  REQUIRE_FALSE(choice.has_value());
  return choice.error();
}

TEST_CASE("an interface that is there is adopted") {
  const auto choice = chosen(reference_config(), openshift_sdn_pod());
  REQUIRE(choice.egress);
  CHECK(choice.egress->name == "macvlan0");
  CHECK_FALSE(choice.create);
  CHECK(choice.cluster_name == "eth0");
}

TEST_CASE("the parent: by name, by the gateway's network, by the default route") {
  RouterConfig config = reference_config();
  HostFacts facts = ovn_kubernetes_pod();
  CHECK(chosen(config, facts).create ==
        CreateMacvlan{"egress-new", "ens3", 2, "/proc/1/ns/net", MacvlanMode::private_, 1500});
  facts.node->addresses.clear();
  CHECK(chosen(config, facts).create->parent == "ens4");
  config.parent = "ens3";
  CHECK(chosen(config, facts).create->parent == "ens3");
}

TEST_CASE("the cluster interface: by name, eth0, the default route, what an earlier run kept") {
  RouterConfig config = reference_config();
  HostFacts facts = openshift_sdn_pod();
  for (auto& link : facts.links) {
    if (link.name == "eth0") link.name = "ens5";
  }
  for (auto& route : facts.routes) route.next_hops[0].link = "ens5";
  CHECK(chosen(config, facts).cluster_name == "ens5");
  for (auto& route : facts.routes) {
    if (route.is_default()) route.table = kClusterTable;
  }
  CHECK(chosen(config, facts).cluster_name == "ens5");
  config.cluster_interface = "lo";
  CHECK(chosen(config, facts).cluster_name == "lo");
  config.cluster_interface = "eth7";
  CHECK(
      to_text(refused(config, facts)) ==
      "cluster interface eth7: does not exist in the pod, which has: ens5, macvlan0\n"
      "  hint: set EGRESS_CLUSTER_INTERFACE to the interface by which the pod reaches the cluster");
}

TEST_CASE("no interface and no way to make one says what to do on each platform") {
  HostFacts facts = ovn_kubernetes_pod();
  facts.node.reset();
  facts.node_trouble = "the pod has a PID namespace of its own";
  const auto error = refused(reference_config(), facts);
  CHECK(error.stage == ExitCode::facts);
  CHECK(error.object == "link macvlan0");
  CHECK(error.cause ==
        "is not in this pod, which has: eth0; and it cannot be made: the pod has a PID namespace "
        "of its own");
  for (const std::string word :
       {"assign-macvlan", "Multus", "hostPID", "/proc read-only at /host/proc",
        "EGRESS_HOST_NETNS=/host/proc/1/ns/net"}) {
    CHECK(error.hint.find(word) != error.hint.npos);
  }
  const auto assumed = choose_links(reference_config(), facts, Assume::missing);
  REQUIRE(assumed.has_value());
  CHECK(assumed->assumptions.size() == 1);
}

TEST_CASE("a parent that is missing or down") {
  RouterConfig config = reference_config();
  HostFacts facts = ovn_kubernetes_pod();
  config.parent = "ens9";
  CHECK(to_text(refused(config, facts)) ==
        "parent ens9: no such interface on the node, which has: ens3, ens4\n"
        "  hint: set EGRESS_PARENT to the node's interface on the network of EGRESS_GATEWAY");
  config.parent.clear();
  facts.node->links[1].up = false;
  CHECK(refused(config, facts).cause == "is down on the node");
}

TEST_CASE("a source address that this pod or its node holds elsewhere") {
  RouterConfig config = reference_config();
  HostFacts facts = ovn_kubernetes_pod();
  config.sources.v4 = {prefix("10.42.253.10/24")};
  CHECK(refused(config, facts) == Error{ExitCode::conflict, "EGRESS_SOURCE 10.42.253.10",
                                        "the node holds it on ens3",
                                        "choose an address that nobody uses"});
  config.sources.v4 = {prefix("10.128.0.5/32")};
  CHECK(refused(config, facts).cause == "this pod holds it on eth0");
}

}  // namespace
}  // namespace egress::router
