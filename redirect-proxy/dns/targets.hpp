// The table of EGRESS_DNS_PROXY_DESTINATION: to which hosts connections to the pod's ports go. A
// line each:
//
//   PORT [PROTOCOL] HOST[,HOST...] [REMOTE_PORT]
//
// PROTOCOL is tcp (the default) or udp. PORT and REMOTE_PORT may be ranges of one length; without
// REMOTE_PORT it is the same port. Several hosts are one pool.
//
// Pure: text in, value or diagnostics out; resolves nothing.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/destination_policy.hpp"
#include "common/diagnostic.hpp"
#include "common/environment.hpp"
#include "common/host.hpp"
#include "common/port.hpp"

namespace egress::dns {

// Where clients connect: what an entry is known by, in logs, metrics and across a reload.
struct LocalPort {
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;

  auto operator<=>(const LocalPort&) const = default;
};
std::string to_text(const LocalPort& local);  // "tcp/8080"

struct Target {
  std::size_t line = 0;  // from 1
  Protocol protocol = Protocol::tcp;
  PortRange local;
  std::vector<Host> hosts;  // at least one, each once
  PortRange remote;         // as long as `local`

  std::uint16_t remote_port(std::uint16_t local_port) const {
    return static_cast<std::uint16_t>(remote.first + (local_port - local.first));
  }
  bool operator==(const Target&) const = default;
};

// Each listening port costs a file in every thread, and each host behind it a check of its own.
inline constexpr std::size_t kMostLocalPorts = 1024;
inline constexpr std::size_t kMostHosts = 64;  // of one line

struct TargetTable {
  std::string source;           // name of the variable, or path of the file
  std::vector<Target> targets;  // in the order of the text

  bool operator==(const TargetTable&) const = default;
};

// Reports every error of the table to `diagnostics`; the table is whole only where that has none
// afterwards.
TargetTable parse_targets(const NamedText& text, Diagnostics& diagnostics);

// All ports that the entries listen on.
std::vector<LocalPort> local_ports(const TargetTable& table);

// What takes connections to this port, or null.
const Target* find_target(const TargetTable& table, LocalPort local);

// Why no name may lead to this address. An entry that names such an address itself reaches it.
std::optional<Restriction> restriction_for_names(const IpAddress& address, const LocalSide& local);

// Reports entries that name an address at which this proxy listens itself: `own` are the pod's
// addresses, `admin` the listeners of the admin endpoint.
void check_loops(const TargetTable& table, const std::vector<IpAddress>& own,
                 const std::vector<ListenAddress>& admin, Diagnostics& diagnostics);

// As a table spells it: IPv6 without brackets.
std::string to_name(const Host& host);

// "8080 tcp db.example.com,192.0.2.7 5432".
std::string to_text(const Target& target);

}  // namespace egress::dns
