// Each request against the real kernel: carried out, read back by us and by ip, taken back.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "router-init/host_facts.hpp"
#include "router-init/netns.hpp"
#include "router-init/plan_text.hpp"
#include "router-init/rtnl_encode.hpp"
#include "router-init/rtnl_socket.hpp"
#include "test/support/netns.hpp"
#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using egress::test::netns_path_of_parent;
using egress::test::prefix;
using egress::test::run;
using egress::test::run_in_new_netns;
using nlohmann::json;

// Without link-local addresses, which come at a time of their own.
constexpr const char* kMakePair =
    "sysctl -qw net.ipv6.conf.default.addr_gen_mode=1;"
    "ip link add eth0 type veth peer name peer0 && ip link set peer0 up && ip link set eth0 up";

int index_of(const std::string& link) { return static_cast<int>(::if_nametoindex(link.c_str())); }

LinkIndexes indexes() { return {{"eth0", index_of("eth0")}, {"peer0", index_of("peer0")}}; }

Result<void> send(Result<NlMessage> message) {
  auto socket = RtnlSocket::open();
  if (!socket) return socket.error();
  if (!message) return message.error();
  return socket->send(std::move(*message), ExitCode::route, "the change");
}

void must(Result<NlMessage> message) {
  const auto sent = send(std::move(message));
  if (!sent) throw std::runtime_error(to_text(sent.error()));
}

HostFacts facts(const std::string& interface = "eth0") {
  RouterConfig config;
  config.interface = interface;
  auto read = read_host_facts(config);
  if (!read) throw std::runtime_error(to_text(read.error()));
  return *read;
}

// All that a request can change, as ip shows it; what only time changes is left out.
std::string state() {
  return run(
      "ip -details address | sed 's/valid_lft.*//'; ip route show table all | sort; "
      "ip -6 route show table all | sort; ip rule; ip -6 rule");
}

template <class Value>
bool holds(const std::vector<Value>& list, const Value& value) {
  return std::count(list.begin(), list.end(), value) == 1;
}

Route on_link(const std::string& to, const std::string& link) {
  Route route;
  route.destination = prefix(to);
  route.next_hops = {{link, {}, false}};
  if (route.family() == Family::v4) route.scope = RouteScope::link;
  return route;
}

Route via(const std::string& to, const std::string& gateway) {
  Route route = on_link(to, "eth0");
  route.next_hops[0].gateway = ip(gateway);
  route.scope = RouteScope::global;
  if (route.family() == Family::v6) route.metric = 1024;
  return route;
}

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

TEST_CASE("an IPv4 address comes with its connected route, twice is once, and it goes again") {
  run_in_new_netns([] {
    run(kMakePair);
    const LinkAddress address{"eth0", prefix("10.42.253.46/24"), false};
    const auto before = state();
    must(encode_add_address(address, index_of("eth0")));
    must(encode_add_address(address, index_of("eth0")));
    REQUIRE(holds(facts().addresses, address));
    Route connected = on_link("10.42.253.0/24", "eth0");
    connected.source = address.prefix.address;
    REQUIRE(facts().routes == std::vector{connected});
    const auto shown = json::parse(run("ip -j route"));
    REQUIRE(shown.size() == 1);
    REQUIRE(shown[0]["dst"] == "10.42.253.0/24");
    REQUIRE(shown[0]["protocol"] == "kernel");
    must(encode_delete_address(address, index_of("eth0")));
    REQUIRE(state() == before);
  });
}

TEST_CASE("an IPv6 address is in use at once, with its connected route") {
  run_in_new_netns([] {
    run(kMakePair);
    run("sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=100");
    const LinkAddress address{"eth0", prefix("2001:db8:42::46/64"), false};
    const auto before = state();
    must(encode_add_address(address, index_of("eth0")));
    must(encode_add_address(address, index_of("eth0")));
    REQUIRE(holds(facts().addresses, address));
    Route connected = on_link("2001:db8:42::/64", "eth0");
    connected.metric = 256;
    REQUIRE(holds(facts().routes, connected));
    const auto shown = json::parse(run("ip -j -6 address show dev eth0 scope global"));
    const auto& one = shown[0]["addr_info"][0];
    REQUIRE(one["local"] == "2001:db8:42::46");
    REQUIRE(one["nodad"] == true);
    REQUIRE_FALSE(one.contains("tentative"));
    must(encode_delete_address(address, index_of("eth0")));
    REQUIRE(state() == before);
  });
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
    full.mtu = 1400;
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
    full.mtu = 1400;
    full.metric = 77;
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
    Route connected = on_link("10.128.0.0/23", "eth0");
    connected.source = ip("10.128.0.5");
    Route dhcp = via("0.0.0.0/0", "10.128.0.1");
    dhcp.metric = 100;
    Route advertised = via("::/0", "fd00::1");
    advertised.metric = 100;
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
    const auto refused = send(encode_delete_route(by_peer, indexes()));
    REQUIRE(refused.has_error());
    REQUIRE(refused.error().cause == "ESRCH (No such process)");
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

TEST_CASE("a link goes up and down") {
  run_in_new_netns([] {
    run("ip link add eth0 type veth peer name peer0 && ip link set peer0 up");
    const auto is_up = [] {
      const auto shown = json::parse(run("ip -j link show dev eth0"));
      const auto& flags = shown[0]["flags"];
      return std::find(flags.begin(), flags.end(), "UP") != flags.end();
    };
    must(encode_set_link_up(index_of("eth0"), true));
    REQUIRE(is_up());
    must(encode_set_link_up(index_of("eth0"), false));
    REQUIRE_FALSE(is_up());
  });
}

TEST_CASE("a macvlan is made in the pod on the node's link, down, and goes again") {
  run_in_new_netns([] {
    run("ip link add ens3 type veth peer name wire0 && ip link set ens3 mtu 1442 up");
    const int parent = index_of("ens3");
    const auto node_before = run("ip -o link show | cut -d: -f2");
    run_in_new_netns([parent] {
      const auto before = run("ip -o link show | cut -d: -f2");
      for (const auto mode : {MacvlanMode::private_, MacvlanMode::bridge}) {
        const CreateMacvlan macvlan{"macvlan0", "ens3", parent, netns_path_of_parent(), mode, 1442};
        const auto pod = open_own_netns();
        auto node = RtnlSocket::open_in(macvlan.node_netns);
        REQUIRE(node.has_value());
        auto message = encode_create_macvlan(macvlan, pod->get());
        REQUIRE(message.has_value());
        REQUIRE(node->send(std::move(*message), ExitCode::link, "make").has_value());

        const auto links = facts("macvlan0").links;
        const auto made = std::find_if(links.begin(), links.end(),
                                       [](const Link& link) { return link.name == "macvlan0"; });
        REQUIRE(made != links.end());
        REQUIRE(made->kind == "macvlan");
        REQUIRE(made->mtu == 1442);
        REQUIRE_FALSE(made->up);
        const auto shown = json::parse(run("ip -j -details link show dev macvlan0"))[0];
        REQUIRE(shown["linkinfo"]["info_data"]["mode"] == std::string(to_text(mode)));
        must(encode_delete_link(index_of("macvlan0")));
        REQUIRE(run("ip -o link show | cut -d: -f2") == before);
      }
    });
    REQUIRE(run("ip -o link show | cut -d: -f2") == node_before);
  });
}

TEST_CASE("an error holds errno and the kernel's own words") {
  run_in_new_netns([] {
    run(kMakePair);
    const auto refused = send(encode_put_route(via("0.0.0.0/0", "203.0.113.1"), indexes()));
    REQUIRE(refused.has_error());
    REQUIRE(refused.error() ==
            Error{ExitCode::route, "the change",
                  "ENETUNREACH (Network is unreachable): Nexthop has invalid gateway", ""});
    REQUIRE(send(encode_delete_link(999)).error().cause == "ENODEV (No such device)");
    const LinkAddress address{"eth0", prefix("10.0.0.1/24"), false};
    REQUIRE(send(encode_add_address(address, 999)).error().cause.starts_with("ENODEV"));
  });
}

TEST_CASE("a link that is there is an error, unlike an address or a rule") {
  run_in_new_netns([] {
    run(kMakePair);
    const CreateMacvlan macvlan{"eth0", "peer0", index_of("peer0"), "", MacvlanMode::bridge, 1500};
    const auto own = open_own_netns();
    const auto refused = send(encode_create_macvlan(macvlan, own->get()));
    REQUIRE(refused.has_error());
    REQUIRE(refused.error().cause.starts_with("EEXIST"));
  });
}

// Adds and deletes addresses until it goes.
class Unrest {
 public:
  Unrest() : thread_([this] { go_on(); }) {}
  Unrest(const Unrest&) = delete;
  Unrest& operator=(const Unrest&) = delete;
  ~Unrest() {
    over_ = true;
    thread_.join();
  }

 private:
  void go_on() {
    const LinkAddress address{"lo", prefix("10.8.0.1/32"), false};
    while (!over_) {
      must(encode_add_address(address, 1));
      must(encode_delete_address(address, 1));
    }
  }

  std::atomic<bool> over_ = false;
  std::thread thread_;
};

TEST_CASE("a dump that a change overtook says so, and one without changes is consistent") {
  run_in_new_netns([] {
    run(kMakePair);
    run("for b in $(seq 1 250); do echo address add 10.7.0.$b/32 dev peer0; done | ip -batch -");
    auto socket = RtnlSocket::open();
    REQUIRE(socket.has_value());
    int answers = 0;
    const auto dump = [&] {
      answers = 0;
      ifaddrmsg header{};
      NlMessage request(::nlmsg_alloc_simple(RTM_GETADDR, NLM_F_DUMP));
      ::nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
      const auto end =
          socket->dump(std::move(request), "addresses", [&](const nlmsghdr&) { ++answers; });
      if (!end) throw std::runtime_error(to_text(end.error()));
      return *end;
    };
    REQUIRE(dump() == DumpEnd::consistent);
    REQUIRE(answers == 250 + 2);  // and the two of lo
    {
      const Unrest unrest;
      int dumps = 0;
      while (dumps < 10000 && dump() == DumpEnd::consistent) ++dumps;
      REQUIRE(dumps < 10000);
    }
    REQUIRE(dump() == DumpEnd::consistent);
  });
}

TEST_CASE("without the capability the error names it, and the socket goes on") {
  run_in_new_netns([] {
    run(kMakePair);
    auto socket = RtnlSocket::open();
    REQUIRE(socket.has_value());
    REQUIRE(::setresuid(65534, 65534, 65534) == 0);
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto message = encode_set_link_up(index_of("eth0"), false);
      const auto refused = socket->send(std::move(*message), ExitCode::link, "down");
      REQUIRE(refused.has_error());
      REQUIRE(refused.error().cause == "EPERM (Operation not permitted)");
      REQUIRE(refused.error().hint.find("CAP_NET_ADMIN") != std::string::npos);
    }
  });
}

}  // namespace
}  // namespace egress::router
