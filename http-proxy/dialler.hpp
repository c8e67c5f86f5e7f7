// From a name to addresses, and from admitted addresses to a connection: the two waits between a
// decision and an upstream, with their failures as a client is told of them. Judges no address and
// adds none.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/net/resolver.hpp"
#include "http-proxy/config.hpp"
#include "http-proxy/failure.hpp"
#include "http-proxy/upstream_pool.hpp"

namespace egress::http {

// All addresses of both families; none where the name does not exist. Failures: 502 dns_error, 504
// dns_timeout.
awaitable<Outcome<std::vector<IpAddress>>> resolve(net::Resolver& resolver,
                                                   const std::string& name);

struct DialRequest {
  std::span<const IpAddress> addresses;
  std::uint16_t port = 0;
  std::chrono::milliseconds deadline;  // for all of them together
};

// To one of the addresses (RFC 8305). Failures: 502, 503, 504.
awaitable<Outcome<Upstream>> dial(DialRequest request);

}  // namespace egress::http
