#include "router-init/stale_conntrack.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using Target = StaleConntrack::Target;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

Translation table() {
  Translation translation;
  translation.ports = {{Protocol::tcp, 80, ip("203.0.113.25"), 8080},
                       {Protocol::udp, 80, ip("203.0.113.26"), 80},
                       {Protocol::tcp, 80, ip("2001:db8::25"), 80}};
  translation.ranges = {{Protocol::udp, {7000, 7009}, ip("203.0.113.27")},
                        {Protocol::udp, {7020, 65535}, ip("203.0.113.28")},
                        {Protocol::tcp, {7000, 7000}, ip("203.0.113.29")}};
  return translation;
}

StaleConntrack stale_of(const Translation& translation) {
  return {translation, {ip("10.128.0.5"), ip("fd01::5")}};
}

// UDP from a client to port 80 of the pod, which goes to 203.0.113.26.
Flow translated() {
  Flow flow;
  flow.protocol = kUdp;
  flow.source = ip("10.129.0.10");
  flow.destination = ip("10.128.0.5");
  flow.port = 80;
  flow.target = ip("203.0.113.26");
  flow.target_port = 80;
  flow.source_translated = true;
  flow.destination_translated = true;
  return flow;
}

Flow untranslated() {
  Flow flow = translated();
  flow.target = flow.destination;
  flow.source_translated = false;
  flow.destination_translated = false;
  return flow;
}

TEST_CASE("where the table sends a flow") {
  const auto stale = stale_of(table());
  struct Case {
    Family family;
    std::uint8_t protocol;
    std::uint16_t port;
    std::optional<Target> expected;
  };
  const std::vector<Case> cases{
      {Family::v4, kTcp, 80, Target{ip("203.0.113.25"), 8080}},
      {Family::v4, kUdp, 80, Target{ip("203.0.113.26"), 80}},
      {Family::v6, kTcp, 80, Target{ip("2001:db8::25"), 80}},
      {Family::v6, kUdp, 80, std::nullopt},
      {Family::v4, kTcp, 81, std::nullopt},
      {Family::v4, kUdp, 6999, std::nullopt},
      {Family::v4, kUdp, 7000, Target{ip("203.0.113.27"), 7000}},
      {Family::v4, kUdp, 7009, Target{ip("203.0.113.27"), 7009}},
      {Family::v4, kUdp, 7010, std::nullopt},
      {Family::v4, kUdp, 65535, Target{ip("203.0.113.28"), 65535}},
      {Family::v4, kTcp, 7000, Target{ip("203.0.113.29"), 7000}},
      {Family::v4, kTcp, 7001, std::nullopt},
      {Family::v6, kUdp, 7000, std::nullopt},
      {Family::v4, 18, 0, std::nullopt},  // the protocol after udp, the port after its last
  };
  for (const auto& one : cases) {
    CAPTURE(to_text(one.family), int{one.protocol}, one.port);
    CHECK(stale.target_of(one.family, one.protocol, one.port) == one.expected);
  }
  CHECK(stale.target_of(Family::v4, kIcmp, std::nullopt) == std::nullopt);
}

TEST_CASE("the fallback takes the rest of its family, whatever the protocol") {
  Translation translation = table();
  translation.fallback.v4 = ip("203.0.113.99");
  const auto stale = stale_of(translation);
  CHECK(stale.target_of(Family::v4, kTcp, 80) == Target{ip("203.0.113.25"), 8080});
  CHECK(stale.target_of(Family::v4, kTcp, 81) == Target{ip("203.0.113.99"), 81});
  CHECK(stale.target_of(Family::v4, kIcmp, std::nullopt) ==
        Target{ip("203.0.113.99"), std::nullopt});
  CHECK(stale.target_of(Family::v6, kTcp, 81) == std::nullopt);
}

TEST_CASE("a flow that goes where the table says stays") {
  CHECK_FALSE(stale_of(table()).contains(translated()));
}

TEST_CASE("a flow to another address, to another port, or of an entry that is gone is stale") {
  const auto stale = stale_of(table());
  Flow flow = translated();
  flow.target = ip("203.0.113.25");
  CHECK(stale.contains(flow));
  flow = translated();
  flow.target_port = 81;
  CHECK(stale.contains(flow));
  CHECK(stale_of({}).contains(translated()));
}

TEST_CASE("a flow from before the entry is stale") {
  CHECK(stale_of(table()).contains(untranslated()));
  CHECK_FALSE(stale_of({}).contains(untranslated()));
}

TEST_CASE("flows of others are left alone") {
  const auto stale = stale_of(table());
  Flow own = untranslated();
  own.source = ip("10.128.0.5");
  CHECK_FALSE(stale.contains(own));
  Flow elsewhere = untranslated();
  elsewhere.destination = ip("172.30.0.10");
  elsewhere.target = elsewhere.destination;
  CHECK_FALSE(stale.contains(elsewhere));
  Flow redirected = untranslated();  // by another table, to a listener in the pod
  redirected.destination_translated = true;
  redirected.target_port = 15006;
  CHECK_FALSE(stale.contains(redirected));
  Flow sent_outside =
      translated();  // by another table, which takes an address that is not the pod's
  sent_outside.destination = ip("192.0.2.200");
  CHECK_FALSE(stale.contains(sent_outside));
  sent_outside.target = ip("203.0.113.25");
  CHECK_FALSE(stale.contains(sent_outside));
}

TEST_CASE("60,000 entries are staled by as many flows in no time") {
  Translation translation;
  for (std::uint16_t port = 1; port <= 60000; ++port)
    translation.ports.push_back({Protocol::udp, port, ip("203.0.113.26"), port});
  const auto stale = stale_of(translation);
  std::size_t moved = 0;
  for (std::uint32_t port = 1; port <= 65535; ++port) {
    Flow flow = translated();
    flow.port = flow.target_port = static_cast<std::uint16_t>(port);
    if (stale.contains(flow)) ++moved;
  }
  CHECK(moved == 5535);
}

}  // namespace
}  // namespace egress::router
