#include "redirect-proxy/dns/targets.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/fields.hpp"

namespace egress::dns {
namespace {

constexpr std::string_view kForm = "PORT [tcp|udp] HOST[,HOST...] [REMOTE_PORT]";
constexpr std::string_view kPortForm = "a port from 1 to 65535, or a range such as 8000-8099";
constexpr std::string_view kHostForm = "a name, an IPv4 or an IPv6 address";

std::string_view unusable_because(const IpAddress& address) {
  if (address.is_unspecified()) return "the unspecified address";
  if (address.is_multicast()) return "a multicast address";
  if (address.is_broadcast()) return "the broadcast address";
  return {};
}

class TableParser {
 public:
  TableParser(const NamedText& text, Diagnostics& diagnostics)
      : text_(text), diagnostics_(diagnostics) {
    table_.source = text.name;
  }

  TargetTable parse() {
    LineScanner scanner(text_.text);
    bool any = false;
    while (const Line* line = scanner.next()) {
      any = true;
      line_ = line;
      parse_line(line->fields);
    }
    if (!any) {
      diagnostics_.error(text_.name,
                         "the table is empty, expected lines of the form " + std::string(kForm));
    }
    if (ports_ > kMostLocalPorts) {
      diagnostics_.error(text_.name, "the lines take " + std::to_string(ports_) +
                                         " ports, expected at most " +
                                         std::to_string(kMostLocalPorts));
    }
    return std::move(table_);
  }

 private:
  void error(const Field& field, const std::string& message) {
    diagnostics_.error({text_.name, line_->number, field.column, line_->text, field.text.size()},
                       message);
  }

  void parse_line(const std::vector<Field>& fields) {
    Target target;
    target.line = line_->number;
    const auto local = parse_ports(fields[0], kPortForm);
    std::size_t next = 1;
    if (fields.size() > 1 && parse_protocol(fields[1].text)) {
      target.protocol = *parse_protocol(fields[1].text);
      if (target.protocol == Protocol::sctp)
        error(fields[1], found_expected(fields[1].text, "tcp or udp"));
      ++next;
    }
    if (fields.size() <= next) {
      const Field& last = fields.back();
      error({"", last.column + last.text.size()},
            "found the end of the line, expected " + std::string(kHostForm));
      return;
    }
    const bool has_hosts = parse_hosts(fields[next], target.hosts);
    auto remote = local;
    if (fields.size() > next + 1)
      remote = parse_ports(fields[next + 1], "a remote port from 1 to 65535, or a range");
    if (fields.size() > next + 2) {
      error(fields[next + 2],
            found_expected(fields[next + 2].text, "the end of the line or a # comment"));
    }
    if (local && remote && local->size() != remote->size()) {
      error(fields[next + 1],
            found_expected(fields[next + 1].text,
                           "a remote range of " + std::to_string(local->size()) +
                               " ports, as many as " + to_text(*local) + " holds"));
      return;
    }
    const bool is_usable = local && remote && has_hosts && target.protocol != Protocol::sctp;
    if (!is_usable || !claim(fields[0], target.protocol, *local)) return;
    target.local = *local;
    target.remote = *remote;
    table_.targets.push_back(std::move(target));
  }

  std::optional<PortRange> parse_ports(const Field& field, std::string_view expected) {
    const auto ports = parse_port_range(field.text);
    if (!ports) error(field, found_expected(field.text, expected));
    return ports;
  }

  // Each part with a place of its own.
  bool parse_hosts(const Field& field, std::vector<Host>& hosts) {
    bool good = true;
    for (std::size_t begin = 0; begin <= field.text.size();) {
      const auto end = std::min(field.text.find(',', begin), field.text.size());
      const Field part{field.text.substr(begin, end - begin), field.column + begin};
      begin = end + 1;
      const auto host = parse_one_host(part);
      if (!host) {
        good = false;
      } else if (std::find(hosts.begin(), hosts.end(), *host) != hosts.end()) {
        error(part, found_expected(part.text, "each host once in a line"));
        good = false;
      } else {
        hosts.push_back(*host);
      }
    }
    if (hosts.size() > kMostHosts) {
      error(field, "found " + std::to_string(hosts.size()) + " hosts, expected at most " +
                       std::to_string(kMostHosts));
      good = false;
    }
    return good;
  }

  std::optional<Host> parse_one_host(const Field& field) {
    if (field.text.empty()) {
      error(field, "found no host, expected " + std::string(kHostForm) +
                       "; commas stand between hosts, without spaces");
      return std::nullopt;
    }
    const auto host = parse_bare_host(field.text);
    if (!host) {
      error(field, host.error().text + "; expected " + std::string(kHostForm));
      return std::nullopt;
    }
    if (host->is_address()) {
      if (const auto why = unusable_because(host->address()); !why.empty()) {
        error(field,
              found_expected(field.text, "an address to connect to; this is " + std::string(why)));
        return std::nullopt;
      }
    }
    return *host;
  }

  // Takes the ports for this line.
  bool claim(const Field& field, Protocol protocol, PortRange ports) {
    auto& owners = owners_[protocol];
    const auto after = owners.upper_bound(ports.last);
    if (after != owners.begin()) {
      const auto& [first, owner] = *std::prev(after);
      if (owner.last >= ports.first) {
        error(field, "found \"" + to_text(ports) + "\", which line " + std::to_string(owner.line) +
                         " takes already as " + to_text(PortRange{first, owner.last}) + " " +
                         std::string(to_text(protocol)));
        return false;
      }
    }
    owners.emplace_hint(after, ports.first, Owner{ports.last, line_->number});
    ports_ += ports.size();
    return true;
  }

  struct Owner {
    std::uint16_t last = 0;
    std::size_t line = 0;
  };

  const NamedText& text_;
  Diagnostics& diagnostics_;
  const Line* line_ = nullptr;
  TargetTable table_;
  std::map<Protocol, std::map<std::uint16_t, Owner>> owners_;  // by the first port
  std::size_t ports_ = 0;
};

}  // namespace

TargetTable parse_targets(const NamedText& text, Diagnostics& diagnostics) {
  return TableParser(text, diagnostics).parse();
}

std::vector<LocalPort> local_ports(const TargetTable& table) {
  std::vector<LocalPort> ports;
  for (const auto& target : table.targets) {
    for (std::uint32_t port = target.local.first; port <= target.local.last; ++port)
      ports.push_back({target.protocol, static_cast<std::uint16_t>(port)});
  }
  return ports;
}

const Target* find_target(const TargetTable& table, LocalPort local) {
  for (const auto& target : table.targets) {
    if (target.protocol == local.protocol && target.local.contains(local.port)) return &target;
  }
  return nullptr;
}

std::string to_text(const LocalPort& local) {
  return std::string(to_text(local.protocol)) + "/" + std::to_string(local.port);
}

std::optional<Restriction> restriction_for_names(const IpAddress& address, const LocalSide& local) {
  const auto is_named = [](const IpAddress&, std::uint8_t) { return false; };
  return find_restriction({address, 0}, local, is_named);
}

void check_loops(const TargetTable& table, const std::vector<IpAddress>& own,
                 const std::vector<ListenAddress>& admin, Diagnostics& diagnostics) {
  std::map<Protocol, LocalSide> sides{{Protocol::tcp, {own, admin}}, {Protocol::udp, {own, {}}}};
  for (const auto& local : local_ports(table))
    sides.at(local.protocol).listeners.push_back({std::nullopt, local.port});
  const auto is_named = [](const IpAddress&, std::uint8_t) { return true; };
  for (const auto& target : table.targets) {
    for (const auto& host : target.hosts) {
      if (host.is_name()) continue;
      for (std::uint32_t port = target.remote.first; port <= target.remote.last; ++port) {
        const Endpoint endpoint{host.address(), static_cast<std::uint16_t>(port)};
        if (find_restriction(endpoint, sides.at(target.protocol), is_named)) {
          const auto text = to_text(target);
          diagnostics.error({table.source, target.line, 1, text, text.size()},
                            "found " + to_text(endpoint) +
                                ", a listener of this proxy: it would connect to itself");
          break;
        }
      }
    }
  }
}

std::string to_name(const Host& host) {
  return host.is_address() ? to_text(host.address()) : host.name();
}

std::string to_text(const Target& target) {
  std::string text = to_text(target.local) + " " + std::string(to_text(target.protocol)) + " ";
  for (const auto& host : target.hosts) {
    if (&host != &target.hosts.front()) text += ",";
    text += to_name(host);
  }
  if (target.remote != target.local) text += " " + to_text(target.remote);
  return text;
}

}  // namespace egress::dns
