// Decisions in words.
#include "common/escape.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {

std::optional<Restriction> restriction_of(Reason reason) {
  if (reason < Reason::restricted) return std::nullopt;
  return static_cast<Restriction>(static_cast<std::size_t>(reason) -
                                  static_cast<std::size_t>(Reason::restricted));
}

std::string_view to_text(Reason reason) {
  switch (reason) {
    case Reason::name_rule: return "name_rule";
    case Reason::address_rule: return "address_rule";
    case Reason::no_rule: return "no_rule";
    case Reason::connect_port: return "connect_port";
    case Reason::single_label: return "single_label";
    case Reason::no_address: return "no_address";
    default: return to_text(*restriction_of(reason));
  }
}

std::string explain(const Decision& decision, const Policy& policy) {
  const std::string verdict = decision.verdict == Verdict::allow ? "allowed" : "denied";
  const std::string address = decision.address ? to_text(*decision.address) : std::string{};
  const auto restriction = restriction_of(decision.reason);
  if (const Rule* rule = policy.rule_at(decision.line)) {
    const std::string where = verdict + " by line " + std::to_string(rule->line) + " of " +
                              escape(policy.table().source) + ", \"" + to_text(*rule) + "\"";
    return decision.reason == Reason::address_rule ? where + ", which " + address + " matches"
                                                   : where;
  }
  if (restriction == Restriction::own_listener)
    return verdict + ": this is the proxy itself, the request would loop";
  if (restriction) {
    return verdict + ": " + address + " is " + std::string(describe(*restriction)) +
           ", which no rule names";
  }
  switch (decision.reason) {
    case Reason::connect_port:
      return verdict + ": this port is not one of EGRESS_HTTP_PROXY_CONNECT_PORTS";
    case Reason::single_label:
      return verdict +
             ": the name has a single label, and resolv.conf's search list is not applied; use the "
             "fully qualified name, or set EGRESS_HTTP_PROXY_APPEND_DOMAIN";
    case Reason::no_address:
      return "impossible: the name does not resolve (it is resolved as a fully qualified name, "
             "without resolv.conf's search list)";
    default: return verdict + ": no line of " + escape(policy.table().source) + " matches";
  }
}

Failure to_failure(const Decision& decision, const Question& question, const Policy& policy) {
  Failure failure;
  failure.status = decision.reason == Reason::no_address ? 502 : 403;
  failure.persistence =
      question.access == Access::forward ? Persistence::keep_alive : Persistence::close;
  failure.host = to_text(question.host);
  failure.text = "The request to " + failure.host + " port " + std::to_string(question.port) +
                 " was " + explain(decision, policy) + ".";
  if (const Rule* rule = policy.rule_at(decision.line)) {
    failure.rule = to_text(*rule);
    failure.rule_line = rule->line;
  }
  if (decision.reason == reason_of(Restriction::own_listener)) {
    failure.error = ProxyError::proxy_loop_detected;
    return failure;
  }
  switch (decision.reason) {
    case Reason::name_rule:
    case Reason::no_rule:
    case Reason::connect_port:
    case Reason::single_label: failure.error = ProxyError::http_request_denied; break;
    case Reason::no_address: failure.error = ProxyError::dns_error; break;
    default: failure.error = ProxyError::destination_ip_prohibited; break;
  }
  return failure;
}

}  // namespace egress::http
