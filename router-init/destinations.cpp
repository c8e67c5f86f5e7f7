#include "router-init/destinations.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "common/fields.hpp"
#include "router-init/sources.hpp"

namespace egress::router {
namespace {

constexpr std::string_view kEntryForm = "PORT PROTOCOL ADDRESS [REMOTE_PORT], or ADDRESS alone";
constexpr std::string_view kPortForm = "a port from 1 to 65535, or a range such as 8000-8099";
constexpr std::string_view kAddressForm = "an IPv4 or IPv6 address";

std::string unusable_because(const IpAddress& address) {
  if (address.is_unspecified()) return "the unspecified address";
  if (address.is_loopback()) return "a loopback address";
  if (address.is_multicast()) return "a multicast address";
  if (address.is_broadcast()) return "the broadcast address";
  if (address.is_link_local()) return "a link-local address, which no gateway forwards to";
  static const IpPrefix kThisNetwork = *parse_ip_prefix("0.0.0.0/8");  // RFC 791 §3.2
  if (kThisNetwork.contains(address)) return "an address of 0.0.0.0/8, which no host has";
  static const IpPrefix kReserved = *parse_ip_prefix("240.0.0.0/4");  // RFC 1112 §4
  if (kReserved.contains(address)) return "an address of the reserved range 240.0.0.0/4";
  static const IpPrefix kMapped = *parse_ip_prefix("::ffff:0:0/96");  // RFC 4291 §2.5.5.2
  if (kMapped.contains(address)) return "an IPv4-mapped address: write it as IPv4";
  return {};
}

class TableParser {
 public:
  TableParser(const NamedText& text, const OwnAddresses& own, Diagnostics& diagnostics)
      : text_(text), own_(own), diagnostics_(diagnostics) {}

  DestinationTable parse() {
    LineScanner scanner(text_.text);
    bool any = false;
    while (const Line* line = scanner.next()) {
      any = true;
      line_ = line;
      if (line->fields.size() == 1) {
        parse_fallback(line->fields[0]);
      } else {
        parse_entry(line->fields);
      }
    }
    if (!any)
      diagnostics_.error(
          text_.name, "the table is empty, expected lines of the form " + std::string(kEntryForm));
    return std::move(table_);
  }

 private:
  using Owners =
      std::map<std::uint16_t, std::pair<std::uint16_t, std::size_t>>;  // first -> last, line

  Spot spot(const Field& field) const {
    return {text_.name, line_->number, field.column, line_->text, field.text.size()};
  }
  void error(const Field& field, const std::string& message) {
    diagnostics_.error(spot(field), message);
  }

  void parse_fallback(const Field& field) {
    const auto address =
        parse_address(field, parse_port_range(field.text) ? kEntryForm : kAddressForm);
    if (!address) return;
    auto& fallback = table_.fallback[address->family()];
    if (fallback) {
      error(field, "a second " + std::string(to_text(address->family())) +
                       " address alone, the first is in line " + std::to_string(fallback->line));
      return;
    }
    fallback = Fallback{line_->number, *address};
  }

  void check_order(const Field& field, Family family) {
    const auto& fallback = table_.fallback[family];
    if (!fallback) return;
    error(field, "an entry after the " + std::string(to_text(family)) + " address alone of line " +
                     std::to_string(fallback->line) + ", expected that to be the last");
  }

  void parse_entry(const std::vector<Field>& fields) {
    const auto local = parse_ports(fields[0], kPortForm);
    const auto protocol = parse_protocol(fields[1].text);
    if (!protocol) error(fields[1], found_expected(fields[1].text, "tcp, udp or sctp"));
    if (fields.size() < 3) {
      const Field end{"", fields[1].column + fields[1].text.size()};
      error(end, "found the end of the line, expected " + std::string(kAddressForm));
      return;
    }
    const auto address = parse_address(fields[2], kAddressForm);
    if (address) check_order(fields[0], address->family());
    auto remote = local;
    if (fields.size() > 3)
      remote = parse_ports(fields[3], "a remote port from 1 to 65535, or a range");
    if (fields.size() > 4)
      error(fields[4], found_expected(fields[4].text, "the end of the line or a # comment"));
    if (local && remote && local->size() != remote->size()) {
      error(fields[3],
            found_expected(fields[3].text, "a remote range of " + std::to_string(local->size()) +
                                               " ports, as many as " + to_text(*local) + " holds"));
      return;
    }
    if (!local || !protocol || !address || !remote ||
        !claim(fields[0], *protocol, *local, address->family()))
      return;
    table_.entries.push_back({line_->number, *protocol, *local, *address, *remote});
  }

  std::optional<PortRange> parse_ports(const Field& field, std::string_view expected) {
    const auto ports = parse_port_range(field.text);
    if (!ports) error(field, found_expected(field.text, expected));
    return ports;
  }

  std::optional<IpAddress> parse_address(const Field& field, std::string_view expected) {
    const auto address = parse_ip_address(field.text);
    if (!address) {
      error(field, found_expected(field.text, expected));
      return std::nullopt;
    }
    const auto& sources = own_.sources[address->family()];
    const bool has_any = !own_.sources.v4.empty() || !own_.sources.v6.empty();
    const auto segment = std::find_if(sources.begin(), sources.end(), [&](const IpPrefix& one) {
      return one.family() == Family::v4 && names_network(one, *address);
    });
    const bool is_source = std::any_of(sources.begin(), sources.end(), [&](const IpPrefix& one) {
      return one.address == *address;
    });
    if (const auto why = unusable_because(*address); !why.empty()) {
      error(field, found_expected(field.text, "an address to forward to; this is " + why));
    } else if (sources.empty() && has_any) {
      error(field,
            found_expected(field.text, "no " + std::string(to_text(address->family())) +
                                           " address, as EGRESS_SOURCE has none to leave from"));
    } else if (is_source) {
      error(field, found_expected(field.text, "another address than EGRESS_SOURCE"));
    } else if (segment != sources.end()) {
      error(field,
            found_expected(field.text, "the address of one host; this is one of the network " +
                                           to_text(segment->network()) + " itself"));
    } else {
      if (own_.services && own_.services->contains(*address)) {
        diagnostics_.warning(spot(field), "the destination looks like a Service of this cluster (" +
                                              to_text(*own_.services) +
                                              "), which the external network does not reach");
      }
      if (own_.gateway[address->family()] == *address)
        diagnostics_.warning(spot(field), "the destination is EGRESS_GATEWAY itself");
      return address;
    }
    return std::nullopt;
  }

  // Takes the ports for this line. They may be taken once per family and protocol.
  bool claim(const Field& field, Protocol protocol, PortRange ports, Family family) {
    Owners& owners = owners_[{protocol, family}];
    auto after = owners.upper_bound(ports.last);
    if (after != owners.begin()) {
      const auto& [first, owner] = *std::prev(after);
      const auto& [last, line] = owner;
      if (last >= ports.first) {
        error(field, "found \"" + to_text(ports) + "\", which line " + std::to_string(line) +
                         " takes already as " + to_text(PortRange{first, last}) + " " +
                         std::string(to_text(protocol)));
        return false;
      }
    }
    owners.emplace_hint(after, ports.first, std::pair(ports.last, line_->number));
    return true;
  }

  const NamedText& text_;
  const OwnAddresses& own_;
  Diagnostics& diagnostics_;
  const Line* line_ = nullptr;
  DestinationTable table_;
  std::map<std::pair<Protocol, Family>, Owners> owners_;
};

}  // namespace

DestinationTable parse_destinations(const NamedText& text, const OwnAddresses& own,
                                    Diagnostics& diagnostics) {
  return TableParser(text, own, diagnostics).parse();
}

const Entry* find_entry(const DestinationTable& table, Family family, Protocol protocol,
                        std::uint16_t port) {
  for (const auto& entry : table.entries) {
    if (entry.protocol == protocol && entry.address.family() == family &&
        entry.local.contains(port))
      return &entry;
  }
  return nullptr;
}

std::string to_text(const Entry& entry) {
  std::string text = to_text(entry.local) + " " + std::string(to_text(entry.protocol)) + " " +
                     to_text(entry.address);
  if (entry.remote != entry.local) text += " " + to_text(entry.remote);
  return text;
}

}  // namespace egress::router
