// Requests for links and addresses against the real kernel: carried out, read back by us and by ip,
// taken back; what errors say; and dumps that changes overtake.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "router-init/netns.hpp"
#include "test/netns/kernel_state.hpp"
#include "test/support/parse.hpp"

namespace egress::router::test {
namespace {

using egress::test::ip;
using egress::test::netns_path_of_parent;
using egress::test::prefix;
using egress::test::run;
using egress::test::run_in_new_netns;
using nlohmann::json;

TEST_CASE("an IPv4 address comes with its connected route, twice is once, and it goes again") {
  run_in_new_netns([] {
    run(kMakePair);
    const LinkAddress address{"eth0", prefix("10.42.253.46/24"), false};
    const auto before = state();
    must(encode_add_address(address, index_of("eth0")));
    must(encode_add_address(address, index_of("eth0")));
    REQUIRE(holds(facts().addresses, address));
    const Route connected = route_there("10.42.253.0/24", 0);
    REQUIRE(connected.source == address.prefix.address);
    REQUIRE(connected.scope == RouteScope::link);
    REQUIRE(connected.next_hops == std::vector{NextHop{"eth0", {}, false}});
    REQUIRE(facts().routes.size() == 1);
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
    const Route connected = route_there("2001:db8:42::/64", 256);
    REQUIRE(connected.next_hops == std::vector{NextHop{"eth0", {}, false}});
    const auto shown = json::parse(run("ip -j -6 address show dev eth0 scope global"));
    const auto& one = shown[0]["addr_info"][0];
    REQUIRE(one["local"] == "2001:db8:42::46");
    REQUIRE(one["nodad"] == true);
    REQUIRE_FALSE(one.contains("tentative"));
    must(encode_delete_address(address, index_of("eth0")));
    REQUIRE(state() == before);
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
                  "ENETUNREACH (Network is unreachable): Nexthop has invalid gateway", "",
                  ENETUNREACH});
    REQUIRE(send(encode_set_link_up(999, true)).error().cause == "ENODEV (No such device)");
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
}  // namespace egress::router::test