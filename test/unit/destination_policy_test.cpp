// Which addresses are restricted, in every embedded form, and what opens them.
#include "common/destination_policy.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "common/embedded_ipv4.hpp"
#include "test/support/parse.hpp"

namespace egress {
namespace {

using test::ip;

const LocalSide kLocal{
    .addresses = {ip("10.128.0.9"), ip("127.0.0.1"), ip("2001:db8::9"), ip("::1")},
    .listeners = {{std::nullopt, 80}, {ip("10.128.0.9"), 9180}, {ip("127.0.0.1"), 8080}},
};

// By the literals and prefixes of a configuration; "open" where nothing restricts it.
std::string restriction(const std::string& address, std::uint16_t port = 443,
                        const std::vector<std::string>& named = {}) {
  const auto found = find_restriction(
      {ip(address), port}, kLocal, [&](const IpAddress& one, std::uint8_t min_length) {
        return std::any_of(named.begin(), named.end(), [&](const std::string& text) {
          const auto prefix = *parse_ip_prefix(text);
          return prefix.length >= min_length && prefix.contains(one);
        });
      });
  return std::string(found ? to_text(*found) : "open");
}

TEST_CASE("special-purpose addresses are restricted in every embedded form") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"127.0.0.1", "loopback"},
      {"169.254.169.254", "link_local"},
      {"192.0.0.192", "protocol_assignments"},
      {"100.100.100.200", "metadata"},
      {"168.63.129.16", "metadata"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"255.255.255.255", "broadcast"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.254", "reserved"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    const auto address = ip(text);
    const auto v4 = address.bytes();
    CHECK(restriction(text) == expected);
    for (const std::string prefix : {"::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::",
                                     "2001:db8::5efe:", "fd00::200:5efe:"}) {
      INFO(prefix);
      // Where the layout is the operator's choice, trailing zeros make it ambiguous.
      const bool is_unclear = prefix == "64:ff9b:1::" && v4[1] == 0 && v4[2] == 0 && v4[3] == 0;
      CHECK(restriction(prefix + text) == (is_unclear ? "unclear_embedding" : expected));
    }
    char six_to_four[64] = {};
    std::snprintf(six_to_four, sizeof six_to_four, "2002:%02x%02x:%02x%02x::1", v4[0], v4[1], v4[2],
                  v4[3]);
    CHECK(restriction(six_to_four) == expected);
  }
}

TEST_CASE("special-purpose IPv6 addresses") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"fe80::1", "link_local"},
      {"febf::1", "link_local"},
      {"fec0::1", "open"},
      {"ff02::1", "multicast"},
      {"100::1", "reserved"},
      {"100:0:0:1::1", "open"},
      {"fd00:ec2::254", "metadata"},
      {"fd00:ec2::23", "metadata"},
      {"fd00:ec3::254", "open"},
      {"fd20:ce::254", "metadata"},
      {"fd20:ce::255", "open"},
      {"fd00:c1::a9fe:a9fe", "metadata"},
      {"fd00:42::42", "metadata"},
      {"::192.0.2.1", "ipv4_compatible"},
      {"64:ff9b:1::", "unclear_embedding"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(restriction(text) == expected);
  }
}

TEST_CASE("ordinary addresses are not restricted") {
  for (const std::string text :
       {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.201", "192.0.2.1",
        "198.18.0.1", "192.0.1.1", "223.255.255.255", "1.1.1.1", "fd12::1", "2001:db8::1",
        "64:ff9b::192.0.2.1", "::ffff:192.0.2.1", "2002:c000:201::1"}) {
    INFO(text);
    CHECK(restriction(text) == "open");
  }
}

TEST_CASE("a range is opened by a prefix no wider than itself") {
  CHECK(restriction("127.0.0.1", 443, {"127.0.0.0/8"}) == "open");  // an own address as well
  CHECK(restriction("127.0.0.1", 443, {"127.0.0.1/32"}) == "open");
  CHECK(restriction("::ffff:127.0.0.1", 443, {"127.0.0.0/8"}) == "open");
  CHECK(restriction("127.0.0.1", 443, {"0.0.0.0/0"}) == "loopback");
  CHECK(restriction("127.0.0.1", 443, {"126.0.0.0/7"}) == "loopback");
  CHECK(restriction("fd00:ec2::254", 443, {"fd00::/8"}) == "metadata");
  CHECK(restriction("fd00:ec2::254", 443, {"fd00:ec2::254/128"}) == "open");
  CHECK(restriction("::192.0.2.1", 443, {"::/96"}) == "open");
  CHECK(restriction("64:ff9b::169.254.169.254", 443, {"64:ff9b::/96"}) == "open");
  CHECK(restriction("64:ff9b::169.254.169.254", 443, {"64:ff9b::/32"}) == "link_local");
}

TEST_CASE("own addresses are opened by their literal, own listeners by nothing") {
  CHECK(restriction("10.128.0.9") == "own_address");
  CHECK(restriction("64:ff9b::10.128.0.9") == "own_address");
  CHECK(restriction("2001:db8::9") == "own_address");
  CHECK(restriction("10.128.0.9", 443, {"10.128.0.9/32"}) == "open");
  CHECK(restriction("10.128.0.9", 443, {"10.128.0.0/16"}) == "own_address");
  const std::vector<std::string> all{"10.128.0.9/32", "127.0.0.0/8",     "0.0.0.0/8",
                                     "::1/128",       "2001:db8::9/128", "64:ff9b::/96"};
  for (const std::string text : {"10.128.0.9", "127.0.0.1", "127.9.9.9", "0.0.0.0", "::1",
                                 "::", "2001:db8::9", "::ffff:10.128.0.9", "64:ff9b::10.128.0.9"}) {
    INFO(text);
    CHECK(restriction(text, 80, all) == "own_listener");
  }
  CHECK(restriction("10.128.0.9", 9180, all) == "own_listener");
  CHECK(restriction("127.0.0.1", 9180, all) == "open");
  CHECK(restriction("127.0.0.1", 8080, all) == "own_listener");
  CHECK(restriction("0.0.0.0", 8080, all) == "own_listener");  // Linux connects it to 127.0.0.1
}

TEST_CASE("IPv4 addresses inside IPv6 ones") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"::ffff:192.0.2.33", "192.0.2.33"},
      {"::ffff:0:192.0.2.33", "192.0.2.33"},
      {"::192.0.2.33", "192.0.2.33"},
      {"64:ff9b::192.0.2.33", "192.0.2.33"},
      {"64:ff9b:1::192.0.2.33", "192.0.2.33"},
      {"64:ff9b:1:c000:2:2100::", "none"},     // RFC 6052 §2.2, /48: might as well be a /64 or /96
      {"64:ff9b:1:fec0:0:221::", "none"},      // /56
      {"64:ff9b:1:fefe:c0:2:2100:0", "none"},  // /64
      {"64:ff9b:1:fefe::33.0.0.0", "none"},
      {"64:ff9b:1:fefe:ff00::192.0.2.33", "none"},
      {"2002:c000:221::", "192.0.2.33"},
      {"2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"},  // RFC 4380 §4
      {"fe80::5efe:192.0.2.33", "192.0.2.33"},
      {"2001:db8::200:5efe:192.0.2.33", "192.0.2.33"},
      {"2001:db8::1", "none"},
      {"64:ff9b:2::1", "none"},
      {"2001:1::1", "none"},
      {"::1", "none"},
      {"64:ff9b:1::", "none"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    const auto found = embedded_ipv4(ip(text)).address;
    CHECK((found ? to_text(*found) : "none") == expected);
  }
}

}  // namespace
}  // namespace egress
