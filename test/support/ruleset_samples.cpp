#include "test/support/ruleset_samples.hpp"

#include <array>
#include <random>

#include "test/support/parse.hpp"

namespace egress::router::test {
namespace {

using egress::test::ip;

Ruleset guard() { return {"macvlan0", "eth0", {{ip("10.42.253.46")}, {}}, false, {}}; }

// The scenario of the README.
Ruleset reference() {
  Ruleset ruleset = guard();
  ruleset.translation = Translation{{{Protocol::tcp, 80, ip("203.0.113.25"), 80},
                                     {Protocol::tcp, 8080, ip("203.0.113.26"), 80},
                                     {Protocol::tcp, 8443, ip("203.0.113.26"), 443}},
                                    {},
                                    {ip("203.0.113.27"), {}}};
  return ruleset;
}

Ruleset ipv6_only() {
  Ruleset ruleset{"net1", "eth0", {{}, {ip("2001:db8:42::46")}}, true, {}};
  ruleset.translation = Translation{{{Protocol::udp, 53, ip("2001:db8:1::53"), 5353}},
                                    {{Protocol::tcp, {8000, 8099}, ip("2001:db8:1::5")}},
                                    {{}, ip("2001:db8:1::27")}};
  return ruleset;
}

Ruleset everything() {
  Ruleset ruleset = guard();
  ruleset.sources.v6 = {ip("2001:db8:42::46")};
  ruleset.answer_ping = true;
  ruleset.translation = Translation{{{Protocol::tcp, 53, ip("203.0.113.53"), 53},
                                     {Protocol::udp, 53, ip("203.0.113.53"), 5353},
                                     {Protocol::sctp, 36412, ip("203.0.113.36"), 36412},
                                     {Protocol::tcp, 53, ip("2001:db8:1::53"), 53}},
                                    {{Protocol::tcp, {8100, 8199}, ip("203.0.113.6")},
                                     {Protocol::tcp, {8000, 8099}, ip("203.0.113.5")},
                                     {Protocol::udp, {60000, 65535}, ip("203.0.113.7")},
                                     {Protocol::sctp, {1, 2}, ip("203.0.113.8")},
                                     {Protocol::tcp, {8000, 8099}, ip("2001:db8:1::5")},
                                     {Protocol::udp, {20000, 29999}, ip("2001:db8:1::6")},
                                     {Protocol::sctp, {3, 4}, ip("2001:db8:1::7")}},
                                    {ip("203.0.113.27"), ip("2001:db8:1::27")}};
  return ruleset;
}

// Several addresses, and ports that stay in the pod.
Ruleset spread() {
  Ruleset ruleset = everything();
  ruleset.sources.v4.insert(ruleset.sources.v4.end(), {ip("10.42.253.47"), ip("10.42.253.48")});
  ruleset.sources.v6.push_back(ip("2001:db8:42::47"));
  ruleset.translation = Translation{
      {{Protocol::tcp, 80, ip("203.0.113.25"), 80}}, {}, {ip("203.0.113.27"), {}}, {9180, 9190}};
  return ruleset;
}

Ruleset spread_by(Spread how, bool translates) {
  Ruleset ruleset = spread();
  ruleset.spread = how;
  if (!translates) ruleset.translation.reset();
  return ruleset;
}

Ruleset with_links(const std::string& egress, const std::string& cluster) {
  Ruleset ruleset = everything();
  ruleset.egress_interface = egress;
  ruleset.cluster_interface = cluster;
  return ruleset;
}

Ruleset with_ranges(std::vector<RangeMapping> ranges) {
  Ruleset ruleset = guard();
  ruleset.translation = Translation{{}, std::move(ranges), {}, {}};
  return ruleset;
}

// More than one message of elements in each map.
Ruleset large() {
  Ruleset ruleset = everything();
  Translation& translation = ruleset.translation.emplace();
  for (std::uint32_t port = 1; port <= 3000; ++port) {
    const auto local = static_cast<std::uint16_t>(port);
    translation.ports.push_back({Protocol::tcp, local, ip("203.0.113.1"), local});
    translation.ports.push_back({Protocol::udp, local, ip("2001:db8:1::1"), 443});
  }
  for (std::uint32_t port = 10000; port < 12000; port += 2) {
    const PortRange ports{static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(port + 1)};
    const bool odd = port % 4 == 0;
    translation.ranges.push_back({Protocol::tcp, ports, ip(odd ? "203.0.113.2" : "203.0.113.3")});
    translation.ranges.push_back({Protocol::sctp, ports, ip("2001:db8:1::2")});
  }
  return ruleset;
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }
  bool one_in(std::uint32_t count) { return below(count) == 0; }

  IpAddress address(Family family) {
    std::array<std::uint8_t, 16> bytes{};
    for (auto& byte : bytes) byte = one_in(3) ? 0 : static_cast<std::uint8_t>(below(256));
    return IpAddress::from_bytes(std::span(bytes).first(address_bits(family) / 8U));
  }

  // Mappings of one family and protocol, from low ports to high.
  void add_mappings(Translation& translation, Family family, Protocol protocol) {
    const std::uint32_t step = 1 + below(20000);
    for (std::uint32_t port = 1 + below(step); port <= 0xffff;) {
      const auto first = static_cast<std::uint16_t>(port);
      const std::uint32_t last = std::min(port + below(step), 0xffffU);
      if (one_in(2)) {
        const auto remote = static_cast<std::uint16_t>(1 + below(0xffff));
        translation.ports.push_back({protocol, first, address(family), remote});
        port += 1;
      } else {
        translation.ranges.push_back(
            {protocol, {first, static_cast<std::uint16_t>(last)}, address(family)});
        port = last + 1;
      }
      if (!one_in(3)) port += below(step);
    }
  }

 private:
  std::mt19937 engine_;
};

}  // namespace

const std::vector<Sample>& readable_samples() {
  static const std::vector<Sample> kSamples{{"guard", guard()},
                                            {"reference", reference()},
                                            {"ipv6_only", ipv6_only()},
                                            {"spread", spread()},
                                            {"everything", everything()}};
  return kSamples;
}

const std::vector<Sample>& corner_samples() {
  Ruleset no_mapping = guard();
  no_mapping.translation.emplace();
  static const std::vector<Sample> kSamples{
      {"translation without a mapping", no_mapping},
      {"spread by connection", spread_by(Spread::connection, true)},
      {"a proxy's spread", spread_by(Spread::client, false)},
      {"names of 15 characters", with_links("abcdefghijklmno", "abcdefghijklmnp")},
      {"name that ends like a wildcard", with_links("net*", "net")},
      {"names that are a wildcard, and a backslash", with_links("*", "net\\")},
      {"names with what means something elsewhere", with_links("a;}#$(x)", "@b,c{'`")},
      {"names that nft has words for", with_links("accept", "ip")},
      {"range over all ports", with_ranges({{Protocol::tcp, {1, 65535}, ip("203.0.113.1")}})},
      {"range of one port", with_ranges({{Protocol::udp, {7, 7}, ip("203.0.113.1")}})},
      {"range of the last port", with_ranges({{Protocol::sctp, {65535, 65535}, ip("::1")}})},
      {"ranges side by side, out of order",
       with_ranges({{Protocol::tcp, {30, 39}, ip("203.0.113.1")},
                    {Protocol::tcp, {10, 19}, ip("203.0.113.1")},
                    {Protocol::tcp, {20, 29}, ip("203.0.113.1")},
                    {Protocol::tcp, {40, 65535}, ip("203.0.113.2")}})},
      {"several messages of elements", large()}};
  return kSamples;
}

Ruleset random_ruleset(std::uint32_t seed) {
  Random random(seed);
  Ruleset ruleset{"macvlan0", "eth0", {}, random.one_in(2), {}};
  const std::uint32_t families = 1 + random.below(3);
  if ((families & 1U) != 0) ruleset.sources.v4 = {random.address(Family::v4)};
  if ((families & 2U) != 0) ruleset.sources.v6 = {random.address(Family::v6)};
  if (random.one_in(8)) return ruleset;

  Translation& translation = ruleset.translation.emplace();
  for (const Family family : kFamilies) {
    if (ruleset.sources[family].empty()) continue;
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
      if (random.one_in(2)) random.add_mappings(translation, family, protocol);
    }
    if (random.one_in(2)) translation.fallback[family] = random.address(family);
  }
  return ruleset;
}

}  // namespace egress::router::test
