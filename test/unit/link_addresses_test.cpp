#include "redirect-proxy/wait/link_addresses.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::wait {
namespace {

using test::ip;

const std::string kHeader =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

// As the kernel prints a route; the little-endian words in hexadecimal.
std::string route(const std::string& link, const std::string& destination,
                  const std::string& gateway, const std::string& mask) {
  return link + "\t" + destination + "\t" + gateway + "\t0003\t0\t0\t0\t" + mask + "\t0\t0\t0\n";
}

TEST_CASE("the default gateway out of /proc/net/route") {
  const std::string other = route("eth0", "00000000", "01010AA9", "00000000");
  const std::string ours = route("macvlan0", "00000000", "01FD2A0A", "00000000");
  const std::string subnet = route("macvlan0", "00FD2A0A", "00000000", "00FFFFFF");
  const struct {
    std::string text;
    std::optional<IpAddress> expected;
  } cases[] = {
      {kHeader + other + subnet + ours, ip("10.42.253.1")},
      {kHeader + ours + route("macvlan0", "00000000", "02FD2A0A", "00000000"), ip("10.42.253.1")},
      {kHeader + route("macvlan0", "00000000", "01fd2a0a", "00000000"), ip("10.42.253.1")},
      {kHeader + route("macvlan0", "00000000", "FFFFFFFF", "00000000"), ip("255.255.255.255")},
      {"", {}},
      {kHeader, {}},
      {kHeader + other + subnet, {}},
      {kHeader + route("macvlan00", "00000000", "01FD2A0A", "00000000"), {}},
      // 0.0.0.0/1, as VPNs set it, is half of the world only.
      {kHeader + route("macvlan0", "00000000", "02FD2A0A", "00000080") + ours, ip("10.42.253.1")},
      {kHeader + route("macvlan0", "00000000", "02FD2A0A", "00000080"), {}},
      // By the link alone, without a gateway.
      {kHeader + route("macvlan0", "00000000", "00000000", "00000000"), {}},
      // What the kernel does not print.
      {"macvlan0\n", {}},
      {"macvlan0\t00000000\n", {}},
      {route("macvlan0", "00000000", "", "00000000"), {}},
      {route("macvlan0", "00000000", "0", "00000000"), {}},
      {route("macvlan0", "00000000", "0x1FD2A0A", "00000000"), {}},
      {route("macvlan0", "00000000", "-1FD2A0A", "00000000"), {}},
      {route("macvlan0", "00000000", "01FD2A0G", "00000000"), {}},
      {route("macvlan0", "00000000", "101FD2A0A", "00000000"), {}},
      {std::string("macvlan0\t00000000\t01\0\t0003\0", 26), {}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(parse_default_gateway(text, "macvlan0") == expected);
  }
  CHECK_FALSE(parse_default_gateway(kHeader + ours, ""));
}

TEST_CASE("neighbours that the kernel knows, out of /proc/net/arp") {
  const std::string header =
      "IP address       HW type     Flags       HW address            Mask     Device\n";
  const std::string rest = "  02:42:0a:2a:fd:42     *        ";
  const struct {
    std::string text;
    std::optional<bool> expected;
  } cases[] = {
      {header + "10.42.253.1      0x1         0x2       " + rest + "macvlan0\n", true},
      {header + "10.42.253.1      0x1         0x6       " + rest + "macvlan0\n", true},
      {header + "10.42.253.9      0x1         0x2       " + rest + "macvlan0\n" +
           "10.42.253.1      0x1         0x2       " + rest + "macvlan0",
       true},
      {header + "10.42.253.1      0x1         0x0       " + rest + "macvlan0\n", false},
      {header + "10.42.253.1      0x1         0xc       " + rest + "macvlan0\n", false},
      {header + "10.42.253.1      0x1         0x2       " + rest + "eth0\n", std::nullopt},
      {header + "10.42.253.11     0x1         0x2       " + rest + "macvlan0\n", std::nullopt},
      {header, std::nullopt},
      {"", std::nullopt},
      {"10.42.253.1 0x1 0x2 02:42:0a:2a:fd:42 macvlan0\n", std::nullopt},
      {"10.42.253.1 0x1 2 02:42:0a:2a:fd:42 * macvlan0\n", std::nullopt},
      {"10.42.253.1 0x1 0xzz 02:42:0a:2a:fd:42 * macvlan0\n", std::nullopt},
      {"10.42.253.1 0x1 0xfffffffff 02:42:0a:2a:fd:42 * macvlan0\n", std::nullopt},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(parse_known_neighbour(text, "macvlan0", ip("10.42.253.1")) == expected);
  }
}

TEST_CASE("the default gateway, out of /proc/net/ipv6_route") {
  const std::string any(32, '0');
  const std::string gateway = "20010db8425300000000000000000001";
  const std::string rest = " 00000400 00000001 00000000 00000003 ";
  const auto route = [&](const std::string& length, const std::string& hop,
                         const std::string& link) {
    return any + " " + length + " " + any + " 00 " + hop + rest + " " + link + "\n";
  };
  const struct {
    std::string text;
    std::string expected;
  } cases[] = {
      {route("00", gateway, "macvlan0"), "2001:db8:4253::1"},
      {route("40", gateway, "macvlan0") + route("00", gateway, "macvlan0"), "2001:db8:4253::1"},
      {route("00", gateway, "eth0"), ""},
      {route("40", gateway, "macvlan0"), ""},
      {route("00", any, "macvlan0"), ""},
      {route("00", gateway.substr(1), "macvlan0"), ""},
      {route("00", "zz" + gateway.substr(2), "macvlan0"), ""},
      {any + " 00\n", ""},
      {"", ""},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    const auto found = parse_default_gateway6(text, "macvlan0");
    CHECK((found ? to_text(*found) : "") == expected);
  }
}

TEST_CASE("addresses of a link") {
  CHECK(read_link_addresses("no-such-link").empty());
  CHECK(read_link_addresses("").empty());
  CHECK(read_link_addresses(std::string(1000, 'x')).empty());
}

}  // namespace
}  // namespace egress::wait
