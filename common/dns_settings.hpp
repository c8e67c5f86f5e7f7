// Bounds for the resolver of common/net: the EGRESS_DNS_ variables, the same in both proxies.
#pragma once

#include <chrono>
#include <cstddef>

#include "common/settings.hpp"

namespace egress {

struct DnsSettings {
  using Duration = std::chrono::milliseconds;

  Duration timeout = std::chrono::seconds(5);  // for a whole question
  Duration least_ttl = std::chrono::seconds(1);
  Duration most_ttl = std::chrono::minutes(10);
  Duration most_negative_ttl = std::chrono::seconds(10);
  Duration serve_stale = std::chrono::minutes(5);  // of the last good answer, while DNS is down
  std::size_t cache_entries = 10'000;
};

// `defaults` hold for what no variable sets.
DnsSettings parse_dns_settings(SettingsReader& reader, Diagnostics& diagnostics,
                               const DnsSettings& defaults);

}  // namespace egress
