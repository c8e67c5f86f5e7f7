// What the DNS proxy tells of itself: metrics and status.
#pragma once

#include <cstdint>
#include <string>

#include "redirect-proxy/dns/directory.hpp"
#include "redirect-proxy/dns/pools.hpp"

namespace egress::dns {

struct Report {
  const TargetTable& table;
  const Pools& pools;
  const Directory& directory;
  std::function<bool(const Endpoint&)> is_up;

  std::string stage;  // "ready", or why not
  std::size_t threads = 0;
  std::size_t connections = 0;
  std::size_t connections_limit = 0;
  std::size_t udp_flows = 0;
  std::uint64_t log_dropped = 0;
  bool table_refused = false;  // the file has errors, and an older table is in force
};

std::string to_metrics(const Report& report);
std::string to_status(const Report& report);  // JSON

// Names without an address yet, as the reason why it is not ready; empty: all have one.
std::string unresolved_names(const Directory& directory);

}  // namespace egress::dns
