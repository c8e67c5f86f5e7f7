// What the administrator asked of the HTTP proxy: the environment, read and judged once, before
// anything is opened.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/admin_settings.hpp"
#include "common/dns_settings.hpp"
#include "common/environment.hpp"
#include "common/host.hpp"
#include "common/log.hpp"
#include "common/port.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"
#include "http-proxy/access_record.hpp"
#include "http-proxy/framing.hpp"
#include "http-proxy/headers.hpp"
#include "http-proxy/message.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {

enum class SniCheck : std::uint8_t { off, check, enforce };
std::string_view to_text(SniCheck check);

struct Deadlines {
  using Duration = std::chrono::milliseconds;

  Duration header = std::chrono::seconds(30);   // for the whole head of a request
  Duration connect = std::chrono::seconds(10);  // for a connection to any of the addresses
  Duration response =
      std::chrono::minutes(5);  // for the head of a response, and between pieces of a body
  Duration keep_alive =
      std::chrono::seconds(60);  // for the next request; for a pooled upstream connection
  Duration idle_tunnel = std::chrono::minutes(15);
  Duration half_close = std::chrono::seconds(60);  // for the other side of a half-closed tunnel
  Duration drain = std::chrono::seconds(25);       // from SIGTERM to the end of what is under way
  Duration drain_delay = std::chrono::seconds(5);  // of it, the listeners accept for so long
};

struct Limits {
  HeadLimits head;
  std::size_t connections = 0;             // of clients; 0: from the file limit
  std::size_t connections_per_client = 0;  // 0: no limit
  std::size_t pooled_per_authority = 128;  // idle upstream connections kept for one host and port
  std::size_t buffer_bytes = 64U << 10U;   // for each direction of an exchange under way
  std::size_t drained_body_bytes = 256U
                                   << 10U;  // read and dropped of a body after an early response
};

struct HttpProxyConfig {
  RuleTable rules;
  // The file that the rules came from, watched for changes; empty: they came from the variable.
  std::string rules_path;
  std::vector<ListenAddress> listen;         // default :8080
  AdminSettings admin;                       // default :9180
  std::string egress_interface{"macvlan0"};  // no listener serves what arrives by it
  // Without `local`, which add_local_side fills.
  PolicyOptions policy;
  SniCheck sni = SniCheck::check;
  ForwardedFor forwarded_for = ForwardedFor::off;
  Reading responses = Reading::repair;  // of origins
  AccessLogFormat access_log = AccessLogFormat::text;
  std::string pseudonym;  // in Via and Proxy-Status; empty: the program makes one that is unique
  Deadlines deadlines;
  Limits limits;
  DnsSettings dns;
  std::size_t threads = 0;  // 0: one for each CPU that the container may use
  LogOptions log;
  std::string termination_log{kTerminationLog};
};

// Reads all variables and reports all that is wrong with them; what comes back is whole only where
// `diagnostics` has no errors afterwards.
HttpProxyConfig parse_config(const Environment& environment, Diagnostics& diagnostics);

std::span<const Variable> variables();

}  // namespace egress::http
