#include "http-proxy/config.hpp"

#include <array>
#include <utility>

#include "common/settings.hpp"

namespace egress::http {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kVariables{
    Variable{"EGRESS_HTTP_PROXY_DESTINATION", "(required)",
             "where requests may go: a rule a line, the first that matches decides, the rest is "
             "denied: *, example.com, "
             "*.example.com, 192.0.2.7, 192.0.2.0/24, each with ! in front to deny"},
    Variable{"EGRESS_HTTP_PROXY_DESTINATION_FILE", "",
             "path of a file that holds the same rules, watched for changes"},
    Variable{"EGRESS_HTTP_PROXY_ENFORCE", "on",
             "off: everything passes, and what would be denied is logged and counted"},
    Variable{"EGRESS_HTTP_PROXY_CONNECT_PORTS", "(any)",
             "ports that CONNECT may ask for, such as 443,8000-8099"},
    Variable{"EGRESS_HTTP_PROXY_DANGEROUS_ADDRESSES", "refuse",
             "refuse: special-purpose addresses (loopback, link-local, cloud metadata, multicast "
             "and others) and the pod's own addresses are denied unless a rule names them; allow: "
             "the rules alone decide"},
    Variable{
        "EGRESS_HTTP_PROXY_APPEND_DOMAIN", "",
        "domain appended to names without a dot before they are evaluated and resolved; empty: "
        "such names are denied (403) unless /etc/hosts has them"},
    Variable{"EGRESS_HTTP_PROXY_SNI", "check",
             "TLS server name in tunnels: check: log and count one that is denied or differs from "
             "CONNECT's name; enforce: close the tunnel; off"},
    Variable{"EGRESS_HTTP_PROXY_FORWARDED_FOR", "off",
             "on: tell origins the client's address in X-Forwarded-For"},
    Variable{"EGRESS_HTTP_PROXY_RESPONSES", "repair",
             "responses that RFC 9112 lets a proxy repair (LF line endings, folded lines, repeated "
             "lengths): forward them repaired; strict: answer 502"},
    Variable{"EGRESS_HTTP_PROXY_VIA", "(made at the start)",
             "name of this proxy in Via and Proxy-Status"},
    Variable{"EGRESS_HTTP_PROXY_ACCESS_LOG", "text",
             "a line for each request or tunnel on standard output: text, json or off"},
    Variable{"EGRESS_HTTP_PROXY_LISTEN", ":8080",
             "where clients connect: :PORT, ADDRESS:PORT, several with commas"},
    Variable{"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "30s", "for a request's whole head"},
    Variable{"EGRESS_HTTP_PROXY_CONNECT_TIMEOUT", "10s",
             "for a connection to any of a host's addresses"},
    Variable{"EGRESS_HTTP_PROXY_RESPONSE_TIMEOUT", "5m", "without a byte of a response or a body"},
    Variable{"EGRESS_HTTP_PROXY_KEEP_ALIVE_TIMEOUT", "60s", "without a request, on both sides"},
    Variable{"EGRESS_HTTP_PROXY_TUNNEL_TIMEOUT", "15m", "without a byte in a tunnel"},
    Variable{"EGRESS_HTTP_PROXY_HALF_CLOSE_TIMEOUT", "60s",
             "for the other side of a tunnel closed on one"},
    Variable{"EGRESS_HTTP_PROXY_DRAIN_TIMEOUT", "25s",
             "from SIGTERM to the end of what is under way"},
    Variable{"EGRESS_HTTP_PROXY_DRAIN_DELAY", "5s",
             "time after SIGTERM during which new connections are still accepted, while Services "
             "stop routing here; part of the drain timeout"},
    Variable{kHeadBytesVariable, "64k",
             "maximum size of a request's or response's header section, 1k to 1m"},
    Variable{kLineBytesVariable, "64k", "maximum length of a line of a header section, 1k to 1m"},
    Variable{kFieldsVariable, "500", "maximum number of header fields, 10 to 10000"},
    Variable{"EGRESS_HTTP_PROXY_CONNECTIONS", "0",
             "maximum number of clients at once; 0: as many as the file limit permits, which is "
             "the maximum in any case"},
    Variable{"EGRESS_HTTP_PROXY_CLIENT_CONNECTIONS", "0",
             "most connections of one client address; 0: no limit"},
    Variable{"EGRESS_HTTP_PROXY_POOLED_CONNECTIONS", "128",
             "idle connections kept to one host and port, a thread"},
    Variable{"EGRESS_HTTP_PROXY_BUFFER_BYTES", "64k",
             "buffer of each direction of an exchange under way"},
    Variable{"EGRESS_HTTP_PROXY_DRAINED_BYTES", "256k",
             "read and dropped of a request's body after an early response"},
    Variable{"EGRESS_INTERFACE", "macvlan0",
             "interface of the external network; no listener serves what arrives by it or at its "
             "addresses"},
    Variable{"EGRESS_DNS_TIMEOUT", "5s", "for a whole question, over all servers"},
    Variable{"EGRESS_DNS_LEAST_TTL", "1s", "an answer is kept at least so long"},
    Variable{"EGRESS_DNS_MOST_TTL", "10m", "an answer is kept at most so long"},
    Variable{"EGRESS_DNS_MOST_NEGATIVE_TTL", "10s",
             "the answer that a name does not exist, at most so long"},
    Variable{"EGRESS_DNS_SERVE_STALE", "5m",
             "the last good answer serves so long while DNS is down; 0: not"},
    Variable{"EGRESS_DNS_CACHE_ENTRIES", "10000", "names kept, a thread"},
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

constexpr std::size_t kKiB = 1U << 10U;
constexpr std::size_t kMiB = 1U << 20U;

class ConfigParser {
 public:
  ConfigParser(const Environment& environment, Diagnostics& diagnostics)
      : environment_(environment), diagnostics_(diagnostics), settings_(environment, diagnostics) {}

  HttpProxyConfig parse() {
    config_.log = parse_log_options(environment_, diagnostics_);
    parse_rule_table();
    parse_policy();
    parse_listeners();
    parse_deadlines();
    parse_limits();
    config_.dns = parse_dns_settings(settings_, diagnostics_, {});
    settings_.count("EGRESS_THREADS", {0, 256}, config_.threads);
    parse_log();
    warn_of_misspelt(environment_, names_of(kVariables), diagnostics_);
    return std::move(config_);
  }

 private:
  void parse_rule_table() {
    constexpr std::string_view kName = "EGRESS_HTTP_PROXY_DESTINATION";
    const std::size_t errors_before = diagnostics_.errors();
    const auto text = read_table_variable(environment_, kName, diagnostics_);
    if (!text) {
      if (diagnostics_.errors() == errors_before) {
        diagnostics_.error(
            kName,
            "not set, expected where requests may go, such as *.example.com, or * for everywhere");
      }
      return;
    }
    config_.rules = parse_rules(*text, diagnostics_);
    settings_.text("EGRESS_HTTP_PROXY_DESTINATION_FILE", config_.rules_path);
  }

  void parse_policy() {
    settings_.choice<Enforcement>("EGRESS_HTTP_PROXY_ENFORCE",
                                  {{"on", Enforcement::on}, {"off", Enforcement::report_only}},
                                  config_.policy.enforcement);
    settings_.choice<SpecialAddresses>(
        "EGRESS_HTTP_PROXY_DANGEROUS_ADDRESSES",
        {{"refuse", SpecialAddresses::restrict}, {"allow", SpecialAddresses::allow}},
        config_.policy.special);
    parse_append_domain();
    settings_.port_ranges("EGRESS_HTTP_PROXY_CONNECT_PORTS", config_.policy.connect_ports);
    settings_.choice<SniCheck>(
        "EGRESS_HTTP_PROXY_SNI",
        {{"off", SniCheck::off}, {"check", SniCheck::check}, {"enforce", SniCheck::enforce}},
        config_.sni);
    settings_.choice<ForwardedFor>("EGRESS_HTTP_PROXY_FORWARDED_FOR",
                                   {{"off", ForwardedFor::off}, {"on", ForwardedFor::append}},
                                   config_.forwarded_for);
    settings_.choice<Reading>("EGRESS_HTTP_PROXY_RESPONSES",
                              {{"repair", Reading::repair}, {"strict", Reading::strict}},
                              config_.responses);
    settings_.text("EGRESS_HTTP_PROXY_VIA", config_.pseudonym);
    if (!config_.pseudonym.empty() && !is_token(config_.pseudonym)) {
      error("EGRESS_HTTP_PROXY_VIA", config_.pseudonym,
            "a name of letters, digits, \"-\", \".\" and \"_\"");
    }
  }

  void parse_append_domain() {
    constexpr std::string_view kName = "EGRESS_HTTP_PROXY_APPEND_DOMAIN";
    std::string text;
    settings_.text(kName, text);
    if (text.empty()) return;
    // Squid's append_domain begins with a dot.
    auto domain = parse_host_name(std::string_view(text).substr(text.starts_with('.') ? 1 : 0));
    if (domain) {
      config_.policy.append_domain = std::move(*domain);
    } else {
      error(kName, text, "a domain such as team.svc.cluster.local");
    }
  }

  void parse_listeners() {
    config_.listen = {{std::nullopt, 8080}};
    settings_.listen_addresses("EGRESS_HTTP_PROXY_LISTEN", config_.listen);
    settings_.text("EGRESS_INTERFACE", config_.egress_interface);
    config_.admin =
        parse_admin_settings(environment_, diagnostics_, {{{std::nullopt, 9180}}, {}, {}});
    for (const auto& listen : config_.listen) {
      for (const auto& admin : config_.admin.listen) {
        const bool overlap = !listen.address || !admin.address || listen.address == admin.address;
        if (listen.port != admin.port || !overlap) continue;
        error("EGRESS_ADMIN_LISTEN", to_text(admin), "another port than EGRESS_HTTP_PROXY_LISTEN");
      }
    }
  }

  void parse_deadlines() {
    const auto read = [this](std::string_view name, milliseconds& value) {
      settings_.duration(name, {milliseconds(100), hours(24)}, value);
    };
    read("EGRESS_HTTP_PROXY_HEADER_TIMEOUT", config_.deadlines.header);
    read("EGRESS_HTTP_PROXY_CONNECT_TIMEOUT", config_.deadlines.connect);
    read("EGRESS_HTTP_PROXY_RESPONSE_TIMEOUT", config_.deadlines.response);
    read("EGRESS_HTTP_PROXY_KEEP_ALIVE_TIMEOUT", config_.deadlines.keep_alive);
    read("EGRESS_HTTP_PROXY_TUNNEL_TIMEOUT", config_.deadlines.idle_tunnel);
    read("EGRESS_HTTP_PROXY_HALF_CLOSE_TIMEOUT", config_.deadlines.half_close);
    settings_.duration("EGRESS_HTTP_PROXY_DRAIN_TIMEOUT", {milliseconds(0), hours(1)},
                       config_.deadlines.drain);
    settings_.duration("EGRESS_HTTP_PROXY_DRAIN_DELAY", {milliseconds(0), hours(1)},
                       config_.deadlines.drain_delay);
  }

  void parse_limits() {
    Limits& limits = config_.limits;
    settings_.bytes(kHeadBytesVariable, {kKiB, kMiB}, limits.head.head_bytes);
    settings_.bytes(kLineBytesVariable, {kKiB, kMiB}, limits.head.line_bytes);
    settings_.count(kFieldsVariable, {10, 10'000}, limits.head.fields);
    settings_.count("EGRESS_HTTP_PROXY_CONNECTIONS", {0, 1'000'000}, limits.connections);
    settings_.count("EGRESS_HTTP_PROXY_CLIENT_CONNECTIONS", {0, 1'000'000},
                    limits.connections_per_client);
    settings_.count("EGRESS_HTTP_PROXY_POOLED_CONNECTIONS", {0, 10'000},
                    limits.pooled_per_authority);
    settings_.bytes("EGRESS_HTTP_PROXY_BUFFER_BYTES", {4 * kKiB, kMiB}, limits.buffer_bytes);
    settings_.bytes("EGRESS_HTTP_PROXY_DRAINED_BYTES", {0, 64 * kMiB}, limits.drained_body_bytes);
  }

  void parse_log() {
    settings_.choice<AccessLogFormat>("EGRESS_HTTP_PROXY_ACCESS_LOG",
                                      {{"text", AccessLogFormat::text},
                                       {"json", AccessLogFormat::json},
                                       {"off", AccessLogFormat::off}},
                                      config_.access_log);
    settings_.text("EGRESS_TERMINATION_LOG", config_.termination_log);
  }

  void error(std::string_view name, std::string_view value, std::string_view expected) {
    diagnostics_.error({name, 1, 1, value, value.size()}, found_expected(value, expected));
  }

  const Environment& environment_;
  Diagnostics& diagnostics_;
  SettingsReader settings_;
  HttpProxyConfig config_;
};

}  // namespace

std::string_view to_text(SniCheck check) {
  return check == SniCheck::off ? "off" : check == SniCheck::check ? "check" : "enforce";
}

HttpProxyConfig parse_config(const Environment& environment, Diagnostics& diagnostics) {
  return ConfigParser(environment, diagnostics).parse();
}

std::span<const Variable> variables() { return kVariables; }

}  // namespace egress::http
