// The table of EGRESS_DESTINATION: where connections to the pod's ports go. A line each:
//
//   PORT PROTOCOL ADDRESS [REMOTE_PORT]
//   ADDRESS
//
// PORT and REMOTE_PORT may be ranges of one length; without REMOTE_PORT it is the same port. An
// ADDRESS alone takes everything else of its family, and stands after that family's other lines.
//
// Pure: text in, value or diagnostics out.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/diagnostic.hpp"
#include "common/environment.hpp"
#include "common/ip.hpp"
#include "common/port.hpp"

namespace egress::router {

struct Entry {
  std::size_t line = 0;  // from 1
  Protocol protocol = Protocol::tcp;
  PortRange local;
  IpAddress address;
  PortRange remote;  // as long as `local`

  bool operator==(const Entry&) const = default;
};

struct Fallback {
  std::size_t line = 0;
  IpAddress address;

  bool operator==(const Fallback&) const = default;
};

struct DestinationTable {
  std::vector<Entry> entries;  // in the order of the text
  PerFamily<std::optional<Fallback>> fallback;

  bool operator==(const DestinationTable&) const = default;
};

// The pod's side of each family, which the table is judged against: no destination without a source
// of its family.
struct OwnAddresses {
  // None of either family: they were rejected, and no entry can be checked against them.
  PerFamily<std::vector<IpPrefix>> sources;
  PerFamily<std::optional<IpAddress>> gateway;
  std::optional<IpPrefix> services = {};  // where Service addresses are; none: not known
};

// Reports every error of the table to `diagnostics`; the table is whole only where that has none
// afterwards.
DestinationTable parse_destinations(const NamedText& text, const OwnAddresses& own,
                                    Diagnostics& diagnostics);

// The entry that matches a new connection to `port`; null where none does, and the fallback of the
// family applies if there is one.
const Entry* find_entry(const DestinationTable& table, Family family, Protocol protocol,
                        std::uint16_t port);

// "8443 tcp 203.0.113.26 443", as a user would write it.
std::string to_text(const Entry& entry);

}  // namespace egress::router
