// What our nftables table is to do, as a value: translate what arrives for the pod, and keep the
// external network out. nft_rules makes the table of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.hpp"
#include "common/port.hpp"

namespace egress::router {

inline constexpr const char* kTableName = "egress_router";  // family inet

// Marks packets that came in by the cluster interface, so that the answers which the kernel itself
// makes to them (ICMP errors; net.*.fwmark_reflect) go back the same way, and no other errors go
// there. One bit, so that others may use the rest.
inline constexpr std::uint32_t kClusterMark = 0x20000000;

// Which of several addresses a connection leaves with.
enum class Spread {
  client,     // always the same for the same client
  connection  // any, for each connection anew
};

// A connection to `protocol` `port` of the pod goes to `address` `remote_port`.
struct PortMapping {
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;
  IpAddress address;
  std::uint16_t remote_port = 0;

  bool operator==(const PortMapping&) const = default;
};

// A connection to any of `ports` goes to the same port of `address`.
struct RangeMapping {
  Protocol protocol = Protocol::tcp;
  PortRange ports;
  IpAddress address;

  bool operator==(const RangeMapping&) const = default;
};

struct Translation {
  std::vector<PortMapping> ports;  // both families, in the order of the table
  std::vector<RangeMapping>
      ranges;  // disjoint from each other and from `ports`, per family and protocol
  PerFamily<std::optional<IpAddress>> fallback;  // the default destinations
  std::vector<std::uint16_t> kept_ports = {};    // TCP ports of the pod that no fallback takes

  bool operator==(const Translation&) const = default;
};

struct Ruleset {
  std::string egress_interface;
  std::string cluster_interface;
  PerFamily<std::vector<IpAddress>> sources;  // the egress IPs; one family may have none
  bool answer_ping = false;                   // echo requests from outside to the source address
  std::optional<Translation> translation;  // none: nothing is translated or forwarded (proxy modes)
  Spread spread = Spread::client;

  // Else all that leaves bears the one address already: the pod itself opened it.
  bool masquerades() const { return translation || sources.v4.size() > 1 || sources.v6.size() > 1; }

  bool operator==(const Ruleset&) const = default;
};

// Names the contents of a ruleset: 16 hexadecimal digits of a hash over its nft text, hence over
// all that it holds and over the rules themselves. The table's comment holds it, for people who
// compare pods; whether the kernel holds the ruleset is for nft_state.
std::string fingerprint(const Ruleset& ruleset);

// The text for `nft -f -`: creates the table if it is not there, deletes it, and defines it anew,
// which the kernel takes as one transaction. Ends with a line end.
std::string to_nft_text(const Ruleset& ruleset);

}  // namespace egress::router
