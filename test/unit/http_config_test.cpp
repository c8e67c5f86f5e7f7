#include "http-proxy/config.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include "test/support/parse.hpp"

namespace egress::http {
namespace {

using namespace std::chrono_literals;
using egress::test::ip;
using Variables = std::map<std::string, std::string, std::less<>>;

struct Parsed {
  HttpProxyConfig config;
  std::string errors;
  std::string warnings;
};

Parsed parse_with(const Variables& changes) {
  Variables variables{
      {"EGRESS_HTTP_PROXY_DESTINATION", "!perdu.com\n!*.perdu.com\n!10.42.253.0/24\n*\n"}};
  for (const auto& [name, value] : changes) variables[name] = value;
  Diagnostics diagnostics;
  auto config = parse_config(Environment(variables), diagnostics);
  return {std::move(config), diagnostics.to_text(Severity::error),
          diagnostics.to_text(Severity::warning)};
}

TEST_CASE("the reference rules and the defaults") {
  const auto [config, errors, warnings] = parse_with({});
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(config.rules.rules.size() == 4);
  CHECK(config.rules_path == "");
  CHECK(config.listen == std::vector<ListenAddress>{{std::nullopt, 8080}});
  CHECK(config.admin.listen == std::vector<ListenAddress>{{std::nullopt, 9180}});
  CHECK(config.policy.enforcement == Enforcement::on);
  CHECK(config.policy.special == SpecialAddresses::restrict);
  CHECK(config.policy.connect_ports.empty());
  CHECK(config.sni == SniCheck::check);
  CHECK(config.forwarded_for == ForwardedFor::off);
  CHECK(config.access_log == AccessLogFormat::text);
  CHECK(config.deadlines.header == 30s);
  CHECK(config.deadlines.connect == 10s);
  CHECK(config.deadlines.keep_alive == 60s);
  CHECK(config.deadlines.idle_tunnel == 15min);
  CHECK(config.limits.head.head_bytes == 65536);
  CHECK(config.limits.head.line_bytes == 65536);
  CHECK(config.limits.head.fields == 500);
  CHECK(config.threads == 0);
  CHECK(config.termination_log == "/dev/termination-log");
}

TEST_CASE("every variable reaches its place") {
  const Variables all{{"EGRESS_HTTP_PROXY_ENFORCE", "off"},
                      {"EGRESS_HTTP_PROXY_CONNECT_PORTS", "443, 8000-8099"},
                      {"EGRESS_HTTP_PROXY_DANGEROUS_ADDRESSES", "allow"},
                      {"EGRESS_HTTP_PROXY_SNI", "enforce"},
                      {"EGRESS_HTTP_PROXY_FORWARDED_FOR", "on"},
                      {"EGRESS_HTTP_PROXY_RESPONSES", "strict"},
                      {"EGRESS_HTTP_PROXY_VIA", "egress-1"},
                      {"EGRESS_HTTP_PROXY_ACCESS_LOG", "json"},
                      {"EGRESS_HTTP_PROXY_LISTEN", "10.0.0.1:3128,[::1]:3128"},
                      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "1s"},
                      {"EGRESS_HTTP_PROXY_CONNECT_TIMEOUT", "2500ms"},
                      {"EGRESS_HTTP_PROXY_RESPONSE_TIMEOUT", "3m"},
                      {"EGRESS_HTTP_PROXY_KEEP_ALIVE_TIMEOUT", "4s"},
                      {"EGRESS_HTTP_PROXY_TUNNEL_TIMEOUT", "5h"},
                      {"EGRESS_HTTP_PROXY_HALF_CLOSE_TIMEOUT", "6s"},
                      {"EGRESS_HTTP_PROXY_DRAIN_TIMEOUT", "0"},
                      {"EGRESS_HTTP_PROXY_DRAIN_DELAY", "7s"},
                      {"EGRESS_HTTP_PROXY_HEAD_BYTES", "32k"},
                      {"EGRESS_HTTP_PROXY_LINE_BYTES", "8000"},
                      {"EGRESS_HTTP_PROXY_FIELDS", "50"},
                      {"EGRESS_HTTP_PROXY_CONNECTIONS", "1000"},
                      {"EGRESS_HTTP_PROXY_CLIENT_CONNECTIONS", "10"},
                      {"EGRESS_HTTP_PROXY_POOLED_CONNECTIONS", "0"},
                      {"EGRESS_HTTP_PROXY_BUFFER_BYTES", "1m"},
                      {"EGRESS_HTTP_PROXY_DRAINED_BYTES", "0"},
                      {"EGRESS_INTERFACE", "net1"},
                      {"EGRESS_HTTP_PROXY_APPEND_DOMAIN", ".Team.svc.cluster.local"},
                      {"EGRESS_DNS_TIMEOUT", "7s"},
                      {"EGRESS_DNS_LEAST_TTL", "8s"},
                      {"EGRESS_DNS_MOST_TTL", "9s"},
                      {"EGRESS_DNS_MOST_NEGATIVE_TTL", "0"},
                      {"EGRESS_DNS_SERVE_STALE", "1m"},
                      {"EGRESS_DNS_CACHE_ENTRIES", "5"},
                      {"EGRESS_THREADS", "2"},
                      {"EGRESS_ADMIN_LISTEN", "127.0.0.1:9000"},
                      {"EGRESS_ADMIN_TLS_CERT", "/tls/tls.crt"},
                      {"EGRESS_ADMIN_TLS_KEY", "/tls/tls.key"},
                      {"EGRESS_LOG_LEVEL", "debug"},
                      {"EGRESS_LOG_FORMAT", "json"},
                      {"EGRESS_TERMINATION_LOG", "/tmp/last"}};
  const auto [config, errors, warnings] = parse_with(all);
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(config.policy.enforcement == Enforcement::report_only);
  CHECK(config.policy.connect_ports == std::vector<PortRange>{{443, 443}, {8000, 8099}});
  CHECK(config.policy.special == SpecialAddresses::allow);
  CHECK(config.policy.append_domain == "team.svc.cluster.local");
  CHECK(config.sni == SniCheck::enforce);
  CHECK(config.forwarded_for == ForwardedFor::append);
  CHECK(config.responses == Reading::strict);
  CHECK(config.pseudonym == "egress-1");
  CHECK(config.access_log == AccessLogFormat::json);
  CHECK(config.listen == std::vector<ListenAddress>{{ip("10.0.0.1"), 3128}, {ip("::1"), 3128}});
  CHECK(config.egress_interface == "net1");
  CHECK(config.deadlines.drain_delay == 7s);
  CHECK(config.deadlines.header == 1s);
  CHECK(config.deadlines.connect == 2500ms);
  CHECK(config.deadlines.response == 3min);
  CHECK(config.deadlines.keep_alive == 4s);
  CHECK(config.deadlines.idle_tunnel == 5h);
  CHECK(config.deadlines.half_close == 6s);
  CHECK(config.deadlines.drain == 0s);
  CHECK(config.limits.head.head_bytes == 32768);
  CHECK(config.limits.head.line_bytes == 8000);
  CHECK(config.limits.head.fields == 50);
  CHECK(config.limits.connections == 1000);
  CHECK(config.limits.connections_per_client == 10);
  CHECK(config.limits.pooled_per_authority == 0);
  CHECK(config.limits.buffer_bytes == 1048576);
  CHECK(config.limits.drained_body_bytes == 0);
  CHECK(config.dns.timeout == 7s);
  CHECK(config.dns.least_ttl == 8s);
  CHECK(config.dns.most_ttl == 9s);
  CHECK(config.dns.most_negative_ttl == 0s);
  CHECK(config.dns.serve_stale == 1min);
  CHECK(config.dns.cache_entries == 5);
  CHECK(config.threads == 2);
  CHECK(config.admin.listen == std::vector<ListenAddress>{{ip("127.0.0.1"), 9000}});
  CHECK(config.admin.tls_certificate == "/tls/tls.crt");
  CHECK(config.admin.tls_key == "/tls/tls.key");
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.termination_log == "/tmp/last");

  std::set<std::string_view> untested{"EGRESS_HTTP_PROXY_DESTINATION",
                                      "EGRESS_HTTP_PROXY_DESTINATION_FILE"};
  for (const auto& variable : variables()) {
    INFO(variable.name);
    CHECK((all.contains(variable.name) || untested.contains(variable.name)));
  }
  CHECK(parse_with({{"EGRESS_ADMIN_LISTEN", "off"}}).config.admin.listen.empty());
  const auto half = parse_with({{"EGRESS_ADMIN_TLS_CERT", "/tls/tls.crt"}});
  CHECK(half.errors ==
        "EGRESS_ADMIN_TLS_KEY: error: is not set, expected beside EGRESS_ADMIN_TLS_CERT\n");
}

TEST_CASE("values that are refused, each with what was expected") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"EGRESS_HTTP_PROXY_ENFORCE", "yes"},
      {"EGRESS_HTTP_PROXY_CONNECT_PORTS", "443,0"},
      {"EGRESS_HTTP_PROXY_CONNECT_PORTS", "80-"},
      {"EGRESS_HTTP_PROXY_CONNECT_PORTS", " , "},
      {"EGRESS_HTTP_PROXY_SNI", "on"},
      {"EGRESS_HTTP_PROXY_VIA", "a b"},
      {"EGRESS_HTTP_PROXY_ACCESS_LOG", "xml"},
      {"EGRESS_HTTP_PROXY_LISTEN", "8080"},
      {"EGRESS_HTTP_PROXY_LISTEN", ":8080 :8080"},
      {"EGRESS_HTTP_PROXY_LISTEN", ":0"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "30"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "-1s"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "99999999999999999999s"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "25h"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "1d"},
      {"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "0"},
      {"EGRESS_HTTP_PROXY_HEAD_BYTES", "2m"},
      {"EGRESS_HTTP_PROXY_HEAD_BYTES", "64K"},
      {"EGRESS_HTTP_PROXY_FIELDS", "+5"},
      {"EGRESS_HTTP_PROXY_CONNECTIONS", "1k"},
      {"EGRESS_DNS_CACHE_ENTRIES", "0"},
      {"EGRESS_THREADS", "-1"},
      {"EGRESS_ADMIN_LISTEN", "none"},
      {"EGRESS_ADMIN_LISTEN", ":8080"},
      {"EGRESS_LOG_LEVEL", "loud"},
  };
  for (const auto& [name, value] : cases) {
    INFO(name << "=" << value);
    const auto errors = parse_with({{name, value}}).errors;
    CHECK_THAT(errors, Catch::StartsWith(name) && Catch::Contains("expected"));
  }
  CHECK(parse_with({{"EGRESS_HTTP_PROXY_HEADER_TIMEOUT", "30"}}).errors ==
        "EGRESS_HTTP_PROXY_HEADER_TIMEOUT:1:1: error: found \"30\", expected a time from 100ms to "
        "24h, such as 500ms, "
        "30s, 15m or 1h\n  1 | 30\n    | ^~\n");
  CHECK(parse_with({{"EGRESS_HTTP_PROXY_HEAD_BYTES", "2k"}}).errors == "");
  CHECK_THAT(parse_with({{"EGRESS_DNS_LEAST_TTL", "1h"}}).errors,
             Catch::Contains("is over EGRESS_DNS_MOST_TTL"));
}

TEST_CASE("the rules: missing, twice, by file") {
  Diagnostics none;
  parse_config(Environment(), none);
  CHECK_THAT(none.to_text(Severity::error),
             Catch::StartsWith("EGRESS_HTTP_PROXY_DESTINATION: error: not set"));
  CHECK_THAT(parse_with({{"EGRESS_HTTP_PROXY_DESTINATION_FILE", "/etc/rules"}}).errors,
             Catch::Contains("both"));
  CHECK_THAT(parse_with({{"EGRESS_HTTP_PROXY_DESTINATION", " \n"}}).errors,
             Catch::Contains("holds no rule"));
  CHECK_THAT(parse_with({{"EGRESS_HTTP_PROXY_DESTINATION", ""},
                         {"EGRESS_HTTP_PROXY_DESTINATION_FILE", "/nowhere"}})
                 .errors,
             Catch::Contains("cannot read \"/nowhere\": ENOENT"));
  std::string path = "/tmp/http_config_test.XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  REQUIRE(descriptor >= 0);
  ::close(descriptor);
  std::ofstream(path) << "example.com\n";
  const auto by_file = parse_with(
      {{"EGRESS_HTTP_PROXY_DESTINATION", ""}, {"EGRESS_HTTP_PROXY_DESTINATION_FILE", path}});
  std::remove(path.c_str());
  CHECK(by_file.errors == "");
  CHECK(by_file.config.rules_path == path);
  CHECK(by_file.config.rules.source == path);
}

TEST_CASE("what Kubernetes sets for a Service of this name is left alone, slips are told") {
  const auto ours = parse_with({{"EGRESS_HTTP_PROXY_PORT", "tcp://10.0.0.1:8080"},
                                {"EGRESS_HTTP_PROXY_SERVICE_HOST", "10.0.0.1"},
                                {"EGRESS_HTTP_PROXY_SERVICE_PORT", "8080"},
                                {"EGRESS_HTTP_PROXY_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
                                {"EGRESS_HTTP_PROXY_PORT_8080_TCP_ADDR", "10.0.0.1"},
                                {"EGRESS_DNS_PROXY_SERVICE_HOST", "10.0.0.2"}});
  CHECK(ours.errors == "");
  CHECK(ours.warnings == "");
  CHECK_THAT(parse_with({{"EGRESS_HTTP_PROXY_ENFORSE", "off"}}).warnings,
             Catch::Contains("did you mean EGRESS_HTTP_PROXY_ENFORCE?"));
}

}  // namespace
}  // namespace egress::http
