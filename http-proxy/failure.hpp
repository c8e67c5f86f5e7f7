// Why a request ends without an origin's response: what parsers, rules and session hand to the
// error page and to the access log. A value; nothing is sent here.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace egress::http {

// Proxy error types of RFC 9209 §2.3.
enum class ProxyError : std::uint8_t {
  dns_timeout,
  dns_error,
  destination_not_found,
  destination_unavailable,
  destination_ip_prohibited,
  destination_ip_unroutable,
  connection_refused,
  connection_terminated,
  connection_timeout,
  connection_read_timeout,
  connection_write_timeout,
  connection_limit_reached,
  http_request_error,
  http_request_denied,
  http_response_incomplete,
  http_response_header_section_size,
  http_response_body_size,
  http_response_transfer_coding,
  http_response_timeout,
  http_upgrade_failed,
  http_protocol_error,
  proxy_internal_error,
  proxy_configuration_error,
  proxy_loop_detected,
};

std::string_view to_text(ProxyError error);  // as RFC 9209 spells it

// What becomes of a client's connection after a message.
enum class Persistence : std::uint8_t { close, keep_alive };

struct Failure {
  unsigned status = 400;
  ProxyError error = ProxyError::http_request_error;
  // One or two sentences that tell the client what happened and what to change. Printable ASCII.
  std::string text;
  Persistence persistence = Persistence::close;  // keep_alive only where the framing is intact
  // Of a denial; else empty and 0.
  std::string host;
  std::string rule;
  std::size_t rule_line = 0;

  bool operator==(const Failure&) const = default;
};

[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
  throw std::logic_error("unchecked failure: " + failure.text);
}

template <class T>
using Outcome = boost::system::result<T, Failure>;

Failure bad_request(std::string text);                     // 400, http_request_error
Failure bad_response(ProxyError error, std::string text);  // 502

// A text from a peer as part of a sentence: in quotes, escaped, cut to a readable length.
std::string quoted(std::string_view text);

// "Forbidden", "Bad Gateway"; "Error" for a status that this proxy never makes.
std::string_view reason_phrase(unsigned status);

}  // namespace egress::http
