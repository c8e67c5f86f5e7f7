// Which conntrack entries are stale: their flows do not go where the ruleset sends new ones. The
// kernel looks a flow up once, with its first packet, and its conntrack entry holds for as long as
// packets come; a changed ruleset alone redirects no flow. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "common/ip.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

// A connection, or an exchange of datagrams, as the one who opened it sees it, and where it goes.
// Ports only where the protocol has them.
struct Flow {
  std::uint8_t protocol = 0;  // of the IP header
  IpAddress source;
  IpAddress destination;  // as asked for: an address of the pod
  std::optional<std::uint16_t> port;
  IpAddress target;  // where it goes: `destination` itself where nothing is translated
  std::optional<std::uint16_t> target_port;
  bool source_translated = false;       // IPS_SRC_NAT
  bool destination_translated = false;  // IPS_DST_NAT

  bool operator==(const Flow&) const = default;
};

// Answers for many flows: a look-up costs the same however large the table is.
class StaleConntrack {
 public:
  struct Target {
    IpAddress address;
    std::optional<std::uint16_t> port;

    bool operator==(const Target&) const = default;
  };

  // `pod_addresses`: of the cluster interface; the ruleset translates what is sent to them.
  StaleConntrack(const Translation& translation, const std::vector<IpAddress>& pod_addresses);

  // Where the ruleset sends a new flow; none where nothing takes it.
  std::optional<Target> target_of(Family family, std::uint8_t protocol,
                                  std::optional<std::uint16_t> port) const;

  // Whether the flow goes elsewhere than a new one would. Never for a flow of others: what the pod
  // opened itself, what came for another address, what another table redirected.
  bool contains(const Flow& flow) const;

 private:
  struct Range {
    std::uint32_t last_key = 0;
    IpAddress address;
  };

  std::unordered_map<std::uint32_t, Target> ports_;
  std::map<std::uint32_t, Range> ranges_;  // by the key of the first port
  PerFamily<std::optional<IpAddress>> fallback_;
  std::set<std::uint16_t> kept_ports_;
  std::set<IpAddress> pod_addresses_;
};

}  // namespace egress::router
