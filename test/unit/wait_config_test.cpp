#include "redirect-proxy/wait/config.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "test/support/parse.hpp"

namespace egress::wait {
namespace {

using test::environment;

TEST_CASE("egress-wait without any variable") {
  Diagnostics diagnostics;
  const auto config = parse_config(Environment(), diagnostics);
  CHECK(config.interface == "macvlan0");
  CHECK(config.admin.listen.empty());
  CHECK(config.table_path.empty());
  CHECK(config.gateway_interval == std::chrono::seconds(10));
  CHECK(config.log.level == LogLevel::info);
  CHECK(config.log.format == LogFormat::text);
  CHECK(config.termination_log == "/dev/termination-log");
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "");
}

TEST_CASE("egress-wait with all of them") {
  Diagnostics diagnostics;
  const auto config = parse_config(environment({{"EGRESS_INTERFACE", "net1"},
                                                {"EGRESS_ADMIN_LISTEN", ":9180"},
                                                {"EGRESS_DESTINATION_FILE", "/etc/table"},
                                                {"EGRESS_GATEWAY_CHECK_INTERVAL", "0"},
                                                {"EGRESS_LOG_LEVEL", "debug"},
                                                {"EGRESS_LOG_FORMAT", "json"},
                                                {"EGRESS_TERMINATION_LOG", "/tmp/log"}}),
                                   diagnostics);
  CHECK(config.interface == "net1");
  CHECK(config.admin.listen.size() == 1);
  CHECK(config.table_path == "/etc/table");
  CHECK(config.gateway_interval.count() == 0);
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.termination_log == "/tmp/log");
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "");
}

TEST_CASE("the gateway is probed once a second at most") {
  const struct {
    std::string_view text;
    bool is_accepted;
  } cases[] = {{"1s", true},   {"1000ms", true}, {"1h", true},  {"999ms", false},
               {"1ms", false}, {"0ms", false},   {"61m", false}};
  for (const auto& [text, is_accepted] : cases) {
    CAPTURE(text);
    Diagnostics diagnostics;
    parse_config(environment({{"EGRESS_GATEWAY_CHECK_INTERVAL", std::string(text)}}), diagnostics);
    CHECK(diagnostics.has_errors() != is_accepted);
  }
}

TEST_CASE("what egress-wait refuses, all at once") {
  Diagnostics diagnostics;
  const auto config = parse_config(environment({{"EGRESS_LOG_LEVEL", "loud"},
                                                {"EGRESS_ADMIN_LISTEN", "127.0.0.1"},
                                                {"EGRESS_ADMIN_TLS_CERT", "/tls.crt"},
                                                {"EGRESS_GATEWAY_CHECK_INTERVAL", "5"}}),
                                   diagnostics);
  CHECK(config.log.level == LogLevel::info);
  const auto text = diagnostics.to_text(Severity::error);
  CHECK(diagnostics.errors() == 4);
  for (const std::string_view expected :
       {"EGRESS_LOG_LEVEL:1:1: error: found \"loud\", expected debug, info, warn or error",
        "EGRESS_ADMIN_LISTEN:1:1: error: ", "EGRESS_ADMIN_TLS_KEY: error: is not set",
        "EGRESS_GATEWAY_CHECK_INTERVAL:1:1: error: "}) {
    CAPTURE(text, expected);
    CHECK(text.find(expected) != text.npos);
  }
}

TEST_CASE("one ConfigMap may serve all containers of the pod") {
  Diagnostics diagnostics;
  parse_config(environment({{"EGRESS_SOURCE", "10.42.253.46"},
                            {"EGRESS_DESTINATION", "nonsense"},
                            {"EGRESS_INTERFACES", "x"}}),
               diagnostics);
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "");
}

TEST_CASE("every variable of egress-wait is told once") {
  std::set<std::string_view> names;
  for (const auto& variable : variables()) {
    CAPTURE(variable.name);
    CHECK(names.insert(variable.name).second);
    CHECK(variable.name.starts_with("EGRESS_"));
    CHECK_FALSE(variable.meaning.empty());
  }
  CHECK(names == std::set<std::string_view>{
                     "EGRESS_INTERFACE", "EGRESS_DESTINATION_FILE", "EGRESS_GATEWAY_CHECK_INTERVAL",
                     "EGRESS_ADMIN_LISTEN", "EGRESS_ADMIN_TLS_CERT", "EGRESS_ADMIN_TLS_KEY",
                     "EGRESS_LOG_LEVEL", "EGRESS_LOG_FORMAT", "EGRESS_TERMINATION_LOG"});
}

}  // namespace
}  // namespace egress::wait
