// What the administrator asked of the DNS proxy: the environment, read and judged once, before
// anything is opened.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include "common/access_line.hpp"
#include "common/admin_settings.hpp"
#include "common/dns_settings.hpp"
#include "common/environment.hpp"
#include "common/log.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"
#include "redirect-proxy/dns/balance.hpp"
#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

struct DnsProxyConfig {
  using Duration = std::chrono::milliseconds;

  TargetTable table;
  std::string table_path;                     // watched for changes; empty: it came by the variable
  std::string outside_interface{"macvlan0"};  // what arrives at its addresses is refused

  Balancing balancing = Balancing::round_robin;
  std::size_t retries = 3;                            // after the first attempt
  Duration connect = std::chrono::seconds(10);        // all attempts of one client together
  Duration idle = std::chrono::minutes(1);            // without a byte either way
  Duration udp_idle = std::chrono::seconds(30);       // without a datagram either way
  std::size_t udp_flows = 4096;                       // at once, of all entries
  Duration check_interval = std::chrono::seconds(5);  // 0: no active checks
  Duration hold_gone = std::chrono::seconds(30);      // of addresses after their name was deleted
  Duration drain = std::chrono::seconds(25);
  Duration drain_delay = std::chrono::seconds(5);  // of it, the listeners accept for so long
  std::size_t connections = 0;                     // at once; 0: from the file limit
  AccessLogFormat connection_log = AccessLogFormat::text;
  DnsSettings dns{.most_ttl = std::chrono::seconds(10)};
  std::size_t threads = 0;  // 0: one for each CPU that the container may use
  AdminSettings admin;      // default :9180
  LogOptions log;
  std::string termination_log{kTerminationLog};
};

// Reads all variables and reports all that is wrong with them; what comes back is whole only where
// `diagnostics` has no errors afterwards.
DnsProxyConfig parse_config(const Environment& environment, Diagnostics& diagnostics);

// The table alone, as it is read again when its file changes. None of its ports may be one of the
// admin endpoint, and none of its entries may lead back to the proxy, at loopback or at one of the
// pod's `own` addresses.
TargetTable read_table(const Environment& environment, const AdminSettings& admin,
                       const std::vector<IpAddress>& own, Diagnostics& diagnostics);

std::span<const Variable> variables();

}  // namespace egress::dns
