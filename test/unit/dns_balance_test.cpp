#include "redirect-proxy/dns/balance.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "redirect-proxy/dns/udp_flows.hpp"
#include "test/support/parse.hpp"

namespace egress::dns {
namespace {

using namespace std::chrono_literals;
using Time = Balancer::Clock::time_point;
using Endpoints = std::vector<Endpoint>;

const Endpoint a{test::ip("192.0.2.1"), 80};
const Endpoint b{test::ip("192.0.2.2"), 80};
const Endpoint c{test::ip("192.0.2.3"), 80};

Balancer of(const Endpoints& endpoints, Balancing balancing = Balancing::round_robin) {
  Balancer balancer(balancing);
  balancer.set(endpoints);
  return balancer;
}

TEST_CASE("round robin gives each its turn, and the others in order behind it") {
  auto balancer = of({a, b, c});
  std::map<Endpoint, int> first;
  for (int i = 0; i < 30; ++i) {
    const auto chosen = balancer.choose({}, 4);
    REQUIRE(chosen.size() == 3);
    CHECK(std::set<Endpoint>(chosen.begin(), chosen.end()).size() == 3);
    ++first[chosen[0]];
  }
  CHECK(first == std::map<Endpoint, int>{{a, 10}, {b, 10}, {c, 10}});
  CHECK(balancer.choose({}, 2).size() == 2);
  CHECK(of({}).choose({}, 4).empty());
}

TEST_CASE("what fails is left out for a time that doubles, and all failed are tried all the same") {
  auto balancer = of({a, b});
  Time now{};
  balancer.failed(a, now);
  CHECK(balancer.choose(now, 1) == Endpoints{b});
  CHECK(balancer.choose(now, 1) == Endpoints{b});
  CHECK(balancer.choose(now, 2) == Endpoints{b, a});
  now += 1s;
  CHECK(balancer.is_healthy(a, now));
  for (const auto back_off : {2s, 4s, 8s, 16s, 30s, 30s}) {
    balancer.failed(a, now);
    CHECK_FALSE(balancer.is_healthy(a, now + back_off - 1ms));
    CHECK(balancer.is_healthy(a, now + back_off));
  }
  balancer.failed(b, now);
  CHECK(balancer.choose(now, 1) == Endpoints{b});  // its time is over first
  balancer.connected(a);
  CHECK(balancer.choose(now, 2) == Endpoints{a, b});
  balancer.failed(a, now);
  CHECK(balancer.is_healthy(a, now + 1s));  // as at the start
}

TEST_CASE("checks take an address out and bring it back") {
  auto balancer = of({a, b});
  balancer.checked(a, false);
  for (int i = 0; i < 4; ++i) CHECK(balancer.choose({}, 1) == Endpoints{b});
  balancer.failed(b, {});
  CHECK(balancer.choose({}, 1) == Endpoints{b});  // that one may be back sooner
  balancer.checked(b, true);
  balancer.checked(a, true);
  CHECK(balancer.is_healthy(a, {}));
  CHECK(balancer.is_healthy(b, {}));
  balancer.checked(c, true);  // nobody knows it
  CHECK_FALSE(balancer.is_healthy(c, {}));
}

TEST_CASE("least connections") {
  auto balancer = of({a, b, c}, Balancing::least_connections);
  std::map<Endpoint, int> held;
  for (int i = 0; i < 30; ++i) {
    const auto chosen = balancer.choose({}, 1).at(0);
    balancer.connected(chosen);
    ++held[chosen];
  }
  CHECK(held == std::map<Endpoint, int>{{a, 10}, {b, 10}, {c, 10}});
  for (int i = 0; i < 5; ++i) balancer.closed(b);
  for (int i = 0; i < 5; ++i) {
    CHECK(balancer.choose({}, 1) == Endpoints{b});
    balancer.connected(b);
  }
  balancer.failed(b, {});
  balancer.closed(b);
  CHECK(balancer.choose({}, 1) != Endpoints{b});
}

TEST_CASE("least connections: attempts under way count") {
  Balancer balancer(Balancing::least_connections);
  balancer.set({a, b});
  std::map<Endpoint, int> tried;
  for (int i = 0; i < 6; ++i) {
    const auto chosen = balancer.choose({}, 2).at(0);
    balancer.trying(chosen);
    ++tried[chosen];
  }
  CHECK(tried == std::map<Endpoint, int>{{a, 3}, {b, 3}});
  for (int i = 0; i < 3; ++i) balancer.closed(a);
  CHECK(balancer.choose({}, 1) == Endpoints{a});
}

TEST_CASE("a changed answer keeps what is known of those that stay") {
  auto balancer = of({a, b});
  balancer.failed(a, {});
  balancer.connected(b);
  balancer.set({a, c});
  CHECK(balancer.choose({}, 2) == Endpoints{c, a});
  balancer.closed(b);  // of a connection that goes on; it may end at any time
  balancer.set({});
  CHECK(balancer.choose({}, 1).empty());
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
