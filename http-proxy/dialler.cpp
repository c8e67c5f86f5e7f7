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

}  // namespace

Result<void> add_local_side(HttpProxyConfig& config) {
  auto listeners = config.listen;
  listeners.insert(listeners.end(), config.admin.listen.begin(), config.admin.listen.end());
  auto local = net::read_local_side(std::move(listeners));
  if (!local) return local.error();
  config.policy.local = std::move(*local);
  return {};
}

awaitable<Evaluation> evaluate(net::Resolver& resolver, const Policy& policy, Question question) {
  Evaluation evaluation{policy.decide(question), {}, {}};
  if (evaluation.decision.next != Next::resolve) co_return evaluation;
  const auto& name = question.host.name();
  const auto before = Clock::now();
  auto resolution = resolver.cached(name);
  if (!resolution && is_single_label(name)) {
    evaluation.decision = Policy::deny_single_label();
    co_return evaluation;
  }
  if (!resolution) resolution = co_await resolver.resolve(name);
  evaluation.resolve = duration_cast<milliseconds>(Clock::now() - before);
  switch (resolution->status) {
    case net::ResolveStatus::ok:
    case net::ResolveStatus::not_found:
      evaluation.decision = policy.decide(question, resolution->addresses);
      break;
    case net::ResolveStatus::timeout:
    case net::ResolveStatus::cancelled:
      evaluation.failure = gateway_failure(504, ProxyError::dns_timeout,
                                           "DNS did not say in time where " + name + " is.");
      break;
    case net::ResolveStatus::failed:
      evaluation.failure =
          gateway_failure(502, ProxyError::dns_error,
                          "DNS could not say where " + name + " is: its servers failed.");
  }
  co_return evaluation;
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
