#include "http-proxy/explain.hpp"

#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "http-proxy/dialler.hpp"
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

// On a loop of its own.
Evaluation evaluate_blocking(net::Resolver& resolver, boost::asio::io_context& io,
                             const Policy& policy, const Question& question) {
  Evaluation evaluation;
  boost::asio::co_spawn(io, evaluate(resolver, policy, question),
                        [&](const std::exception_ptr& failure, Evaluation result) {
                          if (failure) std::rethrow_exception(failure);
                          evaluation = std::move(result);
                          io.stop();
                        });
  io.run();
  return evaluation;
}

// The request that a client sends whose HTTP_PROXY and HTTPS_PROXY name this proxy.
struct ClientRequest {
  Access access = Access::forward;
  std::string target;
};

ClientRequest request_for(std::string_view asked_for) {
  constexpr std::string_view kHttps = "https://";
  constexpr std::uint16_t kHttpsPort = 443;
  if (equal_ignoring_case(asked_for.substr(0, kHttps.size()), kHttps)) {
    const auto rest = asked_for.substr(kHttps.size());
    const auto authority = rest.substr(0, rest.find_first_of("/?#"));
    const auto with_port = parse_host_port(authority, kHttpsPort);
    return {Access::tunnel, with_port ? to_text(*with_port) : std::string(authority)};
  }
  if (asked_for.find("://") != asked_for.npos) return {Access::forward, std::string(asked_for)};
  if (!parse_host_port(asked_for) && parse_host(asked_for))
    return {Access::forward, "http://" + std::string(asked_for) + "/"};
  return {Access::tunnel, std::string(asked_for)};
}

boost::system::result<Explanation, std::string> explain_rules(HttpProxyConfig config,
                                                              std::string_view asked_for,
                                                              Resolving resolving) {
  const auto request = request_for(asked_for);
  const auto method = request.access == Access::tunnel ? Method::connect : Method::get;
  const auto target = parse_request_target(method, request.target);
  if (!target) return target.error().text;
  if (const auto added = add_local_side(config); !added) return added.error().cause;
  const Policy policy(config.rules, config.policy);
  const auto host = policy.complete(target->authority.host);
  const Question question{host, target->authority.port, request.access};
  // Of a name with one label, only /etc/hosts is asked.
  const bool asks_dns = host.is_name() && !is_single_label(host.name());
  if (asks_dns && resolving == Resolving::not_asked &&
      policy.decide(question).next == Next::resolve) {
    const auto match = policy.decide_name(host.name());
    return Explanation{match ? match.verdict : Verdict::deny,
                       describe_open_question(policy, host.name())};
  }
  boost::asio::io_context io{1};
  auto resolver = net::Resolver::make(io, net::resolver_options(config.dns));
  if (!resolver) return resolver.error().cause;
  const auto [decision, failure, time] = evaluate_blocking(*resolver, io, policy, question);
  if (failure) return Explanation{Verdict::deny, failure->text + "\n"};
  std::string text = explain(decision, policy) + "\n";
  for (const auto& address : decision.admitted) text += "  connects to " + to_text(address) + "\n";
  return Explanation{decision.verdict, std::move(text)};
}

}  // namespace

boost::system::result<Explanation, std::string> explain(HttpProxyConfig config,
                                                        std::string_view asked_for,
                                                        Resolving resolving) {
  const bool is_enforced = config.policy.enforcement == Enforcement::on;
  auto explained = explain_rules(std::move(config), asked_for, resolving);
  if (explained && !is_enforced) {
    explained->text +=
        "  EGRESS_HTTP_PROXY_ENFORCE=off: nothing is denied, a request that the rules deny is "
        "logged as would-deny\n";
  }
  return explained;
}

}  // namespace egress::http
