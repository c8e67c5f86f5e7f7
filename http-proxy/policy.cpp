#include "http-proxy/policy.hpp"

#include <algorithm>
#include <utility>

#include "http-proxy/embedded_ipv4.hpp"

namespace egress::http {
namespace {

// A range that is refused unless a rule names it: an address rule at least as long as the range.
struct Danger {
  Reason reason;
  std::uint8_t range_length;
};

std::optional<Danger> danger_of(const IpAddress& address) {
  const auto length = [&address](int v4, int v6) {
    return static_cast<std::uint8_t>(address.is_v4() ? v4 : v6);
  };
  if (address.is_unspecified() || (address.is_v4() && address.bytes()[0] == 0)) {
    return Danger{Reason::unspecified,
                  length(8, 128)};  // RFC 1122 §3.2.1.3: 0.0.0.0/8 is "this network"
  }
  if (address.is_loopback()) return Danger{Reason::loopback, length(8, 128)};
  if (address.is_link_local()) return Danger{Reason::link_local, length(16, 10)};
  if (address.is_multicast()) return Danger{Reason::multicast, length(4, 8)};
  if (address.is_broadcast()) return Danger{Reason::broadcast, 32};
  return std::nullopt;
}

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

// What the address says itself and what the IPv4 address inside says.
struct Forms {
  explicit Forms(const IpAddress& address) : outer(unmapped(address)) {
    const auto found = embedded_ipv4(outer);
    embedding = found.embedding;
    inner = found.address;
    range_length = found.range_length;
  }

  IpAddress outer;  // never IPv4-mapped
  Embedding embedding = Embedding::none;
  std::optional<IpAddress> inner;
  std::uint8_t range_length = 0;
};

// A deny rule holds for either form. An allow rule for IPv6 lets an embedded IPv4 address pass only
// where it names the embedding itself: ::/0 must not open what an IPv4 rule behind it denies.
RuleMatch find_address(const RuleIndex& index, const Forms& forms) {
  const auto outer = index.find_address(forms.outer, {forms.range_length, 0});
  return forms.inner ? first_of(outer, index.find_address(*forms.inner, {0, 0})) : outer;
}

bool is_named(const RuleIndex& index, const IpAddress& address, std::uint8_t least) {
  const auto match = index.find_address(address, {least, least});
  return match && match.verdict == Verdict::allow;
}

bool is_listener(const PolicyOptions& options, const IpAddress& address, std::uint16_t port) {
  const bool own =
      contains(options.own_addresses, address) || address.is_loopback() || address.is_unspecified();
  return std::any_of(
      options.own_listeners.begin(), options.own_listeners.end(), [&](const ListenAddress& listen) {
        if (listen.port != port) return false;
        return listen.address
                   ? *listen.address == address || (own && listen.address->is_unspecified())
                   : own;
      });
}

}  // namespace

Policy::Policy(RuleTable table, PolicyOptions options)
    : table_(std::move(table)), options_(std::move(options)), index_(table_) {}

const Rule* Policy::rule_at(std::size_t line) const {
  const auto found =
      std::lower_bound(table_.rules.begin(), table_.rules.end(), line,
                       [](const Rule& rule, std::size_t wanted) { return rule.line < wanted; });
  return found != table_.rules.end() && found->line == line ? &*found : nullptr;
}

RuleMatch Policy::decide_name(std::string_view canonical_name) const {
  return first_of(index_.find_name(canonical_name), index_.everything());
}

RuleMatch Policy::name_match(const Host& host) const {
  return host.is_name() ? decide_name(host.name()) : index_.everything();
}

bool Policy::may_use_port(const Question& question) const {
  if (question.access == Access::forward || options_.connect_ports.empty()) return true;
  return std::any_of(options_.connect_ports.begin(), options_.connect_ports.end(),
                     [&](const PortRange& range) { return range.contains(question.port); });
}

std::optional<Reason> Policy::guard(const IpAddress& address, std::uint16_t port) const {
  if (options_.dangerous == DangerousAddresses::allow) return std::nullopt;
  const Forms forms(address);
  const bool names_embedding =
      forms.embedding != Embedding::none && is_named(index_, forms.outer, forms.range_length);
  for (const auto& form : {std::optional(forms.outer), forms.inner}) {
    if (!form) continue;
    if (is_listener(options_, *form, port)) return Reason::own_listener;
    if (names_embedding) continue;
    const auto danger = danger_of(*form);
    if (danger && !is_named(index_, *form, danger->range_length)) return danger->reason;
    if (contains(options_.own_addresses, *form) &&
        !is_named(index_, *form, address_bits(form->family()))) {
      return Reason::own_address;
    }
  }
  if (forms.embedding == Embedding::compatible && !names_embedding) return Reason::ipv4_compatible;
  const bool unclear = forms.embedding != Embedding::none && !forms.inner;
  if (unclear && !names_embedding) return Reason::unclear_embedding;
  return std::nullopt;
}

// A denial that is about the address counts for all answers, an admission for its own; what no
// address rule matches comes last. Among equals the first line tells.
bool Policy::Judgement::outranks(const Judgement& other) const {
  const auto rank = [](const Judgement& one) {
    if (one.verdict == Verdict::allow) return 1;
    return one.reason == Reason::no_rule || one.reason == Reason::name_rule ? 0 : 2;
  };
  return rank(*this) != rank(other) ? rank(*this) > rank(other) : line < other.line;
}

Policy::Judgement Policy::judge(const IpAddress& address, std::uint16_t port,
                                const RuleMatch& by_name) const {
  const auto by_address = find_address(index_, Forms(address));
  const auto match = first_of(by_name, by_address);
  if (!match) return {Verdict::deny, Reason::no_rule, 0, address};
  if (match.verdict == Verdict::allow) {
    if (const auto danger = guard(address, port)) return {Verdict::deny, *danger, 0, address};
  }
  const bool is_about_address = by_address && by_address.line == match.line;
  return {match.verdict, is_about_address ? Reason::address_rule : Reason::name_rule, match.line,
          address};
}

Decision Policy::judge_all(const Question& question, std::span<const IpAddress> answers) const {
  Decision decision;
  if (!may_use_port(question)) decision.reason = Reason::connect_port;
  if (answers.empty()) decision.reason = Reason::no_address;
  if (decision.reason != Reason::no_rule) return decision;

  const auto by_name = name_match(question.host);
  std::optional<Judgement> first;
  for (const auto& answer : answers) {
    const auto judgement = judge(unmapped(answer), question.port, by_name);
    if (judgement.verdict == Verdict::allow) decision.admitted.push_back(judgement.address);
    if (!first || judgement.outranks(*first)) first = judgement;
  }
  decision.verdict = first->verdict;
  decision.reason = first->reason;
  decision.line = first->line;
  if (first->reason != Reason::name_rule && first->reason != Reason::no_rule)
    decision.address = first->address;
  if (decision.verdict == Verdict::deny) decision.admitted.clear();
  return decision;
}

Decision Policy::decide(const Question& question, std::span<const IpAddress> answers) const {
  Decision decision = judge_all(question, answers);
  const bool passes_anyway =
      options_.enforcement == Enforcement::report_only && decision.verdict == Verdict::deny;
  if (passes_anyway) {
    for (const auto& answer : answers) decision.admitted.push_back(unmapped(answer));
  }
  decision.next = decision.admitted.empty() ? Next::refuse : Next::connect;
  return decision;
}

Decision Policy::decide(const Question& question) const {
  if (question.host.is_address()) return decide(question, std::span(&question.host.address(), 1));
  Decision decision;
  if (options_.enforcement == Enforcement::report_only) {
    decision.next = Next::resolve;
    return decision;
  }
  if (!may_use_port(question)) {
    decision.reason = Reason::connect_port;
    return decision;
  }
  const auto match = name_match(question.host);
  const bool passes_by_name = match && match.verdict == Verdict::allow;
  if (passes_by_name || index_.first_address_rule(Verdict::allow) < match.line) {
    decision.next = Next::resolve;
  } else if (match) {
    decision.reason = Reason::name_rule;
    decision.line = match.line;
  }
  return decision;
}

}  // namespace egress::http
