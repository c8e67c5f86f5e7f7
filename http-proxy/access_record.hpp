// One line of the access log: a request or a tunnel that came to its end, as text or JSON. Appends
// to the caller's buffer. Never holds a credential: only what stands in the record is printed, and
// targets pass through redact_target.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/access_line.hpp"
#include "common/ip.hpp"
#include "http-proxy/failure.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {

// What was seen of the TLS hello in a tunnel.
enum class SniOutcome : std::uint8_t {
  not_looked,  // switched off, or not a tunnel
  match,       // the name of CONNECT; in a tunnel to an address, one that the rules allow there
  mismatch,    // another name than that of CONNECT
  denied,      // a name that the rules deny
  absent,      // TLS without a server name
  encrypted,   // Encrypted ClientHello (the name seen is only the outer one)
  not_tls,
  malformed,
};
std::string_view to_text(SniOutcome outcome);

// Owns its text: it outlives the buffers that the request was read from.
struct AccessRecord {
  using Milliseconds = std::chrono::milliseconds;

  std::chrono::system_clock::time_point time;  // when the request had come
  IpAddress client;
  std::uint16_t client_port = 0;
  std::string method;              // empty where the request line could not be read
  std::string target;              // as received
  unsigned status = 0;             // sent to the client; 0: none was
  std::optional<Verdict> verdict;  // empty where the rules were not asked
  Reason reason = Reason::no_rule;
  std::size_t rule_line = 0;
  Enforcement enforcement = Enforcement::on;
  std::optional<IpAddress> upstream;
  std::uint16_t upstream_port = 0;
  std::uint64_t bytes_in = 0;           // from the client: heads, bodies, tunnel data
  std::uint64_t bytes_out = 0;          // to the client
  std::optional<Milliseconds> resolve;  // empty where nothing was resolved
  std::optional<Milliseconds> connect;  // empty where a connection was reused, or none made
  Milliseconds total{0};
  std::optional<ProxyError> error;
  SniOutcome sni = SniOutcome::not_looked;
  std::string server_name;  // of the TLS hello, where it differs from the target
};

// With a line end. Nothing for AccessLogFormat::off. Text, on one line:
// 2026-11-23T06:00:00.123Z 10.128.0.7:40312 GET http://example.com/ 200 allow rule=3
//   reason=name_rule upstream=192.0.2.7:80 bytes_in=312 bytes_out=1270 resolve_ms=3 connect_ms=12
//   total_ms=31
// The verdict is allow, deny, or would-deny where rules are not enforced. JSON has the same keys,
// and time, client, method, target, status and verdict for the first columns.
void append_access_line(const AccessRecord& record, AccessLogFormat format, std::string& out);

}  // namespace egress::http
