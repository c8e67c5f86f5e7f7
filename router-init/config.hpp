// What the administrator asked for: the environment, read and judged once, before anything is
// touched.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/environment.hpp"
#include "common/ip.hpp"
#include "common/log.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"
#include "router-init/destinations.hpp"
#include "router-init/network.hpp"
#include "router-init/sources.hpp"
#include "router-init/steps.hpp"

namespace egress::router {

enum class Mode {
  init,        // set up, exit
  legacy,      // set up, hold until SIGTERM
  http_proxy,  // interface, address and routes only, exit
  dns_proxy,   // the same, and ports under 1024 are opened to the proxy
  unit_test,   // print the plan, touch nothing
};

std::string_view to_text(Mode mode);  // as EGRESS_ROUTER_MODE spells it

enum class GatewayCheck { require, warn, off };

struct RouterConfig {
  Mode mode = Mode::legacy;
  PerFamily<std::vector<IpPrefix>> sources;  // addresses with prefix lengths, the primary one
                                             // first; at least one family has one
  Spread spread = Spread::client;
  PerFamily<std::optional<IpAddress>> gateway;  // set exactly where there is a source
  DestinationTable destinations;                // empty in the proxy modes
  std::vector<std::uint16_t> kept_ports;        // of EGRESS_ADMIN_LISTEN, sorted: not for the table

  std::string interface = "macvlan0";
  std::string cluster_interface;  // empty: eth0, else the link of the default route
  std::string parent;             // empty: chosen from the node's links
  MacvlanMode macvlan_mode = MacvlanMode::private_;
  std::string host_netns;  // empty: /proc/1/ns/net or /host/proc/1/ns/net

  std::chrono::milliseconds address_probe{500};  // 0: off
  Carrier carrier_check = Carrier::required;
  GatewayCheck gateway_check = GatewayCheck::require;
  std::chrono::milliseconds gateway_timeout{2000};
  bool answer_ping = false;
  bool announce_twice = false;  // stay two seconds for the second announcement

  LogOptions log;
  std::string termination_log{kTerminationLog};

  std::vector<IpPrefix> all_sources() const;      // IPv4 before IPv6
  std::vector<IpPrefix> primary_sources() const;  // the first of each family
  bool is_source(const IpAddress& address) const;
  bool translates() const { return mode != Mode::http_proxy && mode != Mode::dns_proxy; }
};

// Reads all variables and reports all that is wrong with them; what comes back is whole only where
// `diagnostics` has no errors afterwards. `host_name` tells a replica its number; see sources.hpp.
RouterConfig parse_config(const Environment& environment, Diagnostics& diagnostics,
                          std::string_view host_name = {});

// For --help and for the README's table.
std::span<const Variable> variables();

}  // namespace egress::router
