#include "redirect-proxy/dns/config.hpp"

#include <array>
#include <utility>

#include "common/settings.hpp"

namespace egress::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kTable = "EGRESS_DNS_PROXY_DESTINATION";

constexpr std::array kVariables{
    Variable{"EGRESS_DNS_PROXY_DESTINATION", "(required)",
             "where connections to the pod's ports go: lines of PORT [tcp|udp] HOST[,HOST...] "
             "[REMOTE_PORT]"},
    Variable{"EGRESS_DNS_PROXY_DESTINATION_FILE", "",
             "path of a file that holds the same table, watched for changes"},
    Variable{"EGRESS_DNS_PROXY_BALANCE", "roundrobin",
             "roundrobin or leastconn, over the healthy addresses of an entry"},
    Variable{"EGRESS_DNS_PROXY_RETRIES", "3",
             "attempts after the first, on other addresses where there are some"},
    Variable{"EGRESS_DNS_PROXY_CONNECT_TIMEOUT", "10s", "for all attempts of one client together"},
    Variable{"EGRESS_DNS_PROXY_IDLE_TIMEOUT", "1m", "without a byte either way"},
    Variable{"EGRESS_DNS_PROXY_UDP_TIMEOUT", "30s",
             "a UDP flow ends so long after its last datagram"},
    Variable{
        "EGRESS_DNS_PROXY_UDP_FLOWS", "4096",
        "maximum number of UDP flows of the pod, 1 to 100000; a new one takes the place of the "
        "one unused for the longest"},
    Variable{"EGRESS_DNS_PROXY_CHECK_INTERVAL", "5s",
             "between two TCP connections that only test an address; 0: no tests"},
    Variable{"EGRESS_DNS_PROXY_HOLD_GONE", "30s",
             "addresses are used so long after DNS says that their name does not exist"},
    Variable{"EGRESS_DNS_PROXY_DRAIN_TIMEOUT", "25s",
             "from SIGTERM to the end of connections under way"},
    Variable{"EGRESS_DNS_PROXY_DRAIN_DELAY", "5s",
             "time after SIGTERM during which new connections are still accepted, while Services "
             "stop routing here; part of the drain timeout"},
    Variable{"EGRESS_DNS_PROXY_CONNECTIONS", "0",
             "maximum number of TCP clients at once; 0: as the limit of open files permits"},
    Variable{"EGRESS_DNS_PROXY_ACCESS_LOG", "text",
             "a line for each connection or flow on standard output: text, json or off"},
    Variable{"EGRESS_DNS_PROXY_DEBUG", "",
             "anything: connections are logged, and EGRESS_LOG_LEVEL is debug"},
    Variable{"EGRESS_INTERFACE", "macvlan0",
             "interface towards the outside; what arrives at its addresses is refused"},
    Variable{"EGRESS_DNS_TIMEOUT", "5s", "for a whole question, over all servers"},
    Variable{"EGRESS_DNS_LEAST_TTL", "1s", "a name is asked for again no sooner"},
    Variable{"EGRESS_DNS_MOST_TTL", "10s", "a name is asked for again no later"},
    Variable{"EGRESS_DNS_MOST_NEGATIVE_TTL", "10s",
             "the same, while DNS says that the name does not exist"},
    Variable{"EGRESS_THREADS", "0", "0: one for each CPU that the container may use"},
    Variable{"EGRESS_ADMIN_LISTEN", ":9180",
             "/healthz, /livez, /readyz, /metrics and /status; off: none"},
    Variable{"EGRESS_ADMIN_TLS_CERT", "",
             "path of a certificate (PEM, chain): EGRESS_ADMIN_LISTEN then speaks TLS; read again "
             "when it changes"},
    Variable{"EGRESS_ADMIN_TLS_KEY", "", "path of its private key (PEM)"},
    Variable{"EGRESS_LOG_LEVEL", "info", "debug, info, warn or error"},
    Variable{"EGRESS_LOG_FORMAT", "text", "text or json"},
    Variable{"EGRESS_TERMINATION_LOG", kTerminationLog,
             "file that takes the last error, where it exists"},
};

class ConfigParser {
 public:
  ConfigParser(const Environment& environment, Diagnostics& diagnostics)
      : environment_(environment), diagnostics_(diagnostics), settings_(environment, diagnostics) {}

  DnsProxyConfig parse() {
    config_.log = parse_log_options(environment_, diagnostics_);
    settings_.text("EGRESS_DNS_PROXY_DESTINATION_FILE", config_.table_path);
    settings_.text("EGRESS_INTERFACE", config_.outside_interface);
    settings_.choice<Balancing>(
        "EGRESS_DNS_PROXY_BALANCE",
        {{"roundrobin", Balancing::round_robin}, {"leastconn", Balancing::least_connections}},
        config_.balancing);
    parse_limits();
    config_.dns = parse_dns_settings(settings_, diagnostics_, config_.dns);
    config_.admin =
        parse_admin_settings(environment_, diagnostics_, {{{std::nullopt, 9180}}, {}, {}});
    config_.table = read_table(environment_, config_.admin, {}, diagnostics_);
    parse_log();
    warn_of_misspelt(environment_, names_of(kVariables), diagnostics_);
    return std::move(config_);
  }

 private:
  void parse_limits() {
    const auto duration = [this](std::string_view name, milliseconds least, milliseconds& value) {
      settings_.duration(name, {least, hours(24)}, value);
    };
    settings_.count("EGRESS_DNS_PROXY_RETRIES", {0, 10}, config_.retries);
    duration("EGRESS_DNS_PROXY_CONNECT_TIMEOUT", milliseconds(100), config_.connect);
    duration("EGRESS_DNS_PROXY_IDLE_TIMEOUT", milliseconds(100), config_.idle);
    duration("EGRESS_DNS_PROXY_UDP_TIMEOUT", milliseconds(100), config_.udp_idle);
    settings_.count("EGRESS_DNS_PROXY_UDP_FLOWS", {1, 100'000}, config_.udp_flows);
    duration("EGRESS_DNS_PROXY_CHECK_INTERVAL", milliseconds(0), config_.check_interval);
    duration("EGRESS_DNS_PROXY_HOLD_GONE", milliseconds(0), config_.hold_gone);
    settings_.duration("EGRESS_DNS_PROXY_DRAIN_TIMEOUT", {milliseconds(0), hours(1)},
                       config_.drain);
    settings_.duration("EGRESS_DNS_PROXY_DRAIN_DELAY", {milliseconds(0), hours(1)},
                       config_.drain_delay);
    settings_.count("EGRESS_DNS_PROXY_CONNECTIONS", {0, 1'000'000}, config_.connections);
    settings_.count("EGRESS_THREADS", {0, 256}, config_.threads);
  }

  void parse_log() {
    const bool debug = environment_.get("EGRESS_DNS_PROXY_DEBUG").has_value();
    if (debug) config_.log.level = LogLevel::debug;
    settings_.choice<AccessLogFormat>("EGRESS_DNS_PROXY_ACCESS_LOG",
                                      {{"text", AccessLogFormat::text},
                                       {"json", AccessLogFormat::json},
                                       {"off", AccessLogFormat::off}},
                                      config_.connection_log);
    if (debug && config_.connection_log == AccessLogFormat::off)
      config_.connection_log = AccessLogFormat::text;
    settings_.text("EGRESS_TERMINATION_LOG", config_.termination_log);
  }

  const Environment& environment_;
  Diagnostics& diagnostics_;
  SettingsReader settings_;
  DnsProxyConfig config_;
};

// With SO_REUSEPORT the kernel would let both have it, and share out the probes.
void check_admin_port(const ListenAddress& admin, const TargetTable& table,
                      Diagnostics& diagnostics) {
  const auto* target = find_target(table, {Protocol::tcp, admin.port});
  if (target == nullptr) return;
  const auto text = to_text(admin);
  diagnostics.error({"EGRESS_ADMIN_LISTEN", 1, 1, text, text.size()},
                    "found \"" + text + "\", a port that line " + std::to_string(target->line) +
                        " of " + table.source + " takes already");
}

}  // namespace

TargetTable read_table(const Environment& environment, const AdminSettings& admin,
                       const std::vector<IpAddress>& own, Diagnostics& diagnostics) {
  const auto errors = diagnostics.errors();
  const auto text = read_table_variable(environment, kTable, diagnostics);
  if (!text) {
    if (diagnostics.errors() == errors) {
      diagnostics.error(kTable,
                        "is not set, expected lines of PORT [tcp|udp] HOST[,HOST...] "
                        "[REMOTE_PORT], in it or in the file of EGRESS_DNS_PROXY_DESTINATION_FILE");
    }
    return {};
  }
  auto table = parse_targets(*text, diagnostics);
  for (const auto& listen : admin.listen) check_admin_port(listen, table, diagnostics);
  check_loops(table, own, admin.listen, diagnostics);
  return table;
}

DnsProxyConfig parse_config(const Environment& environment, Diagnostics& diagnostics) {
  return ConfigParser(environment, diagnostics).parse();
}

std::span<const Variable> variables() { return kVariables; }

}  // namespace egress::dns
