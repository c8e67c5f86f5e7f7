// What printer and encoder both need to know of a ruleset: which named counters and which maps its
// table has, and what stands in each map. Pure.
#pragma once

#include <string>
#include <vector>

#include "router-init/ruleset.hpp"

namespace egress::router {

// protocol . port -> address . port: a hash table.
struct DestinationMap {
  std::string name;  // "destinations4"
  Family family = Family::v4;
  std::vector<PortMapping> mappings;  // in the order of the table
};

// port -> address, for one protocol: a tree of intervals. One for all protocols would need a key of
// two fields, and with those the kernel takes ten times as long to load.
struct RangeMap {
  std::string name;  // "tcp_ranges4"
  Family family = Family::v4;
  Protocol protocol = Protocol::tcp;
  std::vector<RangeMapping> mappings;  // ascending
};

// The maps that are not empty: IPv4 before IPv6, and tcp, udp, sctp.
std::vector<DestinationMap> destination_maps(const Translation& translation);
std::vector<RangeMap> range_maps(const Translation& translation);

// Those that the rules of this ruleset count in, and all others that a reader of metrics relies on.
std::vector<std::string> counter_names(const Ruleset& ruleset);

}  // namespace egress::router
