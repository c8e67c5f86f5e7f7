#include "http-proxy/dialler.hpp"

#include <boost/asio/error.hpp>
#include <utility>

#include "common/net/connect.hpp"
#include "common/net/destination.hpp"

namespace egress::http {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// What was asked for was right, so the client's connection may go on.
Failure gateway_failure(unsigned status, ProxyError error, std::string text) {
  return {status, error, std::move(text), Persistence::keep_alive, {}, {}, 0};
}

Failure to_failure(const std::vector<net::FailedAttempt>& failed) {
  const std::string text = "No connection could be made: " + net::to_text(failed) + ".";
  const auto error = failed.empty() ? error_code(asio::error::timed_out) : failed.back().error;
  if (error == asio::error::timed_out)
    return gateway_failure(504, ProxyError::connection_timeout, text);
  if (error == asio::error::connection_refused)
    return gateway_failure(502, ProxyError::connection_refused, text);
  if (error == asio::error::no_descriptors)
    return gateway_failure(503, ProxyError::connection_limit_reached, text);
  if (error == asio::error::network_unreachable || error == asio::error::host_unreachable)
    return gateway_failure(502, ProxyError::destination_ip_unroutable, text);
  return gateway_failure(502, ProxyError::destination_unavailable, text);
}

Evaluation by_resolution(const net::Resolution& resolution, const Policy& policy,
                         const Question& question, milliseconds elapsed) {
  const auto& name = question.host.name();
  switch (resolution.status) {
    case net::ResolveStatus::ok:
    case net::ResolveStatus::not_found:
      return {policy.decide(question, resolution.addresses), {}, elapsed};
    case net::ResolveStatus::timeout:
    case net::ResolveStatus::cancelled:
      return {{},
              gateway_failure(504, ProxyError::dns_timeout,
                              "DNS did not resolve " + name + " in time."),
              elapsed};
    case net::ResolveStatus::failed: break;
  }
  return {{},
          gateway_failure(502, ProxyError::dns_error,
                          "DNS could not resolve " + name + ": its servers failed."),
          elapsed};
}

}  // namespace

Result<void> add_local_side(HttpProxyConfig& config) {
  auto listeners = config.listen;
  listeners.insert(listeners.end(), config.admin.listen.begin(), config.admin.listen.end());
  auto local = net::read_local_side(std::move(listeners));
  if (!local) return local.error();
  config.policy.local = std::move(*local);
  return {};
}

std::optional<Evaluation> evaluate_now(net::Resolver& resolver, const Policy& policy,
                                       const Question& question) {
  auto decision = policy.decide(question);
  if (decision.next != Next::resolve) return Evaluation{std::move(decision), {}, {}};
  const auto& name = question.host.name();
  if (const auto known = resolver.cached(name))
    return by_resolution(*known, policy, question, milliseconds(0));
  if (is_single_label(name)) return Evaluation{Policy::deny_single_label(), {}, {}};
  return std::nullopt;
}

awaitable<Evaluation> evaluate(net::Resolver& resolver, const Policy& policy, Question question) {
  if (auto known = evaluate_now(resolver, policy, question)) co_return std::move(*known);
  const auto before = Clock::now();
  const auto resolution = co_await resolver.resolve(question.host.name());
  co_return by_resolution(resolution, policy, question,
                          duration_cast<milliseconds>(Clock::now() - before));
}

awaitable<Outcome<Upstream>> dial(DialRequest request) {
  std::vector<Endpoint> endpoints;
  for (const auto& address : request.addresses) endpoints.push_back({address, request.port});
  if (endpoints.size() > 1) endpoints = net::interleave_families(endpoints);
  net::ConnectOptions options;
  options.deadline = request.deadline;
  auto outcome = co_await net::connect(std::move(endpoints), options);
  if (!outcome.ok()) co_return to_failure(outcome.failed);
  co_return Upstream{std::move(*outcome.socket), outcome.endpoint};
}

}  // namespace egress::http
