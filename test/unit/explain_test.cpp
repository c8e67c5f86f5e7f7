#include "router-init/explain.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

RouterConfig reference(const std::string& mode = "init", const std::string& source = "10.42.253.46",
                       const std::string& gateway = "10.42.253.1") {
  Diagnostics diagnostics;
  auto config =
      parse_config(test::environment({{"EGRESS_SOURCE", source},
                                      {"EGRESS_GATEWAY", gateway},
                                      {"EGRESS_ROUTER_MODE", mode},
                                      {"EGRESS_DESTINATION",
                                       "80 tcp 203.0.113.25\n8443 tcp 203.0.113.26 443\n"
                                       "9000-9009 udp 203.0.113.26 19000-19009\n203.0.113.27\n"}}),
                   diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  return config;
}

std::string answer(const std::string& question, const RouterConfig& config = reference()) {
  Diagnostics diagnostics;
  const auto explained = explain(config, question, diagnostics);
  CHECK(explained.is_forwarded == (explained.text.find(": goes to ") != std::string::npos));
  return explained.text + diagnostics.to_text(Severity::error);
}

TEST_CASE("which entry takes a connection") {
  CHECK(answer("tcp 8443") ==
        "tcp 8443, IPv4: line 2, \"8443 tcp 203.0.113.26 443\": goes to 203.0.113.26 port 443, and "
        "the outside sees "
        "10.42.253.46\n");
  CHECK(answer("udp 9003") ==
        "udp 9003, IPv4: line 3, \"9000-9009 udp 203.0.113.26 19000-19009\": goes to 203.0.113.26 "
        "port 19003, and the "
        "outside sees 10.42.253.46\n");
  CHECK(answer("udp 8443") ==
        "udp 8443, IPv4: line 4, \"203.0.113.27\", the address alone: goes to 203.0.113.27 port "
        "8443, and the outside "
        "sees 10.42.253.46\n");
  CHECK(answer("icmp") ==
        "icmp, IPv4: line 4, \"203.0.113.27\", the address alone: goes to 203.0.113.27, and the "
        "outside sees "
        "10.42.253.46\n");
}

TEST_CASE("a line for each family") {
  const auto text = answer(
      "tcp 80", reference("init", "10.42.253.46,2001:db8:42::46", "10.42.253.1,2001:db8:42::1"));
  CHECK(text.find("tcp 80, IPv4: line 1,") != text.npos);
  CHECK(
      text.find(
          "tcp 80, IPv6: not forwarded: no line names it, and there is no IPv6 address alone\n") !=
      text.npos);
}

TEST_CASE("a proxy mode forwards nothing") {
  CHECK(answer("tcp 80", reference("http-proxy")) ==
        "tcp 80, IPv4: not forwarded: in EGRESS_ROUTER_MODE http-proxy the proxy makes the "
        "connections\n");
}

TEST_CASE("a port is asked for in each common spelling") {
  const auto expected = answer("tcp 8443");
  CHECK(answer("tcp/8443") == expected);
  CHECK(answer("tcp:8443") == expected);
  CHECK(answer("8443") == expected + answer("udp 8443"));
}

TEST_CASE("questions that are rejected") {
  for (const std::string question :
       {"", "tcp", "tcp 0", "tcp 80 81", "bogus", "bogus 80", "TCP 80", "80 tcp"}) {
    INFO(question);
    CHECK(answer(question).starts_with("--explain:1:1: error: found \"" + question +
                                       "\", expected a port, alone or with its protocol"));
  }
}

}  // namespace
}  // namespace egress::router
