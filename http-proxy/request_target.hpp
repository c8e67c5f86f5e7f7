// Where a request wants to go: the four forms of a request target (RFC 9112 §3.2), read strictly,
// and the Host field. What a forward proxy cannot serve is refused with a sentence that tells the
// client what to change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/host.hpp"
#include "http-proxy/message.hpp"

namespace egress::http {

inline constexpr std::uint16_t kHttpPort = 80;

struct RequestTarget {
  HostPort authority;
  // Of absolute-form: what follows the authority, as it came: "", "/path?query", "?query".
  std::string_view path_and_query;
};

// absolute-form with http://, or authority-form for CONNECT. Failures: 400.
Outcome<RequestTarget> parse_request_target(Method method, std::string_view target);

// RFC 9112 §3.2: one Host in HTTP/1.1, at most one in 1.0, and that a host with or without a port.
// Its value is not used otherwise: the target decides.
std::optional<Failure> check_host_field(const RequestHead& head);

// The target as the origin wants it (RFC 9112 §3.2.1): "/" in front where it lacks, "*" for OPTIONS
// without a path (§3.2.4).
void append_origin_form(const RequestTarget& target, Method method, std::string& out);
// For the Host field: without the port where it is 80.
void append_host_value(const HostPort& authority, std::string& out);

// For logs and pages: the user information of a refused URI is replaced by "***@".
std::string redact_target(std::string_view target);

}  // namespace egress::http
