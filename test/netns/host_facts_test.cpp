// What is read of a pod and of its node, against the real kernel.
#include "router-init/host_facts.hpp"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "router-init/apply.hpp"
#include "router-init/config.hpp"
#include "router-init/netns.hpp"
#include "test/support/netns.hpp"
#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using egress::test::netns_path_of_parent;
using egress::test::prefix;
using egress::test::run;
using egress::test::run_in_new_netns;

// With a link-local address that is there at once, instead of the kernel's, which comes later.
constexpr const char* kMakePod =
    "sysctl -qw net.ipv6.conf.default.addr_gen_mode=1;"
    "ip link add eth0 address 02:00:00:00:00:05 mtu 1450 type veth peer name peer0;"
    "ip link set peer0 up; ip link set eth0 up;"
    "ip address add 10.128.0.5/23 dev eth0; ip -6 address add fd00::5/64 dev eth0 nodad;"
    "ip -6 address add fe80::5/64 dev eth0 nodad;"
    "ip route add default via 10.128.0.1; ip -6 route add default via fd00::1 proto ra";

HostFacts facts(const RouterConfig& config) {
  auto read = read_host_facts(config.interface, config.host_netns);
  if (!read) throw std::runtime_error(to_text(read.error()));
  return *read;
}

RouterConfig config_for(const std::string& interface, const std::string& netns = {}) {
  RouterConfig config;
  config.interface = interface;
  config.host_netns = netns;
  return config;
}

const Link& link_named(const std::vector<Link>& links, const std::string& name) {
  const auto found =
      std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.name == name; });
  if (found == links.end()) throw std::runtime_error("no link " + name);
  return *found;
}

std::vector<std::string> texts(const std::vector<Route>& routes) {
  std::vector<std::string> list;
  for (const auto& route : routes) {
    list.push_back(to_text(route.destination) + " " + route.next_hops[0].link + " " +
                   std::to_string(route.table));
  }
  std::sort(list.begin(), list.end());
  return list;
}

TEST_CASE("links are read as they are") {
  run_in_new_netns([] {
    run(kMakePod);
    run("ip link add link peer0 name macvlan0 type macvlan mode bridge");
    const auto links = facts(config_for("macvlan0")).links;
    REQUIRE(links.size() == 4);
    const Link& eth0 = link_named(links, "eth0");
    REQUIRE(eth0 == Link{static_cast<int>(::if_nametoindex("eth0")),
                         "eth0",
                         "veth",
                         true,
                         true,
                         false,
                         1450,
                         {{0x02, 0, 0, 0, 0, 0x05}}});
    REQUIRE(link_named(links, "lo").loopback);
    REQUIRE(link_named(links, "lo").kind.empty());
    REQUIRE(link_named(links, "macvlan0").kind == "macvlan");
    REQUIRE_FALSE(link_named(links, "macvlan0").up);
    run("ip link set peer0 down");
    REQUIRE(link_named(facts(config_for("macvlan0")).links, "eth0").up);
    REQUIRE_FALSE(link_named(facts(config_for("macvlan0")).links, "eth0").carrier);
  });
}

TEST_CASE("addresses are read with their prefix length and scope") {
  run_in_new_netns([] {
    run(kMakePod);
    run("ip address add 169.254.7.7/16 dev eth0 scope link;"
        "ip address add 10.9.0.1 peer 10.9.0.2/32 dev eth0");
    const auto addresses = facts(config_for("eth0")).addresses;
    const auto holds = [&](const LinkAddress& one) {
      return std::count(addresses.begin(), addresses.end(), one) == 1;
    };
    REQUIRE(holds({"eth0", prefix("10.128.0.5/23"), false}));
    REQUIRE(holds({"eth0", prefix("fd00::5/64"), false}));
    REQUIRE(holds({"eth0", prefix("169.254.7.7/16"), true}));
    REQUIRE(holds({"eth0", prefix("10.9.0.1/32"), false}));
    REQUIRE(holds({"eth0", prefix("fe80::5/64"), true}));
    REQUIRE(holds({"lo", prefix("127.0.0.1/8"), false}));
  });
}

TEST_CASE("unicast routes of the main and the cluster table are read, and no others") {
  run_in_new_netns([] {
    run(kMakePod);
    run("ip route add 10.1.0.0/16 via 10.128.0.1 table 3180;"
        "ip route add 10.2.0.0/16 via 10.128.0.1 table 99;"
        "ip route add unreachable 10.3.0.0/16; ip route add blackhole 10.4.0.0/16;"
        "ip route add 10.5.0.0/16 tos 0x10 via 10.128.0.1;"
        "ip -6 route add fd01::/64 via fd00::1 table 3180;"
        "ip -6 route add multicast ff05::/16 dev eth0 table 254;"
        "ip -6 route add ff06::/16 dev eth0 table 254");
    const std::vector<std::string> expected{
        "0.0.0.0/0 eth0 254", "10.1.0.0/16 eth0 3180", "10.128.0.0/23 eth0 254", "::/0 eth0 254",
        "fd00::/64 eth0 254", "fd01::/64 eth0 3180",   "fe80::/64 eth0 254"};
    REQUIRE(texts(facts(config_for("eth0")).routes) == expected);
  });
}

TEST_CASE("of the rules, those that lead to our table are read") {
  run_in_new_netns([] {
    run(kMakePod);
    run("ip rule add priority 50 lookup 99; ip rule add priority 51 iif lo lookup 3180;"
        "ip -6 rule add priority 52 fwmark 1/3 lookup 3180; ip rule add priority 53 blackhole");
    const auto rules = facts(config_for("eth0")).rules;
    REQUIRE(rules.size() == 2);
    const auto v6 = std::find_if(rules.begin(), rules.end(),
                                 [](const Rule& rule) { return rule.family == Family::v6; });
    REQUIRE(v6 != rules.end());
    REQUIRE(*v6 == Rule{Family::v6, 52, kClusterTable, {}, {}, {}, 1, 3});
  });
}

TEST_CASE("nameservers are those of /etc/resolv.conf, and none where there is no such file") {
  run_in_new_netns([] {
    run("mount -t tmpfs tmpfs /etc");
    REQUIRE(facts(config_for("lo")).nameservers.empty());
    std::ofstream("/etc/resolv.conf") << "search a\nnameserver 172.30.0.10\nnameserver fd00::a\n";
    REQUIRE(facts(config_for("lo")).nameservers == std::vector{ip("172.30.0.10"), ip("fd00::a")});
  });
}

TEST_CASE("sysctls are those of the namespace, as far as they exist") {
  run_in_new_netns([] {
    run(kMakePod);
    REQUIRE(facts(config_for("eth0")).sysctls.at("net/ipv4/conf/eth0/rp_filter") == "0");
    run("sysctl -qw net.ipv4.conf.eth0.rp_filter=2 net.ipv4.ip_forward=1");
    const auto sysctls = facts(config_for("eth0")).sysctls;
    REQUIRE(sysctls.at("net/ipv4/conf/eth0/rp_filter") == "2");
    REQUIRE(sysctls.at("net/ipv4/ip_forward") == "1");
    REQUIRE(sysctls.contains("net/ipv6/conf/peer0/accept_ra"));
    REQUIRE_FALSE(sysctls.contains("net/ipv4/conf/macvlan0/rp_filter"));
  });
}

TEST_CASE("the same state gives the same facts") {
  run_in_new_netns([] {
    run(kMakePod);
    const auto first = facts(config_for("eth0"));
    const auto second = facts(config_for("eth0"));
    REQUIRE(first.links == second.links);
    REQUIRE(first.addresses == second.addresses);
    REQUIRE(first.routes == second.routes);
    REQUIRE(first.rules == second.rules);
    REQUIRE(first.sysctls == second.sysctls);
  });
}

TEST_CASE("more routes than one answer of the kernel holds are read whole") {
  run_in_new_netns([] {
    run(kMakePod);
    run("for a in $(seq 0 19); do for b in $(seq 0 99); do "
        "echo route add 192.$a.$b.0/24 via 10.128.0.1; done; done | ip -batch -");
    REQUIRE(facts(config_for("eth0")).routes.size() == 2000 + 5);
  });
}

TEST_CASE("the node is read where the egress interface is missing, and only there") {
  run_in_new_netns([] {
    run("ip link add ens3 type veth peer name wire0; ip link set ens3 up; ip link set wire0 up;"
        "ip address add 10.42.253.10/24 dev ens3; ip route add default via 10.42.253.1");
    run_in_new_netns([] {
      run(kMakePod);
      const auto missing = facts(config_for("macvlan0", netns_path_of_parent()));
      REQUIRE(missing.node_trouble.empty());
      REQUIRE(missing.node.has_value());
      REQUIRE(missing.node->path == netns_path_of_parent());
      REQUIRE(link_named(missing.node->links, "ens3").up);
      REQUIRE(std::count(missing.node->addresses.begin(), missing.node->addresses.end(),
                         LinkAddress{"ens3", prefix("10.42.253.10/24"), false}) == 1);
      REQUIRE(texts(missing.node->routes).front() == "0.0.0.0/0 ens3 254");
      REQUIRE(link_named(missing.links, "eth0").name == "eth0");

      const auto there = facts(config_for("eth0", netns_path_of_parent()));
      REQUIRE_FALSE(there.node.has_value());
      REQUIRE(there.node_trouble.empty());
      REQUIRE(run("ip -o link").find("ens3") == std::string::npos);
    });
  });
}

TEST_CASE("why the node cannot be read is said") {
  run_in_new_netns([] {
    const std::string unseen = "the node's network namespace cannot be seen from here: ";
    const auto none = facts(config_for("macvlan0", "/none/ns/net"));
    REQUIRE_FALSE(none.node.has_value());
    REQUIRE(none.node_trouble ==
            unseen + "EGRESS_HOST_NETNS: /none/ns/net is ENOENT (No such file or directory)");
    const auto own = facts(config_for("macvlan0", "/proc/thread-self/ns/net"));
    REQUIRE(own.node_trouble ==
            unseen + "EGRESS_HOST_NETNS: /proc/thread-self/ns/net is this pod's own");
  });
}

TEST_CASE("a user without privileges reads all but the node's namespace and our table") {
  run_in_new_netns([] {
    run(kMakePod);
    const auto before = facts(config_for("macvlan0", netns_path_of_parent()));
    REQUIRE(before.node.has_value());
    REQUIRE(::setresuid(65534, 65534, 65534) == 0);
    const auto read = facts(config_for("macvlan0", netns_path_of_parent()));
    REQUIRE(read.links == before.links);
    REQUIRE(read.addresses == before.addresses);
    REQUIRE(read.routes == before.routes);
    REQUIRE(read.sysctls == before.sysctls);
    REQUIRE_FALSE(read.ruleset.has_value());
    REQUIRE_FALSE(read.node.has_value());
    REQUIRE(read.node_trouble.find("EACCES") != std::string::npos);
  });
}

TEST_CASE("the node's namespace is the first that is another than ours") {
  run_in_new_netns([] {
    const std::string own = "/proc/thread-self/ns/net";
    const std::string other = netns_path_of_parent();
    const std::vector<std::string> both{"/none", own, other};
    REQUIRE(find_other_netns(both).value() == other);
    REQUIRE(find_node_netns(other).value() == other);
    const std::vector<std::string> neither{own, "/none"};
    const auto refused = find_other_netns(neither);
    REQUIRE(refused.has_error());
    REQUIRE(refused.error().cause ==
            own + " is this pod's own, /none is ENOENT (No such file or directory)");
    REQUIRE(refused.error().hint.find("hostPID") != std::string::npos);
    REQUIRE(refused.error().hint.find("EGRESS_HOST_NETNS=/host/proc/1/ns/net") !=
            std::string::npos);
    REQUIRE(find_node_netns("/none").error().cause ==
            "EGRESS_HOST_NETNS: /none is ENOENT (No such file or directory)");
  });
}

TEST_CASE("a visit to another namespace ends where it began") {
  run_in_new_netns([] {
    run("ip link add here0 type veth peer name here1");
    run_in_new_netns([] {
      {
        const auto visit = NetnsVisit::enter(netns_path_of_parent());
        REQUIRE(visit.has_value());
        REQUIRE(::if_nametoindex("here0") != 0);
      }
      REQUIRE(::if_nametoindex("here0") == 0);
      const auto refused = NetnsVisit::enter("/dev/null");
      REQUIRE(refused.has_error());
      REQUIRE(refused.error().object == "network namespace /dev/null");
      REQUIRE(refused.error().cause.starts_with("EINVAL"));
    });
  });
}

TEST_CASE("a step that fails half-way is rolled back with all before it") {
  run_in_new_netns([] {
    std::vector<std::string> done;
    const NetworkPlan plan{
        {{SetSysctl{"net/ipv4/fwmark_reflect", "1"}, {SetSysctl{"net/ipv4/fwmark_reflect", "0"}}},
         // The kernel accepts 01 and keeps 1, which is not what was asked for.
         {SetSysctl{"net/ipv4/ip_forward", "01"}, {SetSysctl{"net/ipv4/ip_forward", "0"}}}},
        {},
        {}};
    const auto applied = apply(plan, [&](LogLevel level, std::string_view line) {
      REQUIRE(level == LogLevel::debug);
      done.emplace_back(line);
    });
    REQUIRE(applied.has_error());
    REQUIRE(done == std::vector<std::string>{"done: sysctl -w net/ipv4/fwmark_reflect=1",
                                             "done: sysctl -w net/ipv4/ip_forward=0",
                                             "done: sysctl -w net/ipv4/fwmark_reflect=0"});
    REQUIRE(read_sysctl("net/ipv4/ip_forward") == "0");
    REQUIRE(read_sysctl("net/ipv4/fwmark_reflect") == "0");
  });
}

TEST_CASE("what rolls a step back and fails is reported") {
  run_in_new_netns([] {
    std::vector<std::string> errors;
    const NetworkPlan plan{{{SetSysctl{"net/ipv4/fwmark_reflect", "1"}, {SetLinkUp{"gone", false}}},
                            {SetSysctl{"net/ipv4/no_such_key", "1"}, {}}},
                           {},
                           {}};
    REQUIRE(apply(plan, [&](LogLevel level, std::string_view line) {
              if (level == LogLevel::error) errors.emplace_back(line);
            }).has_error());
    REQUIRE(errors == std::vector<std::string>{
                          "not rolled back: ip link set dev gone down: ENODEV (No such device)"});
  });
}

TEST_CASE("a sysctl is written, read back, and refused with its name") {
  run_in_new_netns([] {
    const auto write_sysctl = [](const SetSysctl& setting) {
      return apply({{Step{setting, {}, false}}, {}, {}}, [](LogLevel, std::string_view) {});
    };
    REQUIRE(write_sysctl({"net/ipv4/ip_forward", "1"}).has_value());
    REQUIRE(read_sysctl("net/ipv4/ip_forward") == "1");
    REQUIRE(run("sysctl -n net.ipv4.ip_forward") == "1\n");
    REQUIRE_FALSE(read_sysctl("net/ipv4/no_such_key").has_value());

    const auto missing = write_sysctl({"net/ipv4/no_such_key", "1"});
    REQUIRE(missing.has_error());
    REQUIRE(missing.error() == Error{ExitCode::sysctl, "sysctl -w net/ipv4/no_such_key=1",
                                     "ENOENT (No such file or directory)", "", ENOENT});
    const auto wrong = write_sysctl({"net/ipv4/ip_forward", "yes"});
    REQUIRE(wrong.has_error());
    REQUIRE(wrong.error().cause == "EINVAL (Invalid argument)");
    const auto other = write_sysctl({"net/ipv4/ip_forward", "01"});
    REQUIRE(other.has_error());
    REQUIRE(other.error().cause == "was accepted, but the kernel keeps \"1\"");

    run("mount -o bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys");
    const auto read_only = write_sysctl({"net/ipv4/ip_forward", "0"});
    REQUIRE(read_only.has_error());
    REQUIRE(read_only.error().cause.starts_with("EROFS"));
    REQUIRE(read_only.error().hint.find("/proc/sys") != std::string::npos);
  });
}

}  // namespace
}  // namespace egress::router
