// Decides on a request, in two phases: by its host, and, where addresses matter, by what the host
// resolved to. Immutable once made, so that threads share it; a reload makes another. Resolves and
// connects nothing: it says what to do next, and which addresses may be dialled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/destination_policy.hpp"
#include "common/host.hpp"
#include "common/port.hpp"
#include "http-proxy/failure.hpp"
#include "http-proxy/rule_index.hpp"
#include "http-proxy/rules.hpp"

namespace egress::http {

enum class Enforcement : std::uint8_t { on, report_only };
enum class SpecialAddresses : std::uint8_t { restrict, allow };
enum class Access : std::uint8_t { forward, tunnel };  // plain requests; CONNECT

struct PolicyOptions {
  Enforcement enforcement = Enforcement::on;
  SpecialAddresses special = SpecialAddresses::restrict;
  std::vector<PortRange> connect_ports;  // empty: any
  LocalSide local;                       // see add_local_side
  std::string append_domain;             // canonical; to names of one label; empty: to none

  bool operator==(const PolicyOptions&) const = default;
};

// From `restricted` on, each Restriction in turn.
enum class Reason : std::uint8_t {
  name_rule,     // a rule about the name, or "*"
  address_rule,  // a rule about an address
  no_rule,       // none matches
  connect_port,  // not one of EGRESS_HTTP_PROXY_CONNECT_PORTS
  single_label,  // only a search list could complete the name
  no_address,    // the name resolved to nothing
  restricted,
};
inline constexpr std::size_t kReasons =
    static_cast<std::size_t>(Reason::restricted) + kRestrictions;
constexpr Reason reason_of(Restriction restriction) {
  return static_cast<Reason>(static_cast<std::size_t>(Reason::restricted) +
                             static_cast<std::size_t>(restriction));
}
std::optional<Restriction> restriction_of(Reason reason);
std::string_view to_text(Reason reason);  // "address_rule": for logs and metrics

enum class Next : std::uint8_t {
  refuse,
  resolve,  // then decide(question, answers)
  connect,  // to `admitted`, and to nothing else
};

struct Question {
  const Host& host;
  std::uint16_t port = 0;
  Access access = Access::forward;
};

struct Decision {
  Next next = Next::refuse;
  Verdict verdict = Verdict::deny;  // what the rules say; under report_only `next` differs from it
  Reason reason = Reason::no_rule;
  std::size_t line = 0;              // of the rule that decided; 0: none
  std::optional<IpAddress> address;  // that decided, where one did
  std::vector<IpAddress> admitted;   // in the order of the answers; IPv4-mapped ones as IPv4

  bool operator==(const Decision&) const = default;
};

class Policy {
 public:
  Policy() = default;
  Policy(RuleTable table, PolicyOptions options);

  // By the host alone. An address is decided on at once; a name is refused where no answer could
  // let it pass (so that denied names cause no DNS question), and else to be resolved.
  Decision decide(const Question& question) const;

  // By the answers for a name. Each is evaluated alone; if a rule or the destination policy denies
  // one, all are denied; else those allowed are admitted. No answers: denied, no_address.
  Decision decide(const Question& question, std::span<const IpAddress> answers) const;

  // The host that the rules see, DNS is asked for and the origin is told: a name of one label with
  // PolicyOptions::append_domain, everything else as it is.
  Host complete(Host host) const;
  // A denial: the name has one label, and no address without the search list.
  static Decision deny_single_label();

  // For the server name of a TLS hello: what the name rules say of it, completed.
  RuleMatch decide_name(std::string_view canonical_name) const;

  const RuleTable& table() const { return table_; }
  const PolicyOptions& options() const { return options_; }
  // The rule at a line of the table; null for 0 and for lines that hold none.
  const Rule* rule_at(std::size_t line) const;

 private:
  // What the rules and the destination policy say of one address.
  struct Judgement {
    Verdict verdict = Verdict::deny;
    Reason reason = Reason::no_rule;
    std::size_t line = 0;
    IpAddress address;

    bool outranks(const Judgement& other) const;
  };

  bool may_use_port(const Question& question) const;
  std::optional<Restriction> restriction(const Endpoint& endpoint) const;
  Judgement judge(const IpAddress& address, std::uint16_t port, const RuleMatch& by_name) const;
  Decision judge_all(const Question& question, std::span<const IpAddress> answers) const;
  RuleMatch name_match(const Host& host) const;

  RuleTable table_;
  PolicyOptions options_;
  RuleIndex index_;
};

// The 403 (or 502 for no_address) of a decision to refuse, with host, rule and line. Says
// keep_alive for plain requests: the caller closes where a body follows.
Failure to_failure(const Decision& decision, const Question& question, const Policy& policy);
// A sentence: `denied by line 3 of EGRESS_HTTP_PROXY_DESTINATION, "!10.0.0.0/8", which 10.1.2.3
// matches`.
std::string explain(const Decision& decision, const Policy& policy);

}  // namespace egress::http
