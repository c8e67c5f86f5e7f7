// One line of the connection log: a TCP connection or a UDP flow that came to its end, as text or
// JSON. Appends to the caller's buffer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/access_line.hpp"
#include "common/endpoint.hpp"
#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

struct ConnectionRecord {
  using Milliseconds = std::chrono::milliseconds;

  std::chrono::system_clock::time_point time;  // when the client came
  Endpoint client;
  LocalPort local;
  std::string host;                  // of the table; empty: no connection was made
  std::optional<Endpoint> upstream;  // that the connection was made to
  std::string_view end;              // how it ended: "complete", "idle", "no_connection", ...
  std::string failed;                // attempts that failed, as text
  std::uint64_t to_upstream = 0;     // bytes
  std::uint64_t to_client = 0;
  std::optional<Milliseconds> connect;  // until it was made; TCP alone
  Milliseconds total{0};
};

// With a line end. Nothing for AccessLogFormat::off. Text, on one line:
//
//   TIME CLIENT tcp/PORT END [host=..] [upstream=..] bytes_in=N bytes_out=N [connect_ms=N]
//   total_ms=N [failed=".."]
void append_connection_line(const ConnectionRecord& record, AccessLogFormat format,
                            std::string& out);

}  // namespace egress::dns
