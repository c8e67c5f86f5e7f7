#include "router-init/destinations.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using test::ip;
using test::prefix;

OwnAddresses own_addresses() {
  return {{{prefix("10.42.253.46/24")}, {prefix("2001:db8:42::46/64")}},
          {ip("10.42.253.1"), ip("2001:db8:42::1")}};
}

DestinationTable parsed(const std::string& text) {
  Diagnostics diagnostics;
  auto table = parse_destinations({"T", text}, own_addresses(), diagnostics);
  CHECK(diagnostics.to_text(Severity::error) == "");
  return table;
}

std::string errors(const std::string& text, const OwnAddresses& own = own_addresses()) {
  Diagnostics diagnostics;
  parse_destinations({"T", text}, own, diagnostics);
  return diagnostics.to_text(Severity::error);
}

// The first line of the first diagnostic: place and message.
std::string first_error(const std::string& text) {
  const auto all = errors(text);
  return all.substr(0, all.find('\n'));
}

TEST_CASE("the reference table") {
  const auto table = parsed(
      "80 tcp 203.0.113.25\n"
      "8080 tcp 203.0.113.26 80\n"
      "8443 tcp 203.0.113.26 443\n"
      "203.0.113.27\n");
  CHECK(table.entries == std::vector<Entry>{
                             {1, Protocol::tcp, {80, 80}, ip("203.0.113.25"), {80, 80}},
                             {2, Protocol::tcp, {8080, 8080}, ip("203.0.113.26"), {80, 80}},
                             {3, Protocol::tcp, {8443, 8443}, ip("203.0.113.26"), {443, 443}},
                         });
  CHECK(table.fallback.v4 == Fallback{4, ip("203.0.113.27")});
  CHECK_FALSE(table.fallback.v6);
}

TEST_CASE("forms of a table that mean the same") {
  const auto plain = parsed("80 tcp 203.0.113.25\n").entries[0];
  for (const std::string text : {
           "80 tcp 203.0.113.25",          // no line end
           "80\ttcp \t 203.0.113.25\t\n",  // tabs, trailing blanks
           "80 tcp 203.0.113.25\r\n",      // CRLF
           "\xef\xbb\xbf"
           "80 tcp 203.0.113.25\n",                     // byte order mark
           "  80 tcp 203.0.113.25 # the shop\n",        // indented, trailing comment
           "80 tcp 203.0.113.25 80\n",                  // the same port written out
           "80 tcp 203.0.113.25\n\n# comment\n  \r\n",  // blank lines and comments after
       }) {
    CAPTURE(text);
    CHECK(parsed(text).entries == std::vector{plain});
  }
}

TEST_CASE("beyond the predecessor: ranges, sctp, both families, one port for two protocols") {
  const auto table = parsed(
      "53 tcp 203.0.113.5\n"
      "53 udp 203.0.113.5\n"
      "53 udp 2001:db8:113::5\n"
      "8000-8099 tcp 203.0.113.5\n"
      "9000-9009 sctp 203.0.113.6 19000-19009\n"
      "2001:db8:113::27\n"
      "203.0.113.27\n");
  REQUIRE(table.entries.size() == 5);
  CHECK(table.entries[3] == Entry{4, Protocol::tcp, {8000, 8099}, ip("203.0.113.5"), {8000, 8099}});
  CHECK(table.entries[4] ==
        Entry{5, Protocol::sctp, {9000, 9009}, ip("203.0.113.6"), {19000, 19009}});
  CHECK(table.fallback.v4 == Fallback{7, ip("203.0.113.27")});
  CHECK(table.fallback.v6 == Fallback{6, ip("2001:db8:113::27")});
  CHECK(to_text(table.entries[4]) == "9000-9009 sctp 203.0.113.6 19000-19009");
}

TEST_CASE("an error shows the place, the line and a caret") {
  CHECK(errors("80 tcp 203.0.113.25\n8443\ttcpp 203.0.113.26 443\n") ==
        "T:2:6: error: found \"tcpp\", expected tcp, udp or sctp\n"
        "  2 | 8443\\ttcpp 203.0.113.26 443\n"
        "    |       ^~~~\n");
}

TEST_CASE("all errors of a table are reported at once") {
  const auto text = errors("0 tcp 203.0.113.25\n80 tpc 999.1.1.1\n81 udp 203.0.113.25 65536\n");
  CHECK(text.find("T:1:1: error: found \"0\"") != text.npos);
  CHECK(text.find("T:2:4: error: found \"tpc\"") != text.npos);
  CHECK(text.find("T:2:8: error: found \"999.1.1.1\"") != text.npos);
  CHECK(text.find("T:3:21: error: found \"65536\"") != text.npos);
}

TEST_CASE("what is refused") {
  const std::string port = ", expected a port from 1 to 65535, or a range such as 8000-8099";
  const std::string address = ", expected an IPv4 or IPv6 address";
  const struct {
    std::string line;
    std::string error;
  } cases[] = {
      {"0 tcp 203.0.113.25", "T:1:1: error: found \"0\"" + port},
      {"65536 tcp 203.0.113.25", "T:1:1: error: found \"65536\"" + port},
      {"4294967376 tcp 203.0.113.25", "T:1:1: error: found \"4294967376\"" + port},
      {"-1 tcp 203.0.113.25", "T:1:1: error: found \"-1\"" + port},
      {"+80 tcp 203.0.113.25", "T:1:1: error: found \"+80\"" + port},
      {"080 tcp 203.0.113.25", "T:1:1: error: found \"080\"" + port},
      {"0x50 tcp 203.0.113.25", "T:1:1: error: found \"0x50\"" + port},
      {"8000-7999 tcp 203.0.113.25", "T:1:1: error: found \"8000-7999\"" + port},
      {"8000- tcp 203.0.113.25", "T:1:1: error: found \"8000-\"" + port},
      {"8000\xe2\x80\x93"
       "8009 tcp 203.0.113.25",
       "T:1:1: error: found \"8000<U+2013>8009\"" + port +
           " (a typographic character: type a plain -)"},
      {"80 TCP 203.0.113.25", "T:1:4: error: found \"TCP\", expected tcp, udp or sctp"},
      {"80 tcp 010.0.0.1", "T:1:8: error: found \"010.0.0.1\"" + address},
      {"80 tcp 10.1", "T:1:8: error: found \"10.1\"" + address},
      {"80 tcp 999.1.1.1", "T:1:8: error: found \"999.1.1.1\"" + address},
      {"80 tcp 203.0.113.25/32", "T:1:8: error: found \"203.0.113.25/32\"" + address},
      {"80 tcp example.com", "T:1:8: error: found \"example.com\"" + address},
      {"80 tcp fe80::1%eth0", "T:1:8: error: found \"fe80::1%eth0\"" + address},
      {"80 tcp", "T:1:7: error: found the end of the line, expected an IPv4 or IPv6 address"},
      {"80 tcp 203.0.113.25 80 90",
       "T:1:24: error: found \"90\", expected the end of the line or a # comment"},
      {"80 tcp 203.0.113.25 \\",
       "T:1:21: error: found \"\\\", expected a remote port from 1 to 65535, or a range"},
      {"8000-8009 tcp 203.0.113.25 9000-9008",
       "T:1:28: error: found \"9000-9008\", expected a remote range of 10 ports, as many as "
       "8000-8009 holds"},
      {"8000-8009 tcp 203.0.113.25 9000",
       "T:1:28: error: found \"9000\", expected a remote range of 10 ports, as many as 8000-8009 "
       "holds"},
      {"80 tcp 127.0.0.1",
       "T:1:8: error: found \"127.0.0.1\", expected an address to forward to; this is a loopback "
       "address"},
      {"80 tcp 0.0.0.0",
       "T:1:8: error: found \"0.0.0.0\", expected an address to forward to; this is the "
       "unspecified address"},
      {"224.0.0.1",
       "T:1:1: error: found \"224.0.0.1\", expected an address to forward to; this is a multicast "
       "address"},
      {"255.255.255.255",
       "T:1:1: error: found \"255.255.255.255\", expected an address to forward to; this is the "
       "broadcast address"},
      {"::ffff:203.0.113.25",
       "T:1:1: error: found \"::ffff:203.0.113.25\", expected an address to forward to; this is an "
       "IPv4-mapped address: "
       "write it as IPv4"},
      {"80 tcp 0.1.2.3",
       "T:1:8: error: found \"0.1.2.3\", expected an address to forward to; this is an address of "
       "0.0.0.0/8, which no host has"},
      {"80 tcp 240.0.0.1",
       "T:1:8: error: found \"240.0.0.1\", expected an address to forward to; this is an address "
       "of the reserved range 240.0.0.0/4"},
      {"80 tcp 10.42.253.255",
       "T:1:8: error: found \"10.42.253.255\", expected the address of one host; this is one of "
       "the network 10.42.253.0/24 itself"},
      {"10.42.253.0",
       "T:1:1: error: found \"10.42.253.0\", expected the address of one host; this is one of the "
       "network 10.42.253.0/24 itself"},
      {"80 tcp 10.42.253.46",
       "T:1:8: error: found \"10.42.253.46\", expected another address than EGRESS_SOURCE"},
      {"80",
       "T:1:1: error: found \"80\", expected PORT PROTOCOL ADDRESS [REMOTE_PORT], or ADDRESS "
       "alone"},
      {"80\xc2\xa0tcp 203.0.113.25", "T:1:1: error: found \"80<U+00A0>tcp\"" + port +
                                         " (a typographic character: type a plain space)"},
      {std::string("80 tcp 203.0.113.25\0", 20),
       "T:1:8: error: found \"203.0.113.25\\x00\"" + address},
      {"\xff\xfe 80", "T:1:1: error: found \"\\xff\\xfe\"" + port},
      {"\x1b[31m", "T:1:1: error: found \"\\x1b[31m\"" + address},
      {"",
       "T: error: the table is empty, expected lines of the form PORT PROTOCOL ADDRESS "
       "[REMOTE_PORT], or ADDRESS alone"},
      {"# only a comment\n\n",
       "T: error: the table is empty, expected lines of the form PORT PROTOCOL ADDRESS "
       "[REMOTE_PORT], or ADDRESS alone"},
  };
  for (const auto& [line, error] : cases) {
    CAPTURE(line);
    CHECK(first_error(line) == error);
  }
}

TEST_CASE("ports may be taken once per family and protocol") {
  CHECK(first_error("80 tcp 203.0.113.25\n80 tcp 203.0.113.26\n") ==
        "T:2:1: error: found \"80\", which line 1 takes already as 80 tcp");
  CHECK(first_error("8000-8099 udp 203.0.113.25\n8099 udp 203.0.113.26\n") ==
        "T:2:1: error: found \"8099\", which line 1 takes already as 8000-8099 udp");
  CHECK(first_error("8050 udp 203.0.113.25\n8000-8099 udp 203.0.113.26\n") ==
        "T:2:1: error: found \"8000-8099\", which line 1 takes already as 8050 udp");
  CHECK(errors("80 tcp 203.0.113.25\n80 tcp 2001:db8:113::25\n80 udp 203.0.113.25\n79 tcp "
               "203.0.113.25\n") == "");
}

TEST_CASE("an address alone is the last of its kind") {
  CHECK(first_error("203.0.113.27\n80 tcp 203.0.113.25\n") ==
        "T:2:1: error: an entry after the IPv4 address alone of line 1, expected that to be the "
        "last");
  CHECK(first_error("203.0.113.27\n203.0.113.28\n") ==
        "T:2:1: error: a second IPv4 address alone, the first is in line 1");
}

TEST_CASE("the tables of two families may follow each other") {
  CHECK(errors("80 tcp 203.0.113.25\n203.0.113.27\n80 tcp 2001:db8:113::25\n2001:db8:113::27\n") ==
        "");
}

TEST_CASE("a destination needs a source of its family") {
  OwnAddresses own = own_addresses();
  own.sources.v6.clear();
  CHECK(errors("80 tcp 2001:db8:113::25\n", own)
            .starts_with("T:1:8: error: found \"2001:db8:113::25\", expected no IPv6 address, as "
                         "EGRESS_SOURCE has none to leave from"));
  own.sources.v4.clear();  // the source itself was rejected: no second complaint about the same
  CHECK(errors("80 tcp 2001:db8:113::25\n", own) == "");
}

TEST_CASE("a destination that looks like a Service is a warning") {
  OwnAddresses own = own_addresses();
  own.services = prefix("172.30.0.0/16");
  Diagnostics diagnostics;
  parse_destinations({"T", "80 tcp 203.0.113.25\n81 tcp 172.30.4.5\n"}, own, diagnostics);
  CHECK_FALSE(diagnostics.has_errors());
  CHECK(diagnostics.to_text(Severity::warning)
            .starts_with("T:2:8: warning: the destination looks like a Service of this cluster "
                         "(172.30.0.0/16), which the external network does not reach"));
}

TEST_CASE("the gateway as destination is a warning") {
  Diagnostics diagnostics;
  const auto table = parse_destinations({"T", "10.42.253.1\n"}, own_addresses(), diagnostics);
  CHECK_FALSE(diagnostics.has_errors());
  CHECK(table.fallback.v4);
  CHECK(diagnostics.to_text(Severity::warning)
            .starts_with("T:1:1: warning: the destination is EGRESS_GATEWAY itself"));
}

TEST_CASE("a long line and a long table stay readable and bounded") {
  const auto long_line = errors("80 tcp " + std::string(1 << 20, 'x'));
  CHECK(long_line.size() < 600);
  CHECK(long_line.find("...") != long_line.npos);

  std::string table;
  for (int i = 0; i < 1'000'000; ++i) table += "x\n";
  const auto text = errors(table);
  CHECK(text.size() < 20'000);
  CHECK(text.ends_with("error: and 999950 more\n"));
}

TEST_CASE("all ports of all protocols and families fit") {
  std::string text;
  for (const char* protocol : {"tcp", "udp", "sctp"}) {
    for (int port = 1; port <= 65535; ++port)
      text += std::to_string(port) + " " + protocol + " 203.0.113.25\n";
  }
  CHECK(parsed(text).entries.size() == 3 * 65535);
}

}  // namespace
}  // namespace egress::router
