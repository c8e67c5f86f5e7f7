#include "redirect-proxy/dns/config.hpp"

#include <catch2/catch.hpp>

#include "redirect-proxy/dns/connection_record.hpp"
#include "test/support/parse.hpp"

namespace egress::dns {
namespace {

using namespace std::chrono_literals;
using Variables = std::map<std::string, std::string, std::less<>>;

struct Parsed {
  DnsProxyConfig config;
  std::string errors;
  std::string warnings;
};

Parsed parse_with(const Variables& changes) {
  Variables variables{{"EGRESS_DNS_PROXY_DESTINATION", "80 example.com\n"}};
  for (const auto& [name, value] : changes) variables[name] = value;
  Diagnostics diagnostics;
  auto config = parse_config(Environment(variables), diagnostics);
  return {std::move(config), diagnostics.to_text(Severity::error),
          diagnostics.to_text(Severity::warning)};
}

TEST_CASE("the predecessor's table alone is enough, with its times") {
  const auto [config, errors, warnings] = parse_with({});
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(config.retries == 3);
  CHECK(config.connect == 10s);
  CHECK(config.idle == 1min);
  CHECK(config.dns.most_ttl == 10s);
  CHECK(config.admin.listen == std::vector<ListenAddress>{{std::nullopt, 9180}});
  CHECK(config.connection_log == AccessLogFormat::text);
}

TEST_CASE("every variable reaches its place") {
  const Variables all{{"EGRESS_DNS_PROXY_BALANCE", "leastconn"},
                      {"EGRESS_DNS_PROXY_RETRIES", "1"},
                      {"EGRESS_DNS_PROXY_CONNECT_TIMEOUT", "2s"},
                      {"EGRESS_DNS_PROXY_IDLE_TIMEOUT", "3m"},
                      {"EGRESS_DNS_PROXY_UDP_TIMEOUT", "4s"},
                      {"EGRESS_DNS_PROXY_UDP_FLOWS", "5"},
                      {"EGRESS_DNS_PROXY_CHECK_INTERVAL", "0"},
                      {"EGRESS_DNS_PROXY_HOLD_GONE", "6s"},
                      {"EGRESS_DNS_PROXY_DRAIN_TIMEOUT", "0"},
                      {"EGRESS_DNS_PROXY_DRAIN_DELAY", "7s"},
                      {"EGRESS_DNS_PROXY_CONNECTIONS", "700"},
                      {"EGRESS_DNS_PROXY_ACCESS_LOG", "json"},
                      {"EGRESS_INTERFACE", "net1"},
                      {"EGRESS_DNS_TIMEOUT", "8s"},
                      {"EGRESS_DNS_LEAST_TTL", "2s"},
                      {"EGRESS_DNS_MOST_TTL", "9s"},
                      {"EGRESS_DNS_MOST_NEGATIVE_TTL", "1s"},
                      {"EGRESS_THREADS", "2"},
                      {"EGRESS_ADMIN_LISTEN", "off"},
                      {"EGRESS_ADMIN_TLS_CERT", "/tls.crt"},
                      {"EGRESS_ADMIN_TLS_KEY", "/tls.key"},
                      {"EGRESS_LOG_LEVEL", "warn"},
                      {"EGRESS_LOG_FORMAT", "json"},
                      {"EGRESS_TERMINATION_LOG", "/tmp/last"}};
  const auto [config, errors, warnings] = parse_with(all);
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(config.balancing == Balancing::least_connections);
  CHECK(config.retries == 1);
  CHECK(config.connect == 2s);
  CHECK(config.idle == 3min);
  CHECK(config.udp_idle == 4s);
  CHECK(config.udp_flows == 5);
  CHECK(config.check_interval == 0s);
  CHECK(config.hold_gone == 6s);
  CHECK(config.drain == 0s);
  CHECK(config.drain_delay == 7s);
  CHECK(config.connections == 700);
  CHECK(config.connection_log == AccessLogFormat::json);
  CHECK(config.outside_interface == "net1");
  CHECK(config.dns.timeout == 8s);
  CHECK(config.dns.least_ttl == 2s);
  CHECK(config.dns.most_ttl == 9s);
  CHECK(config.dns.most_negative_ttl == 1s);
  CHECK(config.threads == 2);
  CHECK(config.admin.listen.empty());
  CHECK(config.admin.has_tls());
  CHECK(config.log.level == LogLevel::warn);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.termination_log == "/tmp/last");

  for (const auto& variable : variables()) {
    INFO(variable.name);
    const bool elsewhere = variable.name.starts_with("EGRESS_DNS_PROXY_DEST") ||
                           variable.name == "EGRESS_DNS_PROXY_DEBUG";
    CHECK((elsewhere || all.contains(variable.name)));
  }
}

TEST_CASE("EGRESS_DNS_PROXY_DEBUG logs connections, whatever else is said") {
  const auto config =
      parse_with({{"EGRESS_DNS_PROXY_DEBUG", "1"}, {"EGRESS_DNS_PROXY_ACCESS_LOG", "off"}}).config;
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.connection_log == AccessLogFormat::text);
}

TEST_CASE("all errors at once") {
  const auto errors = parse_with({{"EGRESS_DNS_PROXY_DESTINATION", "80 a b\n9180 c"},
                                  {"EGRESS_DNS_PROXY_RETRIES", "11"},
                                  {"EGRESS_DNS_PROXY_BALANCE", "random"}})
                          .errors;
  CHECK_THAT(errors, Catch::Contains("EGRESS_DNS_PROXY_DESTINATION:1:6: error"));
  CHECK_THAT(errors, Catch::Contains("EGRESS_DNS_PROXY_RETRIES:1:1: error: found \"11\""));
  CHECK_THAT(errors, Catch::Contains("expected roundrobin or leastconn"));
  CHECK_THAT(errors, Catch::Contains("EGRESS_ADMIN_LISTEN:1:1: error: found \":9180\", a port that "
                                     "line 2 of EGRESS_DNS_PROXY_DESTINATION takes already"));
  CHECK_THAT(parse_with({{"EGRESS_DNS_PROXY_DESTINATION", ""}}).errors,
             Catch::Contains("EGRESS_DNS_PROXY_DESTINATION: error: is not set"));
}

TEST_CASE("a line of the connection log") {
  ConnectionRecord record;
  record.time = std::chrono::system_clock::time_point(1'700'000'000'123ms);
  record.client = {test::ip("10.128.0.7"), 40000};
  record.local = {Protocol::tcp, 8080};
  record.host = "db.example.com";
  record.upstream = Endpoint{test::ip("2001:db8::1"), 5432};
  record.end = "complete";
  record.failed = "192.0.2.1:5432: Connection refused";
  record.to_upstream = 10;
  record.to_client = 20;
  record.connect = 3ms;
  record.total = 40ms;
  std::string text;
  append_connection_line(record, AccessLogFormat::text, text);
  CHECK(text ==
        "2023-11-14T22:13:20.123Z 10.128.0.7:40000 tcp/8080 complete host=db.example.com "
        "upstream=[2001:db8::1]:5432 bytes_in=10 bytes_out=20 connect_ms=3 total_ms=40 "
        "failed=\"192.0.2.1:5432: Connection refused\"\n");
  text.clear();
  append_connection_line({.time = record.time,
                          .client = record.client,
                          .local = record.local,
                          .host = {},
                          .upstream = {},
                          .end = "not_resolved",
                          .failed = {},
                          .connect = {}},
                         AccessLogFormat::json, text);
  CHECK(text ==
        "{\"time\":\"2023-11-14T22:13:20.123Z\",\"client\":\"10.128.0.7:40000\",\"entry\":\"tcp/"
        "8080\",\"end\":\"not_resolved\",\"bytes_in\":0,\"bytes_out\":0,\"total_ms\":0}\n");
  text.clear();
  append_connection_line(record, AccessLogFormat::off, text);
  CHECK(text == "");
}

}  // namespace
}  // namespace egress::dns
