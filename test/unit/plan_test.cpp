#include "router-init/plan.hpp"

#include <catch2/catch.hpp>

#include "router-init/plan_text.hpp"
#include "test/support/model_kernel.hpp"
#include "test/support/parse.hpp"
#include "test/support/pods.hpp"

namespace egress::router {
namespace {

using namespace test;
using egress::test::ip;
using egress::test::prefix;

NetworkPlan plan_for(const RouterConfig& config, const HostFacts& facts) {
  auto plan = make_plan(config, facts, Assume::nothing);
  if (!plan) FAIL(to_text(plan.error()));
  return std::move(*plan);
}

// The commands of all steps that are not there yet.
std::vector<std::string> commands(const NetworkPlan& plan) {
  std::vector<std::string> lines;
  for (const auto& step : plan.steps) {
    if (!step.present) lines.push_back(to_command(step.action));
  }
  return lines;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

bool has_address(const std::vector<IpAddress>& list, const IpAddress& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

// Every pod with every kind of configuration.
struct Case {
  std::string name;
  HostFacts facts;
  RouterConfig config;
};

// A pod that its cluster configures by router advertisements, with what the kernel changes beside a
// setting set otherwise than its default.
HostFacts advertised_pod() {
  HostFacts facts = openshift_sdn_pod();
  facts.links.back().up = true;
  facts.addresses.push_back({"macvlan0", prefix("2001:db8:9::9/64"), false});
  for (auto& route : facts.routes) {
    if (route.family() != Family::v6 || !route.is_default()) continue;
    route.protocol = kRouterAdvertisementProtocol;
    route.metrics = {{8, 1340}, {11, 20}};  // RTAX_ADVMSS, RTAX_INITCWND
    route.preference = 1;
  }
  facts.sysctls["net/ipv6/conf/eth0/accept_ra"] = "1";
  facts.sysctls["net/ipv6/conf/eth0/accept_ra_defrtr"] = "1";
  facts.sysctls["net/ipv6/conf/eth0/forwarding"] = "1";
  facts.sysctls["net/ipv4/conf/macvlan0/forwarding"] = "1";
  facts.sysctls["net/ipv4/conf/all/accept_redirects"] = "0";
  return facts;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string mode : {"init", "legacy", "http-proxy", "dns-proxy"}) {
    for (const auto& [name, facts] :
         {std::pair{"openshift-sdn", openshift_sdn_pod()},
          std::pair{"ovn-kubernetes", ovn_kubernetes_pod()}, std::pair{"calico", calico_pod()},
          std::pair{"router advertisements", advertised_pod()}}) {
      cases.push_back({std::string(name) + " " + mode, facts, reference_config(mode)});
      cases.push_back({std::string(name) + " dual stack " + mode, facts, dual_stack_config(mode)});
    }
  }
  return cases;
}

TEST_CASE("the reference pod on Calico, step by step") {
  const std::vector<std::string> expected{
      "# nft: table inet egress_router that lets nothing in from outside and forwards nothing",
      "nsenter --net=/proc/1/ns/net ip link add link ens3 name egress-new netns $$ mtu 1500 type "
      "macvlan mode private",
      "ip link set dev egress-new name macvlan0",
      "ip route replace 169.254.1.1 dev eth0 table 3180 scope link",
      "ip route replace default via 169.254.1.1 dev eth0 table 3180",
      "sysctl -w net/ipv4/ip_forward=1",
      "sysctl -w net/ipv4/fwmark_reflect=1",
      "sysctl -w net/ipv4/conf/all/accept_redirects=0",
      "sysctl -w net/ipv4/conf/macvlan0/accept_redirects=0",
      "sysctl -w net/ipv4/conf/macvlan0/accept_source_route=0",
      "sysctl -w net/ipv4/conf/eth0/rp_filter=2",
      "sysctl -w net/ipv4/conf/macvlan0/rp_filter=2",
      "sysctl -w net/ipv4/conf/macvlan0/arp_ignore=1",
      "sysctl -w net/ipv4/conf/eth0/arp_ignore=1",
      "sysctl -w net/ipv4/conf/macvlan0/arp_announce=2",
      "sysctl -w net/ipv4/conf/macvlan0/proxy_arp=0",
      "sysctl -w net/ipv4/conf/macvlan0/proxy_arp_pvlan=0",
      "sysctl -w net/ipv4/conf/macvlan0/arp_notify=1",
      "sysctl -w net/ipv6/conf/macvlan0/disable_ipv6=1",
      "ip link set dev macvlan0 up",
      "# probe for another holder of 10.42.253.46 on macvlan0 for 500 ms",
      "ip address add 10.42.253.46/32 dev macvlan0",
      "ip rule add priority 3180 iif macvlan0 lookup 3180",
      "ip rule add priority 3181 from 10.244.1.5/32 lookup 3180",
      "ip rule add priority 3182 to 172.30.0.10/32 iif lo lookup 3180",
      "ip rule add priority 3183 iif lo fwmark 0x20000000/0x20000000 lookup 3180",
      "ip route replace 10.42.253.1 dev macvlan0 scope link",
      "ip route replace default via 10.42.253.1 dev macvlan0 src 10.42.253.46",
      "# resolve the gateway 10.42.253.1 on macvlan0 within 2000 ms",
      "# nft: table inet egress_router",
      "# delete stale conntrack entries",
      "# announce 10.42.253.46 on macvlan0",
  };
  CHECK(commands(plan_for(reference_config(), calico_pod())) == expected);
}

TEST_CASE("carried out, every plan leaves nothing to do") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    HostFacts after = facts;
    for (const auto& step : plan_for(config, facts).steps) {
      if (!step.present) carry_out(step.action, after);
    }
    for (const auto& line : commands(plan_for(config, after))) {
      CAPTURE(line);
      CHECK((line.starts_with("# resolve") || line.starts_with("# announce") ||
             line.starts_with("# delete stale")));
    }
  }
}

TEST_CASE("cut short after any step and started again, a plan ends the same") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    const auto plan = plan_for(config, facts);
    HostFacts whole = facts;
    for (const auto& step : plan.steps) {
      if (!step.present) carry_out(step.action, whole);
    }
    for (std::size_t cut = 0; cut < plan.steps.size(); ++cut) {
      CAPTURE(cut);
      HostFacts state = facts;
      for (std::size_t i = 0; i < cut; ++i) {
        if (!plan.steps[i].present) carry_out(plan.steps[i].action, state);
      }
      for (const auto& step : plan_for(config, state).steps) {
        if (!step.present) carry_out(step.action, state);
      }
      CHECK(state_text(state) == state_text(whole));
    }
  }
}

TEST_CASE("taken back after any step, a plan leaves what was there") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    const auto plan = plan_for(config, facts);
    for (std::size_t cut = 0; cut <= plan.steps.size(); ++cut) {
      CAPTURE(cut);
      HostFacts state = facts;
      for (std::size_t i = 0; i < cut; ++i) {
        if (!plan.steps[i].present) carry_out(plan.steps[i].action, state);
      }
      for (std::size_t i = cut; i-- > 0;) {
        if (plan.steps[i].present) continue;
        for (const auto& action : plan.steps[i].undo) carry_out(action, state);
      }
      CHECK(state_text(state) == state_text(facts));
    }
  }
}

TEST_CASE("a default route from router advertisements lives on in the cluster's table") {
  const HostFacts facts = advertised_pod();
  const auto config = dual_stack_config();
  const auto lines = commands(plan_for(config, facts));
  const auto position = [&](const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) - lines.begin();
  };
  const auto copied = position(
      "ip -6 route replace default via fd00:10:128::1 dev eth0 table 3180 metric 1024 pref high "
      "advmss 1340 initcwnd 20");
  const auto accepted = position("sysctl -w net/ipv6/conf/eth0/accept_ra=2");
  const auto forwarding = position("sysctl -w net/ipv6/conf/all/forwarding=1");
  CHECK(copied < accepted);
  CHECK(accepted < forwarding);
  CHECK(forwarding < static_cast<std::ptrdiff_t>(lines.size()));
  CHECK(has(lines, "sysctl -w net/ipv6/conf/eth0/accept_ra_defrtr=0"));
  // A pod without router advertisements goes on ignoring them.
  const auto others = commands(plan_for(config, openshift_sdn_pod()));
  CHECK_FALSE(has(others, "sysctl -w net/ipv6/conf/eth0/accept_ra=2"));
}

TEST_CASE("a link that a killed run left with its temporary name is deleted") {
  HostFacts facts = calico_pod();
  facts.links.push_back({9, std::string(kTemporaryLink), "macvlan", false, true, false, 1500, {}});
  const auto lines = commands(plan_for(reference_config(), facts));
  REQUIRE(lines.size() > 3);
  CHECK(lines[1] == "ip link delete dev egress-new");
  CHECK(lines[2].find("name egress-new netns") != std::string::npos);
}

TEST_CASE("all new addresses are probed for at once") {
  RouterConfig config = dual_stack_config();
  config.sources.v4.push_back(prefix("10.42.253.47/24"));
  HostFacts facts = openshift_sdn_pod();
  facts.addresses.push_back({"macvlan0", prefix("10.42.253.46/24"), false});
  CHECK(has(commands(plan_for(config, facts)),
            "# probe for another holder of 10.42.253.47, 2001:db8:42::46 on macvlan0 for 500 ms"));
}

TEST_CASE("nothing that can fail comes after what has no undo") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    HostFacts rerun = facts;
    rerun.ruleset = TableState{};
    const auto plan = plan_for(config, rerun);
    bool loaded = false;
    for (const auto& step : plan.steps) {
      const bool cannot_fail = std::holds_alternative<DeleteStaleConntrack>(step.action) ||
                               std::holds_alternative<Announce>(step.action);
      if (loaded) CHECK(cannot_fail);
      loaded = loaded || std::holds_alternative<LoadRuleset>(step.action);
    }
    CHECK(loaded);
  }
}

TEST_CASE("a destination that the pod holds is rejected, one of the cluster is a warning") {
  RouterConfig config = reference_config();
  config.destinations = {};
  config.destinations.entries = {{3, Protocol::tcp, {80, 80}, ip("10.128.0.5"), {80, 80}}};
  const auto rejected = make_plan(config, openshift_sdn_pod(), Assume::nothing);
  REQUIRE(rejected.has_error());
  CHECK(rejected.error() == Error{ExitCode::configuration, "EGRESS_DESTINATION line 3, 10.128.0.5",
                                  "is an address of this pod itself, on eth0",
                                  "name a host of the external network"});
  config.destinations.entries = {{3, Protocol::tcp, {80, 80}, ip("10.130.0.7"), {80, 80}},
                                 {4, Protocol::tcp, {81, 81}, ip("10.130.0.8"), {81, 81}}};
  const auto plan = plan_for(config, openshift_sdn_pod());
  CHECK(plan.warnings ==
        std::vector<std::string>{
            "EGRESS_DESTINATION line 3, 10.130.0.7: is an address of the cluster (10.128.0.0/14 by "
            "eth0): what is sent to it is dropped, because it would leave by eth0"});

  HostFacts nearer = openshift_sdn_pod();  // a longer route outside takes it
  Route outside;
  outside.destination = prefix("10.130.0.0/24");
  outside.next_hops = {{"macvlan0", {}, false}};
  nearer.routes.push_back(outside);
  CHECK(plan_for(config, nearer).warnings.empty());
}

TEST_CASE("the guard stands before anything else changes, the translation after all") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    const auto plan = plan_for(config, facts);
    REQUIRE(std::holds_alternative<LoadRuleset>(plan.steps.front().action));
    CHECK_FALSE(std::get<LoadRuleset>(plan.steps.front().action).ruleset.translation);
    for (std::size_t i = 1; i < plan.steps.size(); ++i) {
      const auto* load = std::get_if<LoadRuleset>(&plan.steps[i].action);
      if (load == nullptr) continue;
      for (std::size_t after = i + 1; after < plan.steps.size(); ++after) {
        CHECK((std::holds_alternative<Announce>(plan.steps[after].action) ||
               std::holds_alternative<DeleteStaleConntrack>(plan.steps[after].action)));
      }
    }
  }
}

TEST_CASE("stale conntrack entries are deleted right after the ruleset is loaded, in every run") {
  for (const auto& [name, facts, config] : all_cases()) {
    CAPTURE(name);
    HostFacts rerun = facts;  // an earlier run may have been killed after any of its steps
    rerun.ruleset = TableState{};
    for (const auto& plan : {plan_for(config, facts), plan_for(config, rerun)}) {
      std::vector<std::size_t> found;
      for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        if (std::holds_alternative<DeleteStaleConntrack>(plan.steps[i].action)) found.push_back(i);
      }
      REQUIRE(found.size() == (config.translates() ? 1U : 0U));
      if (found.empty()) continue;
      const Step& step = plan.steps[found[0]];
      CHECK_FALSE(step.present);
      CHECK(step.undo.empty());
      const auto* load = std::get_if<LoadRuleset>(&plan.steps[found[0] - 1].action);
      REQUIRE(load != nullptr);
      const auto& action = std::get<DeleteStaleConntrack>(step.action);
      CHECK(action.translation == load->ruleset.translation);
      REQUIRE_FALSE(action.pod_addresses.empty());
      for (const auto& own : facts.addresses)
        CHECK(has_address(action.pod_addresses, own.prefix.address) == (own.link == "eth0"));
    }
  }
}

TEST_CASE("an adopted link that was down is taken down again, one that was up stays up") {
  const auto down = plan_for(reference_config(), openshift_sdn_pod());
  HostFacts facts = openshift_sdn_pod();
  facts.links.back().up = true;
  const auto up = plan_for(reference_config(), facts);
  const auto link_step = [](const NetworkPlan& plan) {
    for (const auto& step : plan.steps) {
      if (std::holds_alternative<SetLinkUp>(step.action)) return step;
    }
    throw std::logic_error("no such step");
  };
  CHECK(link_step(down).undo == std::vector<Action>{SetLinkUp{"macvlan0", false}});
  CHECK(link_step(up).present);
}

TEST_CASE("two default routes: both are kept in the cluster's table, none stays in the main one") {
  HostFacts facts = openshift_sdn_pod();
  Route second = facts.routes[2];
  second.metric = 100;
  second.next_hops[0].gateway = ip("10.128.0.2");
  facts.routes.push_back(second);
  const auto lines = commands(plan_for(reference_config(), facts));
  CHECK(has(lines, "ip route replace default via 10.128.0.1 dev eth0 table 3180"));
  CHECK(has(lines, "ip route replace default via 10.128.0.2 dev eth0 table 3180 metric 100"));
  CHECK(has(lines, "ip route delete default via 10.128.0.2 dev eth0 metric 100"));
}

TEST_CASE("no default route: a warning, and the routes that there are") {
  HostFacts facts = openshift_sdn_pod();
  std::erase_if(facts.routes, [](const Route& route) { return route.is_default(); });
  const auto plan = plan_for(reference_config(), facts);
  CHECK(plan.warnings ==
        std::vector<std::string>{
            "eth0 has no default route: only clients that its routes name get answers"});
  CHECK(has(commands(plan), "ip route replace 10.128.0.0/14 dev eth0 table 3180 scope link"));
}

TEST_CASE("macvlan0 with another address: it stays, with a warning") {
  HostFacts facts = openshift_sdn_pod();
  facts.addresses.push_back({"macvlan0", prefix("10.42.253.99/24"), false});
  const auto plan = plan_for(reference_config(), facts);
  CHECK(plan.warnings ==
        std::vector<std::string>{
            "macvlan0 also holds 10.42.253.99/24: nothing leaves with that address"});
  CHECK(has(commands(plan), "ip address add 10.42.253.46/32 dev macvlan0"));
}

TEST_CASE("the source is there already: it is not probed for, nor added") {
  HostFacts facts = openshift_sdn_pod();
  facts.addresses.push_back({"macvlan0", prefix("10.42.253.46/24"), false});
  const auto plan = plan_for(reference_config(), facts);
  for (const auto& line : commands(plan)) {
    CHECK_FALSE(line.starts_with("# probe"));
    CHECK_FALSE(line.starts_with("ip address"));
  }
  CHECK(plan.warnings ==
        std::vector<std::string>{
            "macvlan0 holds EGRESS_SOURCE already, as 10.42.253.46/24: it stays so"});
}

TEST_CASE("a rule of an earlier pod address goes") {
  HostFacts facts = openshift_sdn_pod();
  Rule old;
  old.priority = kRulePriority + 1;
  old.table = kClusterTable;
  old.from = prefix("10.128.0.77/32");
  facts.rules.push_back(old);
  CHECK(has(commands(plan_for(reference_config(), facts)),
            "ip rule delete priority 3181 from 10.128.0.77/32 lookup 3180"));
}

TEST_CASE("an IPv6 gateway may be link-local, and then needs no route of its own") {
  RouterConfig config = dual_stack_config();
  config.gateway.v6 = ip("fe80::1");
  const auto lines = commands(plan_for(config, openshift_sdn_pod()));
  CHECK(has(lines,
            "ip -6 route replace default via fe80::1 dev macvlan0 src 2001:db8:42::46 metric 1"));
  CHECK(has(lines, "ip -6 route delete default via fd00:10:128::1 dev eth0 metric 1024"));
  CHECK(
      has(lines, "ip -6 route replace default via fd00:10:128::1 dev eth0 table 3180 metric 1024"));
  CHECK_FALSE(has(lines, "ip -6 route replace fe80::1 dev macvlan0 metric 1"));
}

TEST_CASE("a kernel without IPv6 has no such settings") {
  HostFacts facts = ovn_kubernetes_pod();
  std::erase_if(facts.sysctls,
                [](const auto& sysctl) { return sysctl.first.starts_with("net/ipv6"); });
  for (const auto& line : commands(plan_for(reference_config(), facts))) {
    CHECK(line.find("net/ipv6") == line.npos);
  }
}

TEST_CASE("dns-proxy opens low ports, and no mode but init and legacy forwards") {
  const auto dns = commands(plan_for(reference_config("dns-proxy"), openshift_sdn_pod()));
  CHECK(has(dns, "sysctl -w net/ipv4/ip_unprivileged_port_start=0"));
  CHECK_FALSE(has(dns, "sysctl -w net/ipv4/ip_forward=1"));
  CHECK_FALSE(has(commands(plan_for(reference_config(), openshift_sdn_pod())),
                  "sysctl -w net/ipv4/ip_unprivileged_port_start=0"));
}

TEST_CASE("a shifted range becomes single ports, a plain one stays a range") {
  RouterConfig config = reference_config();
  config.destinations = {};
  config.destinations.entries = {{1, Protocol::tcp, {8000, 8001}, ip("203.0.113.5"), {9000, 9001}},
                                 {2, Protocol::udp, {7000, 7999}, ip("203.0.113.6"), {7000, 7999}}};
  const auto plan = plan_for(config, openshift_sdn_pod());
  const LoadRuleset* load = nullptr;
  for (const auto& step : plan.steps) {
    if (const auto* one = std::get_if<LoadRuleset>(&step.action)) load = one;
  }
  REQUIRE(load != nullptr);
  REQUIRE(load->ruleset.translation);
  CHECK(load->ruleset.translation->ports ==
        std::vector<PortMapping>{{Protocol::tcp, 8000, ip("203.0.113.5"), 9000},
                                 {Protocol::tcp, 8001, ip("203.0.113.5"), 9001}});
  CHECK(load->ruleset.translation->ranges ==
        std::vector<RangeMapping>{{Protocol::udp, {7000, 7999}, ip("203.0.113.6")}});
}

}  // namespace
}  // namespace egress::router
