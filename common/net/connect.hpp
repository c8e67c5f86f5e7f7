// A TCP connection to the first of several endpoints that takes it: Happy Eyeballs (RFC 8305 §4,
// §5). Resolves nothing; connects to nothing but what it was given.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/endpoint.hpp"

namespace egress::net {

// Of one outcome, whatever DNS answered: further addresses are not tried, and where so many
// attempts are under way, the oldest ends as the next begins.
inline constexpr std::size_t kMaxAddresses = 16;
inline constexpr std::size_t kMaxParallelAttempts = 6;

struct ConnectOptions {
  std::chrono::milliseconds deadline = std::chrono::seconds(10);  // for all attempts together
  // Between the starts of two attempts, where the first is not refused before (RFC 8305 §5).
  std::chrono::milliseconds attempt_delay{250};
};

struct FailedAttempt {
  Endpoint endpoint;
  boost::system::error_code error;  // timed_out where the deadline, or a later attempt, ended it
};

struct ConnectOutcome {
  std::optional<boost::asio::ip::tcp::socket> socket;  // connected, non-blocking, TCP_NODELAY
  Endpoint endpoint;                                   // that it is connected to
  // Attempts that ended before; where there is no socket, the last word on each endpoint tried.
  std::vector<FailedAttempt> failed;
  std::chrono::microseconds elapsed{0};

  bool ok() const { return socket.has_value(); }
};

// IPv6 and IPv4 in turn, the first family first, each in its order (RFC 8305 §4).
std::vector<Endpoint> interleave_families(std::span<const Endpoint> endpoints);

// Tries the first kMaxAddresses endpoints in their order (see interleave_families). Ends within the
// deadline; no endpoints is an outcome without socket. Cancellation (Asio's, of the coroutine that
// awaits this) ends all attempts; no descriptor stays.
boost::asio::awaitable<ConnectOutcome> connect(std::vector<Endpoint> endpoints,
                                               ConnectOptions options);

// "192.0.2.7:443: Connection refused; [2001:db8::1]:443: timed out"
std::string to_text(std::span<const FailedAttempt> failed);

}  // namespace egress::net
