#include "http-proxy/explain.hpp"

#include "common/net/system_resolver.hpp"
#include "http-proxy/request_target.hpp"

namespace egress::http {
namespace {

// Without the host's addresses: what is settled, or what it depends on.
std::string describe_open_question(const Policy& policy, const std::string& name) {
  const auto match = policy.decide_name(name);
  std::string text = "depends on the addresses of " + name + " (--resolve asks for them): ";
  if (!match) return text + "only rules about addresses can allow it\n";
  const auto* const rule = policy.rule_at(match.line);
  return text + "line " + std::to_string(match.line) + ", \"" +
         (rule == nullptr ? std::string{} : to_text(*rule)) + "\", says " +
         std::string(to_text(match.verdict)) +
         ", unless a rule about an address stands before it, or the address is refused on its "
         "own\n";
}

}  // namespace

boost::system::result<Explanation, std::string> explain(const HttpProxyConfig& config,
                                                        std::string_view asked_for,
                                                        Resolving resolving) {
  const bool is_url = asked_for.find("://") != asked_for.npos;
  const auto method = is_url ? Method::get : Method::connect;
  const auto target = parse_request_target(method, asked_for);
  if (!target) return target.error().text;
  const Policy policy(config.rules, config.policy);
  const Question question{target->authority.host, target->authority.port,
                          is_url ? Access::forward : Access::tunnel};
  auto decision = policy.decide(question);
  if (decision.next == Next::resolve && resolving == Resolving::not_asked) {
    const auto& name = question.host.name();
    const auto match = policy.decide_name(name);
    return Explanation{match ? match.verdict : Verdict::deny, describe_open_question(policy, name)};
  }
  if (decision.next == Next::resolve)
    decision = policy.decide(question, net::resolve_by_system(question.host.name()));
  std::string text = explain(decision, policy) + "\n";
  for (const auto& address : decision.admitted) text += "  connects to " + to_text(address) + "\n";
  return Explanation{decision.verdict, std::move(text)};
}

}  // namespace egress::http
