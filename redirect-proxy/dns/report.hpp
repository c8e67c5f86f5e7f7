// What the DNS proxy reports of itself: metrics and status. Of an entry with many addresses both
// list some only: their size is bounded, whatever DNS answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "redirect-proxy/dns/upstreams.hpp"
#include "redirect-proxy/dns/usage.hpp"

namespace egress::dns {

struct Report {
  const Upstreams& upstreams;
  const std::map<LocalPort, EntryUses>& uses;  // of each entry

  std::string stage;  // "ready", or why not
  std::size_t threads = 0;
  std::size_t connections = 0;
  std::size_t connections_limit = 0;
  std::size_t udp_flows = 0;
  std::size_t udp_flows_limit = 0;
  std::uint64_t log_dropped = 0;
  bool table_refused = false;  // the file's table was rejected, and an older one is applied
};

std::string to_metrics(const Report& report);
std::string to_status(const Report& report);  // JSON

}  // namespace egress::dns
