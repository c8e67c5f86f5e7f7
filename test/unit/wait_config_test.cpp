#include "redirect-proxy/wait_config.hpp"

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
  CHECK(config.log.level == LogLevel::info);
  CHECK(config.log.format == LogFormat::text);
  CHECK(config.termination_log == "/dev/termination-log");
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "");
}

TEST_CASE("egress-wait with all of them") {
  Diagnostics diagnostics;
  const auto config = parse_config(environment({{"EGRESS_INTERFACE", "net1"},
                                                {"EGRESS_ADMIN_LISTEN", "off"},
                                                {"EGRESS_LOG_LEVEL", "debug"},
                                                {"EGRESS_LOG_FORMAT", "json"},
                                                {"EGRESS_TERMINATION_LOG", "/tmp/log"}}),
                                   diagnostics);
  CHECK(config.interface == "net1");
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.termination_log == "/tmp/log");
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "");
}

TEST_CASE("what egress-wait refuses, and of what it warns") {
  Diagnostics diagnostics;
  const auto config = parse_config(
      environment({{"EGRESS_LOG_LEVEL", "loud"}, {"EGRESS_ADMIN_LISTEN", "127.0.0.1:9000"}}),
      diagnostics);
  CHECK(config.log.level == LogLevel::info);
  CHECK(diagnostics.to_text(Severity::error) ==
        "EGRESS_LOG_LEVEL:1:1: error: found \"loud\", expected debug, info, warn or error\n"
        "  1 | loud\n"
        "    | ^~~~\n");
  CHECK(diagnostics.to_text(Severity::warning) ==
        "EGRESS_ADMIN_LISTEN:1:1: warning: ignored: egress-wait has no admin endpoint in this "
        "version\n"
        "  1 | 127.0.0.1:9000\n"
        "    | ^~~~~~~~~~~~~~\n");
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
  CHECK(names == std::set<std::string_view>{"EGRESS_INTERFACE", "EGRESS_ADMIN_LISTEN",
                                            "EGRESS_LOG_LEVEL", "EGRESS_LOG_FORMAT",
                                            "EGRESS_TERMINATION_LOG"});
}

}  // namespace
}  // namespace egress::wait
