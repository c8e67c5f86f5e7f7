#include "redirect-proxy/dns/balance.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <map>
#include <set>

#include "redirect-proxy/dns/limits.hpp"
#include "redirect-proxy/dns/udp_flows.hpp"
#include "test/support/parse.hpp"

namespace egress::dns {
namespace {

using namespace std::chrono_literals;
using Time = Health::Clock::time_point;
using Endpoints = std::vector<Endpoint>;

const Endpoint a{test::ip("192.0.2.1"), 80};
const Endpoint b{test::ip("192.0.2.2"), 80};
const Endpoint c{test::ip("192.0.2.3"), 80};
const Endpoint d{test::ip("192.0.2.4"), 80};

// An entry whose hosts have these addresses.
struct Chooser {
  explicit Chooser(std::vector<AddressList> lists, Balancing balancing = Balancing::round_robin)
      : hosts(std::move(lists)), balancer(balancing) {}
  explicit Chooser(const Endpoints& endpoints, Balancing balancing = Balancing::round_robin)
      : Chooser(std::vector<AddressList>{AddressList()}, balancing) {
    for (const auto& endpoint : endpoints) hosts[0].push_back(endpoint.address);
  }

  std::vector<Choice> choose_all(Time now, std::size_t count) {
    std::vector<const AddressList*> lists;
    for (const auto& host : hosts) lists.push_back(&host);
    return balancer.choose({.pool = Pool(lists),
                            .port = 80,
                            .health = health,
                            .connections =
                                [this](const IpAddress& address) {
                                  ++looked_at;
                                  return connections[address];
                                },
                            .now = now,
                            .count = count});
  }
  Endpoints choose(Time now, std::size_t count) {
    Endpoints endpoints;
    for (const auto& choice : choose_all(now, count)) endpoints.push_back(choice.endpoint);
    return endpoints;
  }

  std::vector<AddressList> hosts;
  Balancer balancer;
  Health health;
  std::map<IpAddress, std::size_t> connections;
  std::size_t looked_at = 0;
};

TEST_CASE("round robin gives each its turn, and the others in order behind it") {
  Chooser chooser({a, b, c});
  std::map<Endpoint, int> first;
  for (int i = 0; i < 30; ++i) {
    const auto chosen = chooser.choose({}, 4);
    REQUIRE(chosen.size() == 3);
    CHECK(std::set<Endpoint>(chosen.begin(), chosen.end()).size() == 3);
    ++first[chosen[0]];
  }
  CHECK(first == std::map<Endpoint, int>{{a, 10}, {b, 10}, {c, 10}});
  CHECK(chooser.choose({}, 2).size() == 2);
  CHECK(Chooser(Endpoints{}).choose({}, 4).empty());
}

TEST_CASE("what fails is left out for a time that doubles, and all failed are tried all the same") {
  Chooser chooser({a, b});
  auto& health = chooser.health;
  const auto is_healthy = [&](const Endpoint& endpoint, Time at) {
    const auto trouble = health.find(endpoint);
    return !trouble || trouble->is_healthy(at);
  };
  Time now{};
  health.failed(a, now);
  CHECK(chooser.choose(now, 1) == Endpoints{b});
  CHECK(chooser.choose(now, 1) == Endpoints{b});
  CHECK(chooser.choose(now, 2) == Endpoints{b, a});
  now += 1s;
  CHECK(is_healthy(a, now));
  for (const auto back_off : {2s, 4s, 8s, 16s, 30s, 30s}) {
    health.failed(a, now);
    CHECK_FALSE(is_healthy(a, now + back_off - 1ms));
    CHECK(is_healthy(a, now + back_off));
  }
  health.failed(b, now);
  CHECK(chooser.choose(now, 1) == Endpoints{b});  // its time is over first
  health.connected(a);
  CHECK(chooser.choose(now, 2) == Endpoints{a, b});
  health.failed(a, now);
  CHECK(is_healthy(a, now + 1s));  // as at the start
}

TEST_CASE("checks take an address out and bring it back") {
  Chooser chooser({a, b});
  auto& health = chooser.health;
  CHECK(health.checked(a, false));
  CHECK_FALSE(health.checked(a, false));  // as before
  for (int i = 0; i < 4; ++i) CHECK(chooser.choose({}, 1) == Endpoints{b});
  health.failed(b, {});
  CHECK(chooser.choose({}, 1) == Endpoints{b});  // that one may be back sooner
  CHECK_FALSE(health.is_up(a));
  health.connected(a);  // says nothing of the check
  CHECK_FALSE(health.is_up(a));
  CHECK_FALSE(health.checked(b, true));  // it was never down
  CHECK(health.checked(a, true));
  CHECK(health.size() == 0);
  CHECK_FALSE(health.checked(c, true));
}

TEST_CASE("health remembers the unhealthy alone, for a while, and a bounded number of them") {
  Health health;
  Time now{};
  health.failed(a, now);
  health.checked(b, false);
  health.checked({a.address, 81}, false);
  health.expire(now + 1s + Health::kMemory - 1ms);
  CHECK(health.size() == 3);
  health.expire(now + 1s + Health::kMemory);
  CHECK(health.size() == 2);
  health.forget(a.address);
  CHECK(health.size() == 1);
  CHECK(health.is_up({a.address, 81}));
  CHECK_FALSE(health.is_up(b));
  for (std::uint32_t port = 1; port <= 65535; ++port) {
    health.failed({c.address, static_cast<std::uint16_t>(port)}, now);
    health.checked({a.address, static_cast<std::uint16_t>(port)}, false);
  }
  CHECK(health.size() == Health::kMaxEndpoints);
  CHECK_FALSE(health.checked({d.address, 80}, false));  // treated as up, and not reported as down
  CHECK(health.is_up({d.address, 80}));
}

TEST_CASE("a lack of this pod says nothing of the endpoint") {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL})
    CHECK_FALSE(concerns_endpoint(error));
  for (const int error : {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH})
    CHECK(concerns_endpoint(error));
}

TEST_CASE("least connections") {
  Chooser chooser({a, b, c}, Balancing::least_connections);
  auto& connections = chooser.connections;
  for (int i = 0; i < 30; ++i) ++connections[chooser.choose({}, 1).at(0).address];
  for (const auto& each : {a, b, c}) CHECK(connections[each.address] == 10);
  connections[b.address] -= 5;
  for (int i = 0; i < 5; ++i) {
    CHECK(chooser.choose({}, 1) == Endpoints{b});
    ++connections[b.address];
  }
  chooser.health.failed(b, {});
  --connections[b.address];
  CHECK(chooser.choose({}, 1) != Endpoints{b});
}

TEST_CASE("an address that several hosts have is there once, for the first of them") {
  Chooser chooser({{a.address, b.address}, {a.address, b.address, c.address}, {}});
  for (int i = 0; i < 50; ++i) {
    const auto chosen = chooser.choose_all({}, 4);
    REQUIRE(chosen.size() == 3);
    for (const auto& choice : chosen) CHECK(choice.host == (choice.endpoint == c ? 1 : 0));
  }
}

TEST_CASE("an entry of many addresses costs round robin no more than it needs") {
  std::vector<AddressList> hosts(13);
  for (std::uint8_t host = 0; host < 13; ++host) {
    for (std::uint8_t i = 0; i < 128; ++i)
      hosts[host].push_back(IpAddress::from_bytes(std::vector<std::uint8_t>{11, 0, host, i}));
  }
  Chooser chooser(std::move(hosts));
  std::set<Endpoint> all;
  for (int i = 0; i < 13 * 128; ++i) all.insert(chooser.choose({}, 4).at(0));
  CHECK(all.size() == 13 * 128);
  CHECK(chooser.looked_at == 0);
}

TEST_CASE("the table numbers its hosts, and a snapshot has their addresses") {
  Diagnostics diagnostics;
  const auto table = make_table(parse_targets(
      {"T", "80 b.test\n81 192.0.2.7,b.test,a.test 80\n53 udp a.test\n"}, diagnostics));
  REQUIRE(table->hosts.size() == 3);
  Snapshot snapshot{table, {}};
  for (const auto& host : table->hosts) {
    const auto last = host.is_address() ? "192.0.2.7" : host.name() == "a.test" ? "::1" : "::2";
    snapshot.addresses.push_back(std::make_shared<AddressList>(1, test::ip(last)));
  }
  CHECK(Pool(snapshot, 0).at(0).address == test::ip("::2"));
  const Pool pool(snapshot, 1);
  REQUIRE(pool.size() == 3);
  CHECK(pool.at(0).address == test::ip("192.0.2.7"));
  CHECK(pool.at(2).address == test::ip("::1"));
  CHECK(pool.host_of(test::ip("::1")) == 2);
  CHECK_FALSE(pool.contains(test::ip("::3")));
  CHECK(Pool(snapshot, 2).contains(test::ip("::1")));
  CHECK(Pool().size() == 0);
}

TargetTable with_ports(const std::string& text) {
  Diagnostics diagnostics;
  return parse_targets({"T", text}, diagnostics);
}

TEST_CASE("descriptors: what is shared out leaves room for the rest") {
  DnsProxyConfig config;
  const auto both = with_ports("80 a.test\n53 udp a.test\n");
  const auto many = with_ports("8000-8511 a.test\n8000-8511 udp a.test\n");
  for (const auto& table : {both, many}) {
    for (const std::size_t files : {96U, 512U, 1024U, 20'000U, 1'048'576U}) {
      for (const std::size_t threads : {1U, 2U, 8U}) {
        const auto limits = share_descriptors(config, table, files, threads);
        INFO(files << " files, " << threads << " threads");
        CHECK(limits.connections >= 1);
        CHECK(limits.udp_flows >= threads);
        CHECK(limits.udp_flows <= config.udp_flows);
        const auto used =
            2 * limits.connections + limits.udp_flows + limits.extra_attempts + 2 * limits.pipes;
        CHECK(used <= files - std::min<std::size_t>(files / 2, 64 + limits.checks));
      }
    }
  }
  config.connections = 100;
  CHECK(share_descriptors(config, both, 20'000, 2).connections == 100);
  CHECK(share_descriptors(config, both, 20'000, 2).warnings.empty());
  CHECK(share_descriptors(config, with_ports("80 a.test\n"), 512, 2).udp_flows == 0);
}

TEST_CASE("descriptors: a setting that the limit of files does not permit is reduced, and why") {
  DnsProxyConfig config;
  config.connections = 5000;
  const auto limits = share_descriptors(config, with_ports("53 udp a.test\n"), 512, 1);
  REQUIRE(limits.warnings.size() == 2);
  CHECK(limits.warnings[0] == "EGRESS_DNS_PROXY_UDP_FLOWS: reduced from 4096 to " +
                                  std::to_string(limits.udp_flows) +
                                  ", the limit of open files is 512");
  CHECK(limits.warnings[1].starts_with("EGRESS_DNS_PROXY_CONNECTIONS: reduced from 5000 to "));
}

FlowKey key(std::uint16_t port) {
  return {{test::ip("10.0.0.1"), port}, {test::ip("10.0.0.2"), 53}};
}

TEST_CASE("flows end when unused, and the one unused for the longest makes room") {
  UdpFlows<int> flows({.most = 2, .idle = 10s});
  Time now{};
  CHECK_FALSE(flows.insert(key(1), 1, now));
  CHECK_FALSE(flows.insert(key(2), 2, now + 1s));
  CHECK(*flows.find(key(1), now + 2s) == 1);  // used later than 2 now
  CHECK(flows.insert(key(3), 3, now + 3s) == 2);
  CHECK(flows.find(key(2), now + 3s) == nullptr);
  CHECK(flows.size() == 2);
  CHECK(flows.insert(key(3), 4, now + 3s) == 3);  // in place of the one before
  CHECK(flows.expire(now + 11s).empty());
  CHECK(flows.expire(now + 12s) == std::vector<int>{1});
  CHECK(flows.find(key(3), now + 13s) == nullptr);  // its time is over, expired or not
  CHECK(flows.take_if([](int value) { return value == 4; }) == std::vector<int>{4});
  CHECK_FALSE(flows.erase(key(3)));
  CHECK(flows.size() == 0);
}

TEST_CASE("a smaller maximum ends the flows unused for the longest") {
  UdpFlows<int> flows({.most = 3, .idle = 10s});
  for (const auto port : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}})
    flows.insert(key(port), port, {});
  CHECK(flows.set_most(1) == std::vector<int>{1, 2});
  CHECK(flows.insert(key(4), 4, {}) == 3);
}

TEST_CASE("the address that the client asked tells flows apart") {
  UdpFlows<int> flows({.most = 10, .idle = 10s});
  auto other = key(1);
  other.local.address = test::ip("2001:db8::1");
  flows.insert(key(1), 1, {});
  flows.insert(other, 2, {});
  CHECK(*flows.find(key(1), {}) == 1);
  CHECK(*flows.find(other, {}) == 2);
}

}  // namespace
}  // namespace egress::dns
