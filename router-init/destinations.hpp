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
  std::optional<Fallback> fallback4;
  std::optional<Fallback> fallback6;

  bool operator==(const DestinationTable&) const = default;
};

// The pod's side of each family, which the table is judged against: no destination without a source
// of its family.
struct OwnAddresses {
  std::vector<IpAddress> sources;  // none: they were wrong, and no family can be held against it
  std::optional<IpAddress> gateway4;
  std::optional<IpAddress> gateway6;
};

// Reports every error of the table to `diagnostics`; the table is whole only where that has none
// afterwards.
DestinationTable parse_destinations(const NamedText& text, const OwnAddresses& own,
                                    Diagnostics& diagnostics);

// What takes a new connection to `port`: an entry, else the fallback of the family, else nothing.
const Entry* find_entry(const DestinationTable& table, Family family, Protocol protocol,
                        std::uint16_t port);
const std::optional<Fallback>& fallback_of(const DestinationTable& table, Family family);

// "8443 tcp 203.0.113.26 443", as a user would write it.
std::string to_text(const Entry& entry);

}  // namespace egress::router
