#include "router-init/ruleset.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "test/support/parse.hpp"
#include "test/support/ruleset_samples.hpp"

namespace egress::router {
namespace {

using egress::test::ip;

std::string golden(const std::string& name) {
  std::ifstream file(std::string(EGRESS_TEST_DIR) + "/unit/goldens/" + name + ".nft");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const Ruleset& sample(const std::string& name) {
  for (const auto& one : test::readable_samples()) {
    if (one.name == name) return one.ruleset;
  }
  throw std::invalid_argument("no sample " + name);
}

TEST_CASE("the text is what nft is to load") {
  for (const auto& [name, ruleset] : test::readable_samples()) {
    INFO(name);
    CHECK(to_nft_text(ruleset) == golden(name));
  }
}

TEST_CASE("an interface that is named like a wildcard is that interface alone") {
  Ruleset ruleset = sample("guard");
  ruleset.egress_interface = "net*";
  CHECK(to_nft_text(ruleset).find(R"(iifname != "net\*" accept)") != std::string::npos);
}

TEST_CASE("a fingerprint is 16 hexadecimal digits, the same for the same ruleset") {
  const auto print = fingerprint(sample("everything"));
  CHECK(print.size() == 16);
  CHECK(print.find_first_not_of("0123456789abcdef") == std::string::npos);
  const Ruleset copy = sample("everything");
  CHECK(fingerprint(copy) == print);
  CHECK(to_nft_text(copy).find("comment \"plan " + print + "\"") != std::string::npos);
}

TEST_CASE("a fingerprint changes with every field") {
  const std::vector<std::function<void(Ruleset&)>> changes{
      [](Ruleset&) {},
      [](Ruleset& one) { one.egress_interface = "net1"; },
      [](Ruleset& one) { one.cluster_interface = "eth1"; },
      [](Ruleset& one) { one.sources.v4 = {ip("10.42.253.47")}; },
      [](Ruleset& one) { one.sources.v4.clear(); },
      [](Ruleset& one) { one.sources.v4.push_back(ip("10.42.253.48")); },
      [](Ruleset& one) {
        one.sources.v4.push_back(ip("10.42.253.48"));
        one.spread = Spread::connection;
      },
      [](Ruleset& one) { one.translation->kept_ports = {9180}; },
      [](Ruleset& one) { one.sources.v6 = {ip("2001:db8:42::47")}; },
      [](Ruleset& one) { one.sources.v6.clear(); },
      [](Ruleset& one) { one.answer_ping = false; },
      [](Ruleset& one) { one.translation.reset(); },
      [](Ruleset& one) { one.translation.emplace(); },
      [](Ruleset& one) { one.translation->ports.pop_back(); },
      [](Ruleset& one) { one.translation->ports[0].protocol = Protocol::sctp; },
      [](Ruleset& one) { one.translation->ports[0].port = 54; },
      [](Ruleset& one) { one.translation->ports[0].address = ip("203.0.113.54"); },
      [](Ruleset& one) { one.translation->ports[0].remote_port = 54; },
      [](Ruleset& one) { one.translation->ranges.pop_back(); },
      [](Ruleset& one) { one.translation->ranges[0].protocol = Protocol::udp; },
      [](Ruleset& one) { one.translation->ranges[0].ports.first = 8101; },
      [](Ruleset& one) { one.translation->ranges[0].ports.last = 8198; },
      [](Ruleset& one) { one.translation->ranges[0].address = ip("203.0.113.7"); },
      [](Ruleset& one) { one.translation->fallback.v4 = ip("203.0.113.28"); },
      [](Ruleset& one) { one.translation->fallback.v4.reset(); },
      [](Ruleset& one) { one.translation->fallback.v6 = ip("2001:db8:1::28"); },
      [](Ruleset& one) { one.translation->fallback.v6.reset(); },
  };
  std::set<std::string> prints;
  for (const auto& change : changes) {
    Ruleset changed = sample("everything");
    change(changed);
    prints.insert(fingerprint(changed));
  }
  CHECK(prints.size() == changes.size());
}

}  // namespace
}  // namespace egress::router
