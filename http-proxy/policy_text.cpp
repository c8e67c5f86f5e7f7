// Decisions in words.
#include "common/escape.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {
namespace {

std::string_view describe_guard(Reason reason) {
  switch (reason) {
    case Reason::loopback: return "a loopback address";
    case Reason::link_local: return "a link-local address";
    case Reason::unspecified: return "the unspecified address";
    case Reason::multicast: return "a multicast address";
    case Reason::broadcast: return "the broadcast address";
    case Reason::ipv4_compatible: return "an IPv4-compatible address, a deprecated form";
    case Reason::unclear_embedding: return "an address whose IPv4 address cannot be told";
    case Reason::own_address: return "an address of the proxy itself";
    default: return {};
  }
}

}  // namespace

std::string_view to_text(Reason reason) {
  switch (reason) {
    case Reason::name_rule: return "name_rule";
    case Reason::address_rule: return "address_rule";
    case Reason::no_rule: return "no_rule";
    case Reason::connect_port: return "connect_port";
    case Reason::loopback: return "loopback";
    case Reason::link_local: return "link_local";
    case Reason::unspecified: return "unspecified";
    case Reason::multicast: return "multicast";
    case Reason::broadcast: return "broadcast";
    case Reason::ipv4_compatible: return "ipv4_compatible";
    case Reason::unclear_embedding: return "unclear_embedding";
    case Reason::own_address: return "own_address";
    case Reason::own_listener: return "own_listener";
    case Reason::no_address: return "no_address";
  }
  return "no_rule";
}

std::string explain(const Decision& decision, const Policy& policy) {
  const std::string verdict = decision.verdict == Verdict::allow ? "allowed" : "denied";
  const std::string address = decision.address ? to_text(*decision.address) : std::string{};
  const auto guarded = describe_guard(decision.reason);
  if (const Rule* rule = policy.rule_at(decision.line)) {
    const std::string where = verdict + " by line " + std::to_string(rule->line) + " of " +
                              escape(policy.table().source) + ", \"" + to_text(*rule) + "\"";
    return decision.reason == Reason::address_rule ? where + ", which " + address + " matches"
                                                   : where;
  }
  if (!guarded.empty()) {
    return verdict + ": " + address + " is " + std::string(guarded) + ", which no rule names";
  }
  switch (decision.reason) {
    case Reason::connect_port:
      return verdict + ": this port is not one of EGRESS_HTTP_PROXY_CONNECT_PORTS";
    case Reason::own_listener:
      return verdict + ": this is the proxy itself, the request would go round in a loop";
    case Reason::no_address: return "impossible: the name resolves to no address";
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
  switch (decision.reason) {
    case Reason::name_rule:
    case Reason::no_rule:
    case Reason::connect_port: failure.error = ProxyError::http_request_denied; break;
    case Reason::own_listener: failure.error = ProxyError::proxy_loop_detected; break;
    case Reason::no_address: failure.error = ProxyError::dns_error; break;
    default: failure.error = ProxyError::destination_ip_prohibited; break;
  }
  return failure;
}

}  // namespace egress::http
