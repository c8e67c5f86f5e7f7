#include "common/ip.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "test/support/parse.hpp"

namespace egress {
namespace {

using test::ip;
using test::prefix;

TEST_CASE("addresses that are read, and how they are printed") {
  const struct {
    std::string text;
    std::string printed;
  } cases[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"10.42.253.46", "10.42.253.46"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8:0:0:0:0:0:46", "2001:db8::46"},
      {"2001:0db8:0001:0000:0000:0001:0000:0001", "2001:db8:1::1:0:1"},  // RFC 5952 §4.2.3
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},                  // RFC 5952 §4.2.2
      {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::ffff:203.0.113.25", "::ffff:203.0.113.25"},
      {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& [text, printed] : cases) {
    CAPTURE(text);
    const auto address = parse_ip_address(text);
    REQUIRE(address);
    CHECK(to_text(*address) == printed);
    CHECK(parse_ip_address(to_text(*address)) == address);
    CHECK(address->is_v4() == (text.find(':') == text.npos));
    CHECK(IpAddress::from_bytes(address->bytes()) == *address);
  }
}

TEST_CASE("texts that are no address") {
  for (const std::string text : {
           "",
           " ",
           "1",
           "10.1",
           "1.2.3",
           "1.2.3.",
           ".1.2.3",
           "1..2.3",
           "1.2.3.4.",
           "1.2.3.4.5",
           "256.0.0.1",
           "999.1.1.1",
           "1.2.3.1000",
           "010.0.0.1",
           "10.0.0.01",
           "00.0.0.0",
           "0x0a.0.0.1",
           "167772161",
           "0x0a000001",
           "+1.2.3.4",
           "-1.2.3.4",
           "1.2.3.-4",
           "1.2.3.4 ",
           " 1.2.3.4",
           "1.2.3.4\n",
           "1,2,3,4",
           "1.2.3.4/32",
           "1.2.3.4:80",
           "1.2.3.a",
           ":",
           ":::",
           ":1",
           "1:",
           "1::2::3",
           "12345::",
           "g::",
           "1:2:3:4:5:6:7",
           "1:2:3:4:5:6:7:8:9",
           "1:2:3:4:5:6:7:8::",
           "[::1]",
           "::1%eth0",
           "fe80::1%1",
           "::1/128",
           "::ffff:010.0.0.1",
           "::ffff:1.2.3",
           "::1.2.3.4:5",
           "1.2.3.4::",
           "localhost",
           "\xef\xbc\x91.2.3.4",   // a full-width one
           "1.2.3.4\xe2\x80\x8b",  // zero-width space behind
           "10\xe3\x80\x82"
           "0.0.1",  // ideographic full stop
       }) {
    CAPTURE(text);
    CHECK_FALSE(parse_ip_address(text));
  }
  CHECK_FALSE(parse_ip_address(std::string("1.2.3.4\0", 8)));
  CHECK_FALSE(parse_ip_address(std::string("1.2.3.4\0.5", 10)));
  CHECK_FALSE(parse_ip_address(std::string(1, '\0')));
  // 45 characters are the most; one more, and very many.
  CHECK_FALSE(parse_ip_address("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555"));
  CHECK_FALSE(parse_ip_address(std::string(1 << 20, '1')));
  for (int byte = 0; byte < 256; ++byte) {
    CHECK_FALSE(parse_ip_address(std::string(1, static_cast<char>(byte))));
  }
}

TEST_CASE("kinds of addresses") {
  struct Kinds {
    bool unspecified, loopback, multicast, link_local, broadcast;
    bool operator==(const Kinds&) const = default;
  };
  const struct {
    std::string text;
    Kinds expected;
  } cases[] = {
      {"0.0.0.0", {true, false, false, false, false}},
      {"::", {true, false, false, false, false}},
      {"0.0.0.1", {}},
      {"126.255.255.255", {}},
      {"127.0.0.0", {false, true, false, false, false}},
      {"127.255.255.255", {false, true, false, false, false}},
      {"128.0.0.0", {}},
      {"::1", {false, true, false, false, false}},
      {"::2", {}},
      {"1::1", {}},
      {"223.255.255.255", {}},
      {"224.0.0.0", {false, false, true, false, false}},
      {"239.255.255.255", {false, false, true, false, false}},
      {"240.0.0.0", {}},
      {"feff::", {}},
      {"ff00::", {false, false, true, false, false}},
      {"ff02::1", {false, false, true, false, false}},
      {"169.253.255.255", {}},
      {"169.254.0.0", {false, false, false, true, false}},
      {"169.254.255.255", {false, false, false, true, false}},
      {"169.255.0.0", {}},
      {"fe7f:ffff::", {}},
      {"fe80::", {false, false, false, true, false}},
      {"febf:ffff::", {false, false, false, true, false}},
      {"fec0::", {}},
      {"255.255.255.254", {}},
      {"255.255.255.255", {false, false, false, false, true}},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", {false, false, true, false, false}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    const auto address = ip(text);
    CHECK(Kinds{address.is_unspecified(), address.is_loopback(), address.is_multicast(),
                address.is_link_local(), address.is_broadcast()} == expected);
  }
}

TEST_CASE("order of addresses") {
  CHECK(ip("9.0.0.0") < ip("10.0.0.0"));
  CHECK(ip("127.255.255.255") < ip("128.0.0.0"));
  CHECK(ip("255.255.255.255") < ip("::"));
  CHECK(ip("0.0.0.0") != ip("::"));
  CHECK(ip("1.2.3.4") != ip("::ffff:1.2.3.4"));
  CHECK(IpAddress() == ip("0.0.0.0"));
}

TEST_CASE("prefixes that are read") {
  const struct {
    std::string text;
    std::string printed;
    std::string network;
    std::string broadcast;
  } cases[] = {
      {"10.42.253.46", "10.42.253.46/32", "10.42.253.46/32", ""},
      {"10.42.253.46/32", "10.42.253.46/32", "10.42.253.46/32", ""},
      {"10.42.253.46/31", "10.42.253.46/31", "10.42.253.46/31", ""},
      {"10.42.253.46/30", "10.42.253.46/30", "10.42.253.44/30", "10.42.253.47"},
      {"10.42.253.46/24", "10.42.253.46/24", "10.42.253.0/24", "10.42.253.255"},
      {"10.42.253.46/23", "10.42.253.46/23", "10.42.252.0/23", "10.42.253.255"},
      {"10.42.253.46/8", "10.42.253.46/8", "10.0.0.0/8", "10.255.255.255"},
      {"255.255.255.255/1", "255.255.255.255/1", "128.0.0.0/1", "255.255.255.255"},
      {"10.42.253.46/0", "10.42.253.46/0", "0.0.0.0/0", "255.255.255.255"},
      {"2001:db8:42::46", "2001:db8:42::46/128", "2001:db8:42::46/128", ""},
      {"2001:db8:42::46/64", "2001:db8:42::46/64", "2001:db8:42::/64", ""},
      {"2001:db8:42::46/127", "2001:db8:42::46/127", "2001:db8:42::46/127", ""},
      {"ffff::/9", "ffff::/9", "ff80::/9", ""},
      {"::/0", "::/0", "::/0", ""},
  };
  for (const auto& [text, printed, network, broadcast] : cases) {
    CAPTURE(text);
    const auto parsed = parse_ip_prefix(text);
    REQUIRE(parsed);
    CHECK(to_text(*parsed) == printed);
    CHECK(to_text(parsed->network()) == network);
    const auto last = parsed->broadcast();
    CHECK((last ? to_text(*last) : "") == broadcast);
    CHECK(parsed->is_host() == (parsed->length == address_bits(parsed->family())));
    CHECK(parsed->contains(parsed->address));
    CHECK(parse_ip_prefix(printed) == parsed);
  }
}

TEST_CASE("texts that are no prefix") {
  for (const std::string text : {"",
                                 "/",
                                 "/24",
                                 "10.0.0.0/",
                                 "10.0.0.0/33",
                                 "10.0.0.0/-1",
                                 "10.0.0.0/+8",
                                 "10.0.0.0/08",
                                 "10.0.0.0/00",
                                 "10.0.0.0/8 ",
                                 "10.0.0.0/ 8",
                                 "10.0.0.0/8/8",
                                 "10.0.0.0//8",
                                 "10.0.0.0/0x8",
                                 "10.0.0.0/255.0.0.0",
                                 "10.0.0.0/99999999999999999999",
                                 "10.0.0.0/4294967304",
                                 "10.0.0/8",
                                 "::/129",
                                 "::/256",
                                 "::/",
                                 "fe80::%eth0/64",
                                 "[::]/0"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ip_prefix(text));
  }
  CHECK_FALSE(parse_ip_prefix(std::string("10.0.0.0/8\0", 11)));
}

TEST_CASE("what a prefix contains") {
  const struct {
    std::string prefix;
    std::string address;
    bool expected;
  } cases[] = {
      {"10.128.0.0/14", "10.128.0.0", true},
      {"10.128.0.0/14", "10.131.255.255", true},
      {"10.128.0.0/14", "10.132.0.0", false},
      {"10.128.0.0/14", "10.127.255.255", false},
      {"10.42.253.46/24", "10.42.253.1", true},  // as an interface holds it
      {"10.42.253.46/32", "10.42.253.46", true},
      {"10.42.253.46/32", "10.42.253.47", false},
      {"0.0.0.0/0", "255.255.255.255", true},
      {"0.0.0.0/0", "::", false},
      {"::/0", "0.0.0.0", false},
      {"::/0", "ffff::", true},
      {"fd00::/8", "fdff::1", true},
      {"fd00::/8", "fc00::1", false},
      {"2001:db8::/127", "2001:db8::1", true},
      {"2001:db8::/127", "2001:db8::2", false},
      {"::ffff:10.0.0.0/104", "10.0.0.1", false},
  };
  for (const auto& [range, address, expected] : cases) {
    CAPTURE(range, address);
    CHECK(prefix(range).contains(ip(address)) == expected);
  }
  CHECK(default_prefix(Family::v4) == prefix("0.0.0.0/0"));
  CHECK(default_prefix(Family::v6) == prefix("::/0"));
}

TEST_CASE("MAC addresses are printed as ip prints them") {
  CHECK(to_text(MacAddress{{0x02, 0x42, 0x0a, 0x2a, 0xfd, 0x2e}}) == "02:42:0a:2a:fd:2e");
  CHECK(to_text(MacAddress{}) == "00:00:00:00:00:00");
  CHECK(to_text(kBroadcastMac) == "ff:ff:ff:ff:ff:ff");
}

TEST_CASE("names of families") {
  CHECK(to_text(Family::v4) == "IPv4");
  CHECK(to_text(Family::v6) == "IPv6");
}

}  // namespace
}  // namespace egress
