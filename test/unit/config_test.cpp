#include "router-init/config.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using test::ip;
using test::prefix;

using Variables = std::map<std::string, std::string, std::less<>>;

const Variables kReference{{"EGRESS_SOURCE", "10.42.253.46"},
                           {"EGRESS_GATEWAY", "10.42.253.1"},
                           {"EGRESS_DESTINATION", "80 tcp 203.0.113.25\n"}};

struct Parsed {
  RouterConfig config;
  std::string errors;
  std::string warnings;
};

Parsed parse_with(const Variables& changes) {
  Variables variables = kReference;
  for (const auto& [name, value] : changes) variables[name] = value;
  Diagnostics diagnostics;
  auto config = parse_config(Environment(variables), diagnostics);
  return {std::move(config), diagnostics.to_text(Severity::error),
          diagnostics.to_text(Severity::warning)};
}

TEST_CASE("the reference configuration and its defaults") {
  const auto [config, errors, warnings] = parse_with({});
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(config.mode == Mode::legacy);
  CHECK(config.sources.v4 == std::vector{prefix("10.42.253.46/32")});
  CHECK(config.gateway.v4 == ip("10.42.253.1"));
  CHECK(config.sources.v6.empty());
  CHECK(config.interface == "macvlan0");
  CHECK(config.macvlan_mode == MacvlanMode::private_);
  CHECK(config.address_probe.count() == 500);
  CHECK(config.carrier_check == Carrier::required);
  CHECK(config.gateway_check == GatewayCheck::require);
  CHECK_FALSE(config.answer_ping);
  CHECK(config.announce_twice);  // nothing else runs in legacy mode
}

TEST_CASE("every variable reaches its place") {
  const auto [config, errors, warnings] =
      parse_with({{"EGRESS_ROUTER_MODE", "init"},
                  {"EGRESS_SOURCE", "10.42.253.46/24, 2001:db8:42::46/64"},
                  {"EGRESS_GATEWAY", "10.42.253.1 fe80::1"},
                  {"EGRESS_INTERFACE", "net1"},
                  {"EGRESS_CLUSTER_INTERFACE", "ens5"},
                  {"EGRESS_PARENT", "bond0.42"},
                  {"EGRESS_MACVLAN_MODE", "bridge"},
                  {"EGRESS_HOST_NETNS", "/run/netns/node"},
                  {"EGRESS_ADDRESS_PROBE", "off"},
                  {"EGRESS_GATEWAY_CHECK", "warn"},
                  {"EGRESS_GATEWAY_TIMEOUT", "250ms"},
                  {"EGRESS_ANSWER_PING", "on"},
                  {"EGRESS_ANNOUNCE", "twice"},
                  {"EGRESS_ROUTER_DEBUG", "1"},
                  {"EGRESS_LOG_FORMAT", "json"},
                  {"EGRESS_TERMINATION_LOG", "/tmp/last"}});
  CHECK(errors == "");
  CHECK(config.mode == Mode::init);
  CHECK(config.sources.v4 == std::vector{prefix("10.42.253.46/24")});
  CHECK(config.sources.v6 == std::vector{prefix("2001:db8:42::46/64")});
  CHECK(config.gateway.v6 == ip("fe80::1"));
  CHECK(config.interface == "net1");
  CHECK(config.cluster_interface == "ens5");
  CHECK(config.parent == "bond0.42");
  CHECK(config.macvlan_mode == MacvlanMode::bridge);
  CHECK(config.host_netns == "/run/netns/node");
  CHECK(config.address_probe.count() == 0);
  CHECK(config.gateway_check == GatewayCheck::warn);
  CHECK(config.gateway_timeout.count() == 250);
  CHECK(config.answer_ping);
  CHECK(config.announce_twice);
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.termination_log == "/tmp/last");
}

TEST_CASE("the egress interface may be eth0 where the cluster interface is another") {
  CHECK(parse_with({{"EGRESS_INTERFACE", "eth0"}, {"EGRESS_CLUSTER_INTERFACE", "c0"}}).errors ==
        "");
  CHECK(parse_with({{"EGRESS_INTERFACE", "eth0"}, {"EGRESS_CLUSTER_INTERFACE", "eth0"}}).errors !=
        "");
}

TEST_CASE("values that are refused") {
  const struct {
    std::string name;
    std::string value;
    std::string error;
  } cases[] = {
      {"EGRESS_SOURCE", "",
       "EGRESS_SOURCE: error: not set, expected the address that the outside is to see"},
      {"EGRESS_SOURCE", "10.42.253.46/33",
       "EGRESS_SOURCE:1:1: error: found \"10.42.253.46/33\", expected an IPv4 or IPv6 address, "
       "with or without "
       "/PREFIX_LENGTH"},
      {"EGRESS_SOURCE", "010.42.253.46",
       "EGRESS_SOURCE:1:1: error: found \"010.42.253.46\", expected an IPv4 or IPv6 address, with "
       "or without "
       "/PREFIX_LENGTH"},
      {"EGRESS_SOURCE", "10.42.253.46,10.42.253.46/24",
       "EGRESS_SOURCE:1:14: error: found \"10.42.253.46/24\", expected each address once"},
      {"EGRESS_SOURCE", "10.42.253.0/24",
       "EGRESS_SOURCE:1:1: error: found \"10.42.253.0/24\", expected the address of one host; this "
       "is the address of the "
       "network itself"},
      {"EGRESS_SOURCE", "10.42.253.255/24",
       "EGRESS_SOURCE:1:1: error: found \"10.42.253.255/24\", expected the address of one host; "
       "this is a broadcast "
       "address"},
      {"EGRESS_SOURCE", "224.0.0.5",
       "EGRESS_SOURCE:1:1: error: found \"224.0.0.5\", expected the address of one host; this is a "
       "multicast address"},
      {"EGRESS_SOURCE", "127.0.0.1",
       "EGRESS_SOURCE:1:1: error: found \"127.0.0.1\", expected the address of one host; this is a "
       "loopback address"},
      {"EGRESS_GATEWAY", "",
       "EGRESS_GATEWAY: error: not set, expected the next hop towards the outside"},
      {"EGRESS_GATEWAY", "10.42.253.46",
       "EGRESS_GATEWAY:1:1: error: found \"10.42.253.46\", expected another address than "
       "EGRESS_SOURCE"},
      {"EGRESS_INTERFACE", "egress-new",
       "EGRESS_INTERFACE:1:1: error: found \"egress-new\", expected a name that is not used during "
       "set-up"},
      {"EGRESS_INTERFACE", "eth0",
       "EGRESS_INTERFACE:1:1: error: found \"eth0\", expected another interface than the cluster "
       "interface, which is eth0 unless EGRESS_CLUSTER_INTERFACE names another"},
      {"EGRESS_CARRIER_CHECK", "off",
       "EGRESS_CARRIER_CHECK:1:1: error: found \"off\", expected require or warn"},
      {"EGRESS_GATEWAY", "gateway",
       "EGRESS_GATEWAY:1:1: error: found \"gateway\", expected an IPv4 or IPv6 address"},
      {"EGRESS_GATEWAY", "2001:db8::1",
       "EGRESS_GATEWAY:1:1: error: found \"2001:db8::1\", expected a gateway of a family that "
       "EGRESS_SOURCE has"},
      {"EGRESS_GATEWAY", "0.0.0.0",
       "EGRESS_GATEWAY:1:1: error: found \"0.0.0.0\", expected the address of a router"},
      {"EGRESS_ROUTER_MODE", "initt",
       "EGRESS_ROUTER_MODE:1:1: error: found \"initt\", expected init, legacy, http-proxy, "
       "dns-proxy or unit-test"},
      {"EGRESS_DESTINATION", "",
       "EGRESS_DESTINATION: error: not set, expected where connections go, such as \"80 tcp "
       "203.0.113.25\""},
      {"EGRESS_INTERFACE", "a-name-of-sixteen",
       "EGRESS_INTERFACE:1:1: error: found \"a-name-of-sixteen\", expected the name of a network "
       "interface, at most 15 "
       "characters"},
      {"EGRESS_INTERFACE", "a b",
       "EGRESS_INTERFACE:1:1: error: found \"a b\", expected the name of a network interface, "
       "at most 15 characters"},
      {"EGRESS_CLUSTER_INTERFACE", "macvlan0",
       "EGRESS_CLUSTER_INTERFACE:1:1: error: found \"macvlan0\", expected another interface than "
       "EGRESS_INTERFACE"},
      {"EGRESS_MACVLAN_MODE", "secret",
       "EGRESS_MACVLAN_MODE:1:1: error: found \"secret\", expected private, bridge, vepa or "
       "passthru"},
      {"EGRESS_ADDRESS_PROBE", "5",
       "EGRESS_ADDRESS_PROBE:1:1: error: found \"5\", expected a time from 100ms to 1m, such as "
       "500ms or 30s, or off"},
      {"EGRESS_ADDRESS_PROBE", "61s",
       "EGRESS_ADDRESS_PROBE:1:1: error: found \"61s\", expected a time from 100ms to 1m, such as "
       "500ms or 30s, or off"},
      {"EGRESS_GATEWAY_TIMEOUT", "-1s",
       "EGRESS_GATEWAY_TIMEOUT:1:1: error: found \"-1s\", expected a time from 100ms to 1m, such "
       "as 500ms or 30s"},
      {"EGRESS_GATEWAY_CHECK", "yes",
       "EGRESS_GATEWAY_CHECK:1:1: error: found \"yes\", expected require, warn or off"},
      {"EGRESS_ANSWER_PING", "1", "EGRESS_ANSWER_PING:1:1: error: found \"1\", expected on or off"},
      {"EGRESS_ANNOUNCE", "thrice",
       "EGRESS_ANNOUNCE:1:1: error: found \"thrice\", expected once or twice"},
      {"EGRESS_LOG_LEVEL", "loud",
       "EGRESS_LOG_LEVEL:1:1: error: found \"loud\", expected debug, info, warn or error"},
  };
  for (const auto& [name, value, error] : cases) {
    CAPTURE(name, value);
    const auto errors = parse_with({{name, value}}).errors;
    CHECK(errors.substr(0, errors.find('\n')) == error);
  }
}

TEST_CASE("all that is wrong is said at once, and nothing twice") {
  const auto [config, errors, warnings] =
      parse_with({{"EGRESS_SOURCE", "10.42.253"},
                  {"EGRESS_GATEWAY", "10.42.253.1"},
                  {"EGRESS_ROUTER_MODE", "x"},
                  {"EGRESS_DESTINATION", "0 tcp 203.0.113.25\n"}});
  CHECK(errors ==
        "EGRESS_ROUTER_MODE:1:1: error: found \"x\", expected init, legacy, http-proxy, dns-proxy "
        "or unit-test\n"
        "  1 | x\n"
        "    | ^\n"
        "EGRESS_SOURCE:1:1: error: found \"10.42.253\", expected an IPv4 or IPv6 address, with or "
        "without "
        "/PREFIX_LENGTH\n"
        "  1 | 10.42.253\n"
        "    | ^~~~~~~~~\n"
        "EGRESS_DESTINATION:1:1: error: found \"0\", expected a port from 1 to 65535, or a range "
        "such as 8000-8099\n"
        "  1 | 0 tcp 203.0.113.25\n"
        "    | ^\n");
}

TEST_CASE("each family of the source needs its gateway") {
  const auto errors = parse_with({{"EGRESS_SOURCE", "10.42.253.46,2001:db8:42::46"}}).errors;
  CHECK(errors.starts_with(
      "EGRESS_GATEWAY:1:1: error: found \"10.42.253.1\", expected also an IPv6 gateway for "
      "EGRESS_SOURCE 2001:db8:42::46"));
}

TEST_CASE("the proxy modes need no table and ignore one") {
  for (const std::string mode : {"http-proxy", "dns-proxy"}) {
    CHECK(parse_with({{"EGRESS_ROUTER_MODE", mode}, {"EGRESS_DESTINATION", ""}}).errors == "");
    const auto ignored =
        parse_with({{"EGRESS_ROUTER_MODE", mode}, {"EGRESS_DESTINATION", "nonsense"}});
    CHECK(ignored.errors == "");
    CHECK(ignored.warnings.starts_with("EGRESS_DESTINATION: warning: is ignored"));
    CHECK_FALSE(ignored.config.translates());
    CHECK_FALSE(ignored.config.announce_twice);
  }
}

TEST_CASE("the table from a file") {
  char path[] = "/tmp/egress-table-XXXXXX";
  const int descriptor = ::mkstemp(path);
  REQUIRE(descriptor >= 0);
  std::ofstream(path) << "80 tcp 203.0.113.25\nx\n";
  const auto both = parse_with({{"EGRESS_DESTINATION_FILE", path}});
  CHECK(both.errors ==
        "EGRESS_DESTINATION: error: both EGRESS_DESTINATION and EGRESS_DESTINATION_FILE are set, "
        "expected one of them\n");
  const auto file = parse_with({{"EGRESS_DESTINATION", ""}, {"EGRESS_DESTINATION_FILE", path}});
  CHECK(file.errors ==
        std::string(path) +
            ":2:1: error: found \"x\", expected an IPv4 or IPv6 address\n  2 | x\n    | ^\n");
  std::remove(path);
  const auto missing = parse_with({{"EGRESS_DESTINATION", ""}, {"EGRESS_DESTINATION_FILE", path}});
  CHECK(missing.errors == "EGRESS_DESTINATION_FILE: error: cannot read \"" + std::string(path) +
                              "\": ENOENT (No such file or directory)\n");
  const auto directory =
      parse_with({{"EGRESS_DESTINATION", ""}, {"EGRESS_DESTINATION_FILE", "/tmp"}});
  CHECK(directory.errors ==
        "EGRESS_DESTINATION_FILE: error: cannot read \"/tmp\": EISDIR (Is a directory)\n");
  const auto endless =
      parse_with({{"EGRESS_DESTINATION", ""}, {"EGRESS_DESTINATION_FILE", "/dev/zero"}});
  CHECK(endless.errors ==
        "EGRESS_DESTINATION_FILE: error: cannot read \"/dev/zero\": larger than 64 MiB\n");
}

TEST_CASE("the API server's Service tells where Services are") {
  const auto parsed = parse_with({{"KUBERNETES_SERVICE_HOST", "203.0.200.1"}});
  CHECK(parsed.errors == "");
  CHECK(parsed.warnings.find("203.0.113.25") != std::string::npos);
  CHECK(parsed.warnings.find("looks like a Service of this cluster (203.0.0.0/16)") !=
        std::string::npos);
  CHECK(parse_with({{"KUBERNETES_SERVICE_HOST", "172.30.0.1"}}).warnings == "");
  CHECK(parse_with({{"KUBERNETES_SERVICE_HOST", "kubernetes.example"}}).warnings == "");
}

TEST_CASE("a misspelt variable is pointed out, Kubernetes' own are not") {
  CHECK(parse_with({{"EGRESS_GATWAY", "10.42.253.1"}}).warnings ==
        "EGRESS_GATWAY: warning: no such variable, it is ignored; did you mean EGRESS_GATEWAY?\n");
  CHECK(parse_with({{"EGRESS_ROUTER_SERVICE_HOST", "172.30.1.1"},
                    {"EGRESS_ROUTER_PORT", "tcp://172.30.1.1:80"}})
            .warnings == "");
}

}  // namespace
}  // namespace egress::router
