// The rules compiled: names in a hash by suffix, prefixes in a compressed trie. A look-up costs the
// labels of the name or the bits of the address, whatever the number of rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http-proxy/rules.hpp"

namespace egress::http {

// A line of the table; kNoLine, which is greater than all, where no rule matches.
using RuleLine = std::size_t;
inline constexpr RuleLine kNoLine = std::numeric_limits<RuleLine>::max();

struct RuleMatch {
  RuleLine line = kNoLine;
  Verdict verdict = Verdict::deny;

  explicit operator bool() const { return line != kNoLine; }
  bool operator==(const RuleMatch&) const = default;
};

constexpr RuleMatch first_of(const RuleMatch& a, const RuleMatch& b) {
  return b.line < a.line ? b : a;
}

// Lines of the rules at one prefix, or at one name.
struct FirstLines {
  RuleLine allow = kNoLine;
  RuleLine deny = kNoLine;

  void add(Verdict verdict, RuleLine line);
  RuleMatch first() const;
};

class PrefixTrie {
 public:
  PrefixTrie();

  void insert(const IpPrefix& prefix, Verdict verdict, RuleLine line);

  // Over the prefixes that hold the address: lowest lines of allow rules at least `least_allow`
  // long, and of deny rules at least `least_deny` long.
  struct Question {
    std::uint8_t least_allow = 0;
    std::uint8_t least_deny = 0;
  };
  RuleMatch find(const IpAddress& address, Question question) const;

 private:
  struct Node {
    IpPrefix prefix;
    FirstLines lines;
    std::uint32_t child[2] = {0, 0};  // 0: none (the roots are nobody's children)
  };

  static std::uint32_t root_of(Family family) { return family == Family::v4 ? 0 : 1; }
  std::uint32_t add_node(const IpPrefix& prefix);

  std::vector<Node> nodes_;
};

class RuleIndex {
 public:
  RuleIndex() = default;
  explicit RuleIndex(const RuleTable& table);

  RuleMatch everything() const { return everything_; }
  // By name rules alone, `name` canonical.
  RuleMatch find_name(std::string_view name) const;
  // By address rules alone.
  RuleMatch find_address(const IpAddress& address, PrefixTrie::Question question) const {
    return prefixes_.find(address, question);
  }
  // The first address rule of a verdict, for knowing whether addresses can matter.
  RuleLine first_address_rule(Verdict verdict) const {
    return verdict == Verdict::allow ? address_rules_.allow : address_rules_.deny;
  }

 private:
  struct NameRules {
    FirstLines exact;
    FirstLines subtree;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::unordered_map<std::string, NameRules, Hash, std::equal_to<>> names_;
  PrefixTrie prefixes_;
  RuleMatch everything_;
  FirstLines address_rules_;
};

}  // namespace egress::http
