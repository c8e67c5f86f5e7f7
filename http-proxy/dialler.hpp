// From a request's host to a connection: the evaluation, which --explain shares with the running
// proxy, and the dial, with their failures as a client sees them. Adds no address to those
// that the policy admits.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "common/net/resolver.hpp"
#include "http-proxy/config.hpp"
#include "http-proxy/failure.hpp"
#include "http-proxy/upstream_pool.hpp"

namespace egress::http {

// Fills config.policy.local: the addresses of this pod, and the listeners of the configuration.
// Errors: those of net::read_local_side.
Result<void> add_local_side(HttpProxyConfig& config);

struct Evaluation {
  Decision decision;  // to deny or to connect
  // DNS failed, so that nothing could be decided: 502 dns_error, 504 dns_timeout.
  std::optional<Failure> failure;
  std::optional<std::chrono::milliseconds> resolve;  // time taken; empty where nothing was resolved
};

// What needs no DNS question: decided by the host alone, or by an answer of the cache or
// /etc/hosts. `question.host` as Policy::complete returns it.
std::optional<Evaluation> evaluate_now(net::Resolver& resolver, const Policy& policy,
                                       const Question& question);

// Both phases of Policy::decide, and between them the addresses of the name, of both families.
// `question.host` as Policy::complete returns it; both references must outlive the coroutine.
// Cancellation ends the wait for DNS.
awaitable<Evaluation> evaluate(net::Resolver& resolver, const Policy& policy, Question question);

struct DialRequest {
  std::span<const IpAddress> addresses;
  std::uint16_t port = 0;
  std::chrono::milliseconds deadline;  // for all of them together
};

// To one of the addresses (RFC 8305). Failures: 502, 503, 504. Cancellation ends all attempts.
awaitable<Outcome<Upstream>> dial(DialRequest request);

}  // namespace egress::http
