#include "http-proxy/rule_index.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace egress::http {
namespace {

using Bytes = std::span<const std::uint8_t>;

unsigned bit_at(Bytes bytes, std::size_t index) {
  return unsigned{bytes[index / 8]} >> (7 - index % 8) & 1U;
}

// How many leading bits two addresses of one family share.
std::size_t common_bits(Bytes a, Bytes b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto differing = static_cast<std::uint8_t>(a[i] ^ b[i]);
    if (differing != 0) return i * 8 + static_cast<std::size_t>(std::countl_zero(differing));
  }
  return a.size() * 8;
}

}  // namespace

void FirstLines::add(Verdict verdict, RuleLine line) {
  RuleLine& first = verdict == Verdict::allow ? allow : deny;
  first = std::min(first, line);
}

RuleMatch FirstLines::first() const {
  return first_of({deny, Verdict::deny}, {allow, Verdict::allow});
}

PrefixTrie::PrefixTrie() {
  add_node(default_prefix(Family::v4));
  add_node(default_prefix(Family::v6));
}

std::uint32_t PrefixTrie::add_node(const IpPrefix& prefix) {
  nodes_.push_back({prefix, {}, {0, 0}});
  return static_cast<std::uint32_t>(nodes_.size() - 1);
}

void PrefixTrie::insert(const IpPrefix& prefix, Verdict verdict, RuleLine line) {
  const auto bytes = prefix.address.bytes();
  std::uint32_t node = root_of(prefix.family());
  while (nodes_[node].prefix.length < prefix.length) {
    const unsigned side = bit_at(bytes, nodes_[node].prefix.length);
    const std::uint32_t child = nodes_[node].child[side];
    if (child == 0) {
      const std::uint32_t leaf = add_node(prefix);
      nodes_[node].child[side] = leaf;
      node = leaf;
      break;
    }
    const IpPrefix below = nodes_[child].prefix;
    const std::size_t shared = std::min({common_bits(bytes, below.address.bytes()),
                                         std::size_t{below.length}, std::size_t{prefix.length}});
    if (shared == below.length) {
      node = child;
      continue;
    }
    const std::uint32_t fork =
        add_node(IpPrefix{prefix.address, static_cast<std::uint8_t>(shared)}.network());
    nodes_[node].child[side] = fork;
    nodes_[fork].child[bit_at(below.address.bytes(), shared)] = child;
    node = fork;
  }
  nodes_[node].lines.add(verdict, line);
}

RuleMatch PrefixTrie::find(const IpAddress& address, Question question) const {
  const auto bytes = address.bytes();
  FirstLines found;
  std::uint32_t node = root_of(address.family());
  for (;;) {
    const Node& here = nodes_[node];
    const std::uint8_t length = here.prefix.length;
    if (common_bits(bytes, here.prefix.address.bytes()) < length) break;
    if (length >= question.least_allow) found.add(Verdict::allow, here.lines.allow);
    if (length >= question.least_deny) found.add(Verdict::deny, here.lines.deny);
    if (length == bytes.size() * 8) break;
    node = here.child[bit_at(bytes, length)];
    if (node == 0) break;
  }
  return found.first();
}

RuleIndex::RuleIndex(const RuleTable& table) {
  for (const auto& rule : table.rules) {
    if (const auto* pattern = std::get_if<NamePattern>(&rule.match)) {
      NameRules& rules = names_[pattern->name];
      (pattern->scope == NamePattern::Scope::exact ? rules.exact : rules.subtree)
          .add(rule.verdict, rule.line);
    } else if (const auto* prefix = std::get_if<IpPrefix>(&rule.match)) {
      prefixes_.insert(*prefix, rule.verdict, rule.line);
      address_rules_.add(rule.verdict, rule.line);
    } else {
      everything_ = first_of(everything_, {rule.line, rule.verdict});
    }
  }
}

RuleMatch RuleIndex::find_name(std::string_view name) const {
  RuleMatch match;
  if (const auto found = names_.find(name); found != names_.end())
    match = found->second.exact.first();
  for (std::string_view suffix = name;;) {
    if (const auto found = names_.find(suffix); found != names_.end()) {
      match = first_of(match, found->second.subtree.first());
    }
    const auto dot = suffix.find('.');
    if (dot == suffix.npos) return match;
    suffix.remove_prefix(dot + 1);
  }
}

}  // namespace egress::http
