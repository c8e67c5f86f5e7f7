// The compiled rules against a reader of the plain list, on random tables; seeded, so that a
// failure comes back.
#include "http-proxy/rule_index.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "test/support/parse.hpp"

namespace egress::http {
namespace {

using test::ip;
using test::prefix;

class RandomTables {
 public:
  explicit RandomTables(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }

  // Few letters and labels, so that names nest and collide.
  std::string name() {
    std::string text;
    for (std::size_t labels = 1 + below(4); labels > 0; --labels) {
      if (!text.empty()) text += '.';
      text += static_cast<char>('a' + below(3));
      if (below(4) == 0) text += static_cast<char>('a' + below(2));
    }
    return text;
  }
  IpAddress address() {
    std::vector<std::uint8_t> bytes(below(2) == 0 ? 4 : 16);
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>(below(3) == 0 ? below(256) : below(2) * 0x80);
    return IpAddress::from_bytes(bytes);
  }
  IpPrefix network() {
    const auto one = address();
    return IpPrefix{one, static_cast<std::uint8_t>(below(address_bits(one.family()) + 1U))}
        .network();
  }
  RuleTable table(std::size_t rules) {
    RuleTable table{"RANDOM", {}};
    std::size_t line = 0;
    for (std::size_t i = 0; i < rules; ++i) {
      line += 1 + below(2);
      Rule rule{line, below(2) == 0 ? Verdict::allow : Verdict::deny, Everything{}};
      if (below(2) == 0) {
        rule.match = NamePattern{
            name(), below(2) == 0 ? NamePattern::Scope::exact : NamePattern::Scope::subtree};
      } else {
        rule.match = network();
      }
      table.rules.push_back(rule);
    }
    if (below(2) == 0) table.rules.push_back({line + 1, Verdict::allow, Everything{}});
    return table;
  }

 private:
  std::mt19937 random_;
};

template <class Matches>
RuleMatch first_rule(const RuleTable& table, Matches matches) {
  for (const auto& rule : table.rules) {
    if (matches(rule)) return {rule.line, rule.verdict};
  }
  return {};
}

RuleMatch naive_name(const RuleTable& table, const std::string& name) {
  return first_rule(table, [&](const Rule& rule) {
    const auto* pattern = std::get_if<NamePattern>(&rule.match);
    return pattern != nullptr && pattern->matches(name);
  });
}

RuleMatch naive_address(const RuleTable& table, const IpAddress& address,
                        PrefixTrie::Question question) {
  return first_rule(table, [&](const Rule& rule) {
    const auto* prefix = std::get_if<IpPrefix>(&rule.match);
    const auto least = rule.verdict == Verdict::allow ? question.least_allow : question.least_deny;
    return prefix != nullptr && prefix->contains(address) && prefix->length >= least;
  });
}

TEST_CASE("the index finds what reading the list line by line finds") {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    RandomTables random(seed);
    const auto table = random.table(random.below(60));
    const RuleIndex index(table);
    for (int i = 0; i < 25; ++i) {
      const auto name = random.name();
      const auto address = random.address();
      const PrefixTrie::Question question{static_cast<std::uint8_t>(random.below(3) * 20),
                                          static_cast<std::uint8_t>(random.below(3) * 20)};
      const bool same =
          index.find_name(name) == naive_name(table, name) &&
          index.find_address(address, question) == naive_address(table, address, question);
      if (same) continue;
      INFO("seed " << seed << ", " << name << ", " << to_text(address));
      REQUIRE(same);
    }
  }
}

TEST_CASE("large tables, asked for what their rules name") {
  RandomTables random(42);
  const auto table = random.table(5000);
  const RuleIndex index(table);
  std::size_t matched = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    const auto& rule = table.rules[random.below(table.rules.size())];
    if (const auto* pattern = std::get_if<NamePattern>(&rule.match)) {
      REQUIRE(index.find_name(pattern->name) == naive_name(table, pattern->name));
      matched += index.find_name(pattern->name).line <= rule.line;
    } else if (const auto* one = std::get_if<IpPrefix>(&rule.match)) {
      REQUIRE(index.find_address(one->address, {}) == naive_address(table, one->address, {}));
      matched += index.find_address(one->address, {}).line <= rule.line;
    }
  }
  CHECK(matched > 300);
}

TEST_CASE("everything, and the first address rule of each verdict") {
  Diagnostics diagnostics;
  const RuleIndex index(parse_rules({"R", "a.test\n!10.0.0.0/8\n10.0.0.1\n*\n"}, diagnostics));
  CHECK(index.everything() == RuleMatch{4, Verdict::allow});
  CHECK(index.first_address_rule(Verdict::deny) == 2);
  CHECK(index.first_address_rule(Verdict::allow) == 3);
  CHECK_FALSE(RuleIndex().everything());
  CHECK(RuleIndex().first_address_rule(Verdict::allow) == kNoLine);
}

}  // namespace
}  // namespace egress::http
