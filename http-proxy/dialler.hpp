// From a name to addresses, and from admitted addresses to a connection: the two waits between a
// decision and an upstream. Judges no address and adds none.
#pragma once

#include <boost/asio/io_context.hpp>
#include <span>
#include <string>
#include <vector>

#include "http-proxy/config.hpp"
#include "http-proxy/connection.hpp"
#include "http-proxy/failure.hpp"
#include "http-proxy/upstream_pool.hpp"

namespace egress::http {

class Dialler {
 public:
  // All must outlive the dialler; `connections` are those whose deadlines somebody watches.
  Dialler(boost::asio::io_context& io, const HttpProxyConfig& config, Connections& connections)
      : io_(io), config_(config), connections_(connections) {}

  // All addresses of both families. No addresses where the name does not exist. Failures: 502
  // dns_error, 504 dns_timeout.
  awaitable<Outcome<std::vector<IpAddress>>> resolve(const std::string& name);

  // To the first of the addresses that answers, within the connect deadline. Failures: 502, 503,
  // 504.
  awaitable<Outcome<Upstream>> dial(std::span<const IpAddress> addresses, std::uint16_t port);

 private:
  boost::asio::io_context& io_;
  const HttpProxyConfig& config_;
  Connections& connections_;
};

}  // namespace egress::http
