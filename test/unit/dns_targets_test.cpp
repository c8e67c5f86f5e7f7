#include "redirect-proxy/dns/targets.hpp"

#include <catch2/catch.hpp>

#include "redirect-proxy/dns/explain.hpp"
#include "test/support/parse.hpp"

namespace egress::dns {
namespace {

using test::ip;

TargetTable parsed(const std::string& text) {
  Diagnostics diagnostics;
  auto table = parse_targets({"T", text}, diagnostics);
  CHECK(diagnostics.to_text(Severity::error) == "");
  return table;
}

// The first line of the first diagnostic: place and message.
std::string first_error(const std::string& text) {
  Diagnostics diagnostics;
  parse_targets({"T", text}, diagnostics);
  const auto all = diagnostics.to_text(Severity::error);
  return all.substr(0, all.find('\n'));
}

TEST_CASE("what the predecessor takes, and what is new") {
  const auto table = parsed(
      "80 example.com\n"
      "8080 Example.COM. 80   # names in one spelling\n"
      "\n"
      "5432 192.0.2.7\n"
      "53 udp 2001:db8::53\n"
      "53 tcp 2001:db8::53\n"
      "9000-9009 tcp db,db2.example.com,192.0.2.8 19000-19009\r\n");
  REQUIRE(table.targets.size() == 6);
  CHECK(table.targets[0] ==
        Target{1, Protocol::tcp, {80, 80}, {Host::of_name("example.com")}, {80, 80}});
  CHECK(table.targets[1] ==
        Target{2, Protocol::tcp, {8080, 8080}, {Host::of_name("example.com")}, {80, 80}});
  CHECK(table.targets[2].hosts == std::vector<Host>{Host(ip("192.0.2.7"))});
  CHECK(table.targets[3].protocol == Protocol::udp);
  CHECK(table.targets[5] ==
        Target{7,
               Protocol::tcp,
               {9000, 9009},
               {Host::of_name("db"), Host::of_name("db2.example.com"), Host(ip("192.0.2.8"))},
               {19000, 19009}});
  CHECK(table.targets[5].remote_port(9004) == 19004);
  CHECK(find_target(table, {Protocol::tcp, 53})->line == 6);
  CHECK(find_target(table, {Protocol::udp, 80}) == nullptr);
}

TEST_CASE("what is wrong with a table, and where") {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"",
       "T: error: the table is empty, expected lines of the form PORT [tcp|udp] "
       "HOST[,HOST...] [REMOTE_PORT]"},
      {"0 a",
       "T:1:1: error: found \"0\", expected a port from 1 to 65535, or a range such as "
       "8000-8099"},
      {"080 a",
       "T:1:1: error: found \"080\", expected a port from 1 to 65535, or a range such as "
       "8000-8099"},
      {"65536 a",
       "T:1:1: error: found \"65536\", expected a port from 1 to 65535, or a range such "
       "as 8000-8099"},
      {"80",
       "T:1:3: error: found the end of the line, expected a name, an IPv4 or an IPv6 "
       "address"},
      {"80 udp",
       "T:1:7: error: found the end of the line, expected a name, an IPv4 or an IPv6 "
       "address"},
      {"80 sctp a", "T:1:4: error: found \"sctp\", expected tcp or udp"},
      {"80 a b", "T:1:6: error: found \"b\", expected a remote port from 1 to 65535, or a range"},
      {"80 a 81 x", "T:1:9: error: found \"x\", expected the end of the line or a # comment"},
      {"80 999.1.1.1",
       "T:1:4: error: \"999.1.1.1\" ends in a number, but is no address: write "
       "IPv4 as four decimal numbers without leading zeros; expected a name, an "
       "IPv4 or an IPv6 address"},
      {"80 a,,b",
       "T:1:6: error: found no host, expected a name, an IPv4 or an IPv6 address; "
       "commas stand between hosts, without spaces"},
      {"80 a,A.", "T:1:6: error: found \"A.\", expected each host once in a line"},
      {"80 0.0.0.0",
       "T:1:4: error: found \"0.0.0.0\", expected an address to connect to; this is "
       "the unspecified address"},
      {"80-89 a 90-98",
       "T:1:9: error: found \"90-98\", expected a remote range of 10 ports, as "
       "many as 80-89 holds"},
      {"80-89 a\n85 b", "T:2:1: error: found \"85\", which line 1 takes already as 80-89 tcp"},
      {"1-1025 a", "T: error: the lines take 1025 ports, expected at most 1024"},
  };
  for (const auto& [text, error] : cases) {
    INFO(text);
    CHECK(first_error(text) == error);
  }
  CHECK(first_error("53 tcp a\n53 udp a") == "");
}

TEST_CASE("a line with an error is no part of the table, and the check for loops survives it") {
  for (const std::string line : {"81 sctp a.com", "81 sctp 127.0.0.1", "81 sctp a.com 70-90"}) {
    INFO(line);
    Diagnostics diagnostics;
    const auto table = parse_targets({"T", "80 a.com\n" + line}, diagnostics);
    CHECK(table.targets.size() == 1);
    CHECK_NOTHROW(check_loops(table, {ip("127.0.0.1")}, {}, diagnostics));
    CHECK(diagnostics.to_text(Severity::error).starts_with("T:2:4: error: found \"sctp\""));
  }
}

TEST_CASE("a line is printed as it could be written") {
  for (const std::string line :
       {"80 tcp example.com", "53 udp 2001:db8::53 5353", "80-89 tcp a,192.0.2.1 180-189"}) {
    CHECK(to_text(parsed(line).targets.at(0)) == line);
  }
}

TEST_CASE("what --explain tells: the line, the hosts, and with DNS the addresses") {
  const auto table = parsed("80-81 www.example.com,192.0.2.7 8080-8081\n");
  const auto resolve = [](const std::string& name) {
    CHECK(name == "www.example.com");
    return std::vector<IpAddress>{ip("192.0.2.1"), ip("2001:db8::1")};
  };
  CHECK(explain(table, "81", {})->text ==
        "tcp/81: line 1, \"80-81 tcp www.example.com,192.0.2.7 8080-8081\"\n"
        "  goes to www.example.com:8081\n"
        "  goes to 192.0.2.7:8081\n"
        "udp/81: no line takes it, nothing listens there\n");
  CHECK(explain(table, "tcp/81", {})->text == explain(table, "tcp:81", {})->text);
  CHECK(explain(table, "81", {})->is_taken);
  CHECK(explain(table, "tcp 80", {resolve, {}})->text ==
        "tcp/80: line 1, \"80-81 tcp www.example.com,192.0.2.7 8080-8081\"\n"
        "  goes to www.example.com:8080, now 192.0.2.1:8080 [2001:db8::1]:8080\n"
        "  goes to 192.0.2.7:8080\n");
  const auto lead_astray = [](const std::string&) {
    return std::vector<IpAddress>{ip("::ffff:169.254.169.254"), ip("10.0.0.2"), ip("192.0.2.1")};
  };
  CHECK(explain(table, "tcp 80", {lead_astray, {{ip("10.0.0.2")}, {}}})->text ==
        "tcp/80: line 1, \"80-81 tcp www.example.com,192.0.2.7 8080-8081\"\n"
        "  goes to www.example.com:8080, now 192.0.2.1:8080\n"
        "    ::ffff:169.254.169.254 is not used: a link-local address\n"
        "    10.0.0.2 is not used: an address of the pod itself\n"
        "  goes to 192.0.2.7:8080\n");
  CHECK_FALSE(explain(table, "udp 80", {})->is_taken);
  for (const auto* question : {"", "x", "tcp", "sctp 80", "tcp 80 81", "0"})
    CHECK(explain(table, question, {}).has_error());
}

TEST_CASE("an entry that would lead back to the proxy is found, at every address that does") {
  const std::vector<IpAddress> own{ip("10.0.0.2"), ip("127.0.0.1"), ip("fd00::2")};
  const auto loops = [&](const std::string& text) {
    Diagnostics diagnostics;
    check_loops(parsed(text), own, {{std::nullopt, 9180}}, diagnostics);
    return diagnostics.to_text(Severity::error);
  };
  for (const std::string host : {"127.0.0.1", "::1", "10.0.0.2", "::ffff:10.0.0.2", "fd00::2",
                                 "127.8.8.8", "64:ff9b::a00:2"}) {
    INFO(host);
    CHECK(loops("80 " + host).starts_with("T:1:1: error: found "));
    CHECK(loops("80 a.test\n100-120 " + host + " 70-90\n").starts_with("T:2:1: error: found "));
    CHECK(loops("80 " + host + " 9180") != "");
    CHECK(loops("80 " + host + " 81") == "");
    CHECK(loops("80 udp " + host + " 9180") == "");  // another protocol
    CHECK(loops("80 udp " + host + " 81\n81 a.test") == "");
    CHECK(loops("80 udp " + host) != "");
  }
  CHECK(loops("80 192.0.2.7\n81 a.test") == "");
  CHECK(loops("80 10.0.0.2 9180")
            .starts_with("T:1:1: error: found 10.0.0.2:9180, a listener of this proxy: it would "
                         "connect to itself\n"));
}

TEST_CASE("names lead to no address of the pod, its node or a cloud's metadata") {
  const LocalSide local{{ip("10.0.0.2"), ip("fd00::2")}, {}};
  for (const auto* address :
       {"10.0.0.2", "::ffff:10.0.0.2", "64:ff9b::a00:2", "fd00::2", "127.0.0.1", "127.9.9.9", "::1",
        "0.0.0.1", "240.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "100.100.100.200",
        "192.0.0.192", "64:ff9b::100.100.100.200", "2002:a00:2::1", "fe80::1", "ff02::1"}) {
    INFO(address);
    CHECK(restriction_for_names(ip(address), local));
  }
  for (const auto* address :
       {"192.0.2.1", "10.0.0.3", "fd00::3", "::ffff:192.0.2.1", "100.64.0.1"}) {
    INFO(address);
    CHECK_FALSE(restriction_for_names(ip(address), local));
  }
}

}  // namespace
}  // namespace egress::dns
