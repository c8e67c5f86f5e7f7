#include "http-proxy/policy.hpp"

#include <algorithm>
#include <utility>

#include "common/embedded_ipv4.hpp"

namespace egress::http {
namespace {

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

}  // namespace

Policy::Policy(RuleTable table, PolicyOptions options)
    : table_(std::move(table)), options_(std::move(options)), index_(table_) {}

const Rule* Policy::rule_at(std::size_t line) const {
  const auto found =
      std::lower_bound(table_.rules.begin(), table_.rules.end(), line,
                       [](const Rule& rule, std::size_t wanted) { return rule.line < wanted; });
  return found != table_.rules.end() && found->line == line ? &*found : nullptr;
}

Host Policy::complete(Host host) const {
  if (host.is_address() || options_.append_domain.empty() || !is_single_label(host.name()))
    return host;
  return Host::of_name(host.name() + "." + options_.append_domain);
}

Decision Policy::deny_single_label() {
  Decision decision;
  decision.reason = Reason::single_label;
  return decision;
}

RuleMatch Policy::decide_name(std::string_view canonical_name) const {
  return name_match(complete(Host::of_name(std::string(canonical_name))));
}

RuleMatch Policy::name_match(const Host& host) const {
  return host.is_name() ? first_of(index_.find_name(host.name()), index_.everything())
                        : index_.everything();
}

bool Policy::may_use_port(const Question& question) const {
  if (question.access == Access::forward || options_.connect_ports.empty()) return true;
  return std::any_of(options_.connect_ports.begin(), options_.connect_ports.end(),
                     [&](const PortRange& range) { return range.contains(question.port); });
}

std::optional<Restriction> Policy::restriction(const Endpoint& endpoint) const {
  const bool allows_all = options_.special == SpecialAddresses::allow;
  return find_restriction(
      endpoint, options_.local, [&](const IpAddress& address, std::uint8_t min_length) {
        if (allows_all) return true;  // leaves the own listeners
        const auto match = index_.find_address(address, {min_length, min_length});
        return match && match.verdict == Verdict::allow;
      });
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
    if (const auto restricted = restriction({address, port}))
      return {Verdict::deny, reason_of(*restricted), 0, address};
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
    // Without enforcement as well, no connection leads back to this proxy.
    const auto named = [](const IpAddress&, std::uint8_t) { return true; };
    for (const auto& answer : answers) {
      const Endpoint endpoint{unmapped(answer), question.port};
      const auto restricted = find_restriction(endpoint, options_.local, named);
      if (!restricted) decision.admitted.push_back(endpoint.address);
      if (restricted) decision.reason = reason_of(*restricted);
      if (restricted) decision.address = endpoint.address;
    }
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
