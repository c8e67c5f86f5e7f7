#include "router-init/config.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "common/admin_settings.hpp"
#include "common/fields.hpp"
#include "common/settings.hpp"

namespace egress::router {
namespace {

constexpr std::array kVariables{
    Variable{
        "EGRESS_SOURCE", "(required)",
        "address that the outside sees, with or without /PREFIX_LENGTH; IPv4, IPv6 or both; of "
        "each one or a list"},
    Variable{
        "EGRESS_SOURCE_ASSIGN", "all",
        "of a list, all: this pod holds all of it; ordinal: replica N takes the Nth address of "
        "each family, from 0"},
    Variable{"EGRESS_SOURCE_SPREAD", "client",
             "where a pod holds several, client: a client always leaves with the same one; "
             "connection: each connection with any"},
    Variable{"EGRESS_POD_ORDINAL", "",
             "number of this replica, from 0; without it the number at the end of EGRESS_POD_NAME, "
             "else of the host name"},
    Variable{"EGRESS_POD_NAME", "", "name of this pod, such as egress-router-1"},
    Variable{"EGRESS_GATEWAY", "(required)",
             "next hop towards the outside, one of each family that EGRESS_SOURCE has"},
    Variable{"EGRESS_DESTINATION", "(required in init and legacy)",
             "where connections to the pod's ports go: lines of PORT PROTOCOL ADDRESS "
             "[REMOTE_PORT], or ADDRESS alone"},
    Variable{"EGRESS_DESTINATION_FILE", "", "path of a file that holds the same table"},
    Variable{"EGRESS_ROUTER_MODE", "legacy",
             "init: set up and exit; legacy: set up and hold; http-proxy, dns-proxy: no "
             "translation; unit-test: print the plan"},
    Variable{"EGRESS_ROUTER_DEBUG", "", "anything: the same as EGRESS_LOG_LEVEL=debug"},
    Variable{"EGRESS_INTERFACE", "macvlan0",
             "interface towards the outside; adopted where it exists, else made"},
    Variable{"EGRESS_CLUSTER_INTERFACE", "eth0",
             "interface towards the cluster; without eth0, that of the default route"},
    Variable{"EGRESS_PARENT", "auto",
             "node's interface for a new macvlan; auto: the one whose subnet holds the gateway, "
             "else that of the default route"},
    Variable{"EGRESS_MACVLAN_MODE", "private", "private, bridge, vepa or passthru"},
    Variable{"EGRESS_HOST_NETNS", "/proc/1/ns/net",
             "node's network namespace; or /host/proc/1/ns/net, whichever is another than ours"},
    Variable{
        "EGRESS_ADDRESS_PROBE", "500ms",
        "duration of the probe for other holders of EGRESS_SOURCE, and of the wait for carrier "
        "before it; off: no probe"},
    Variable{
        "EGRESS_CARRIER_CHECK", "require",
        "require: an interface without carrier, where nothing can be probed, is an error; warn"},
    Variable{"EGRESS_GATEWAY_CHECK", "require",
             "require: a gateway that does not answer is an error; warn; off"},
    Variable{"EGRESS_GATEWAY_TIMEOUT", "2s", "how long to wait for the gateway's answer"},
    Variable{"EGRESS_ANSWER_PING", "off", "on: answer echo requests from outside"},
    Variable{"EGRESS_ANNOUNCE", "once",
             "once: announce EGRESS_SOURCE and leave the second announcement to egress-wait; twice "
             "(always in legacy): stay 2 s for it"},
    Variable{"EGRESS_ADMIN_LISTEN", "off",
             "where egress-wait answers: an ADDRESS alone in the table leaves that port to it"},
    Variable{"EGRESS_LOG_LEVEL", "info", "debug, info, warn or error"},
    Variable{"EGRESS_LOG_FORMAT", "text", "text or json"},
    Variable{"EGRESS_TERMINATION_LOG", kTerminationLog,
             "file that takes the last error, where it exists"},
};

constexpr std::array<std::pair<std::string_view, Mode>, 5> kModes{
    std::pair{std::string_view("init"), Mode::init},
    std::pair{std::string_view("legacy"), Mode::legacy},
    std::pair{std::string_view("http-proxy"), Mode::http_proxy},
    std::pair{std::string_view("dns-proxy"), Mode::dns_proxy},
    std::pair{std::string_view("unit-test"), Mode::unit_test},
};

// linux/if.h: IFNAMSIZ with the terminator.
constexpr std::size_t kLongestLinkName = 15;

class ConfigParser {
 public:
  ConfigParser(const Environment& environment, std::string_view host_name, Diagnostics& diagnostics)
      : environment_(environment),
        host_name_(host_name),
        diagnostics_(diagnostics),
        settings_(environment, diagnostics) {}

  RouterConfig parse() {
    config_.log = parse_log_options(environment_, diagnostics_);
    if (environment_.get("EGRESS_ROUTER_DEBUG")) config_.log.level = LogLevel::debug;
    settings_.choice<Mode>("EGRESS_ROUTER_MODE", kModes, config_.mode);
    parse_sources();
    parse_gateway();
    parse_table();
    parse_links();
    parse_checks();
    if (const auto path = environment_.get("EGRESS_TERMINATION_LOG"))
      config_.termination_log = *path;
    warn_of_misspelt(environment_, names_of(kVariables), diagnostics_);
    return std::move(config_);
  }

 private:
  void error(std::string_view name, std::string_view value, std::string_view expected) {
    diagnostics_.error({name, 1, 1, value, value.size()}, found_expected(value, expected));
  }

  void parse_sources() {
    auto sources = router::parse_sources(environment_, host_name_, diagnostics_);
    config_.spread = sources.spread;
    config_.sources = std::move(sources.addresses);
  }

  void parse_gateway() {
    const auto text = environment_.get("EGRESS_GATEWAY");
    if (!text)
      return diagnostics_.error("EGRESS_GATEWAY",
                                "not set, expected the next hop towards the outside");
    const bool any = for_each_element(
        "EGRESS_GATEWAY", *text, [this](const Spot& spot, std::string_view element) {
          const auto gateway = parse_ip_address(element);
          if (gateway) return check_gateway(spot, element, *gateway);
          gateway_in_error_ = true;
          diagnostics_.error(spot, found_expected(element, "an IPv4 or IPv6 address"));
        });
    if (!any) error("EGRESS_GATEWAY", *text, "an address");
    for (const auto& source : config_.primary_sources()) {
      if (config_.gateway[source.family()] || gateway_in_error_) continue;
      error("EGRESS_GATEWAY", *text,
            "also an " + std::string(to_text(source.family())) + " gateway for EGRESS_SOURCE " +
                to_text(source.address));
    }
  }

  void check_gateway(const Spot& spot, std::string_view element, const IpAddress& gateway) {
    const auto& sources = config_.sources[gateway.family()];
    auto& slot = config_.gateway[gateway.family()];
    const std::string family(to_text(gateway.family()));
    std::string expected;
    if (gateway.is_unspecified() || gateway.is_loopback() || gateway.is_multicast() ||
        gateway.is_broadcast()) {
      expected = "the address of a router";
    } else if (slot) {
      expected = "no second " + family + " gateway";
    } else if (config_.is_source(gateway)) {
      expected = "another address than EGRESS_SOURCE";
    } else if (!sources.empty() && gateway.is_v4() && names_network(sources.front(), gateway)) {
      expected = "the address of a router, not one of the network " +
                 to_text(sources.front().network()) + " itself";
    } else if (sources.empty() && !config_.all_sources().empty()) {
      expected = "a gateway of a family that EGRESS_SOURCE has";
    }
    if (!expected.empty()) {
      gateway_in_error_ = true;
      return diagnostics_.error(spot, found_expected(element, expected));
    }
    slot = gateway;
  }

  void parse_table() {
    const std::size_t errors_before = diagnostics_.errors();
    const auto text = read_table_variable(environment_, "EGRESS_DESTINATION", diagnostics_);
    if (!config_.translates()) {
      if (text)
        diagnostics_.warning(
            "EGRESS_DESTINATION",
            "is ignored in this EGRESS_ROUTER_MODE: the proxy decides where to go");
      return;
    }
    if (!text) {
      if (diagnostics_.errors() == errors_before) {
        diagnostics_.error(
            "EGRESS_DESTINATION",
            "not set, expected where connections go, such as \"80 tcp 203.0.113.25\"");
      }
      return;
    }
    OwnAddresses own;
    own.gateway = config_.gateway;
    own.sources = config_.sources;
    own.services = service_network();
    config_.destinations = parse_destinations(*text, own, diagnostics_);
    keep_admin_ports();
  }

  // The API server's Service stands in every pod's environment. Of the length of the Service
  // network nothing tells a pod; it is rarely smaller than this.
  std::optional<IpPrefix> service_network() const {
    const auto text = environment_.get("KUBERNETES_SERVICE_HOST");
    const auto address = text ? parse_ip_address(*text) : std::nullopt;
    if (!address) return std::nullopt;
    return IpPrefix{*address, address->is_v4() ? std::uint8_t{16} : std::uint8_t{112}}.network();
  }

  // What is in the table's way, the table must not name.
  void keep_admin_ports() {
    for (const auto& listen : parse_admin_settings(environment_, diagnostics_, {}).listen) {
      for (const Family family : kFamilies) {
        const Entry* const entry =
            find_entry(config_.destinations, family, Protocol::tcp, listen.port);
        if (entry == nullptr) continue;
        diagnostics_.error("EGRESS_ADMIN_LISTEN", "found port " + std::to_string(listen.port) +
                                                      ", expected another than line " +
                                                      std::to_string(entry->line) +
                                                      " of the table forwards");
      }
      config_.kept_ports.push_back(listen.port);
    }
    auto& ports = config_.kept_ports;
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  }

  void link_name(std::string_view name, std::string& value) {
    const auto text = environment_.get(name);
    if (!text) return;
    const bool valid = text->size() <= kLongestLinkName && *text != "." && *text != ".." &&
                       std::all_of(text->begin(), text->end(), [](char c) {
                         return c > ' ' && c < 0x7f && c != '/' && c != '"';
                       });
    if (!valid) return error(name, *text, "the name of a network interface, at most 15 characters");
    value = *text;
  }

  void parse_links() {
    link_name("EGRESS_INTERFACE", config_.interface);
    link_name("EGRESS_CLUSTER_INTERFACE", config_.cluster_interface);
    link_name("EGRESS_PARENT", config_.parent);
    if (config_.parent == "auto") config_.parent.clear();
    if (config_.interface == kTemporaryLink)
      error("EGRESS_INTERFACE", config_.interface, "a name that is not used during set-up");
    check_interfaces_differ();
    settings_.choice<MacvlanMode>("EGRESS_MACVLAN_MODE", kMacvlanModes, config_.macvlan_mode);
    if (const auto path = environment_.get("EGRESS_HOST_NETNS")) config_.host_netns = *path;
  }

  void check_interfaces_differ() {
    if (!config_.cluster_interface.empty()) {
      if (config_.cluster_interface == config_.interface)
        error("EGRESS_CLUSTER_INTERFACE", config_.cluster_interface,
              "another interface than EGRESS_INTERFACE");
    } else if (config_.interface == kClusterLink) {
      error("EGRESS_INTERFACE", config_.interface,
            "another interface than the cluster interface, which is eth0 unless "
            "EGRESS_CLUSTER_INTERFACE names another");
    }
  }

  void parse_checks() {
    using namespace std::chrono_literals;
    constexpr SettingsReader::DurationRange kRange{100ms, 60s};
    if (environment_.get("EGRESS_ADDRESS_PROBE") == "off") {
      config_.address_probe = {};
    } else {
      settings_.duration("EGRESS_ADDRESS_PROBE", kRange, config_.address_probe, ", or off");
    }
    settings_.choice("EGRESS_CARRIER_CHECK",
                     {{"require", Carrier::required}, {"warn", Carrier::expected}},
                     config_.carrier_check);
    settings_.duration("EGRESS_GATEWAY_TIMEOUT", kRange, config_.gateway_timeout);
    settings_.choice("EGRESS_GATEWAY_CHECK",
                     {{"require", GatewayCheck::require},
                      {"warn", GatewayCheck::warn},
                      {"off", GatewayCheck::off}},
                     config_.gateway_check);
    settings_.on_or_off("EGRESS_ANSWER_PING", config_.answer_ping);
    settings_.choice("EGRESS_ANNOUNCE", {{"once", false}, {"twice", true}}, config_.announce_twice);
    if (config_.mode == Mode::legacy) config_.announce_twice = true;
  }

  const Environment& environment_;
  const std::string_view host_name_;
  Diagnostics& diagnostics_;
  SettingsReader settings_;
  RouterConfig config_;
  bool gateway_in_error_ = false;  // said already; that one is missing then would mislead
};

}  // namespace

std::vector<IpPrefix> RouterConfig::all_sources() const {
  std::vector<IpPrefix> all = sources.v4;
  all.insert(all.end(), sources.v6.begin(), sources.v6.end());
  return all;
}

std::vector<IpPrefix> RouterConfig::primary_sources() const {
  std::vector<IpPrefix> list;
  for (const Family family : kFamilies) {
    if (!sources[family].empty()) list.push_back(sources[family].front());
  }
  return list;
}

bool RouterConfig::is_source(const IpAddress& address) const {
  const auto& list = sources[address.family()];
  return std::any_of(list.begin(), list.end(),
                     [&](const IpPrefix& one) { return one.address == address; });
}

RouterConfig parse_config(const Environment& environment, Diagnostics& diagnostics,
                          std::string_view host_name) {
  return ConfigParser(environment, host_name, diagnostics).parse();
}

std::span<const Variable> variables() { return kVariables; }

std::string_view to_text(Mode mode) {
  for (const auto& [text, one] : kModes) {
    if (one == mode) return text;
  }
  return "unknown";
}

}  // namespace egress::router
