#include "common/port.hpp"

#include <catch2/catch.hpp>

namespace egress {
namespace {

TEST_CASE("ports") {
  const struct {
    std::string text;
    std::optional<std::uint16_t> expected;
  } cases[] = {
      {"1", std::uint16_t{1}},
      {"9", std::uint16_t{9}},
      {"80", std::uint16_t{80}},
      {"65535", std::uint16_t{65535}},
      {"0", {}},
      {"65536", {}},
      {"65616", {}},       // 80, if it wrapped
      {"4294967376", {}},  // 80, if it wrapped
      {"18446744073709551696", {}},
      {"99999999999999999999999999", {}},
      {"", {}},
      {"-1", {}},
      {"+80", {}},
      {"080", {}},
      {"00", {}},
      {" 80", {}},
      {"80 ", {}},
      {"80\n", {}},
      {"8 0", {}},
      {"0x50", {}},
      {"80.0", {}},
      {"8e1", {}},
      {"http", {}},
      {"80,81", {}},
      {"\xef\xbc\x98\xef\xbc\x90", {}},  // full-width digits
      {"\xd9\xa8\xd9\xa0", {}},          // Arabic digits
      {std::string("80\0", 3), {}},
      {std::string("\0", 1), {}},
      {"\xff", {}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(parse_port(text) == expected);
  }
  CHECK_FALSE(parse_port(std::string(1 << 20, '1')));
  for (unsigned port = 1; port <= 65535; ++port) {
    if (parse_port(std::to_string(port)) != port) FAIL(port);
  }
}

TEST_CASE("ranges of ports") {
  const struct {
    std::string text;
    std::optional<PortRange> expected;
    std::string printed;
  } cases[] = {
      {"80", PortRange{80, 80}, "80"},
      {"80-80", PortRange{80, 80}, "80"},
      {"8000-8099", PortRange{8000, 8099}, "8000-8099"},
      {"1-65535", PortRange{1, 65535}, "1-65535"},
      {"65535-65535", PortRange{65535, 65535}, "65535"},
      {"0-80", {}, ""},
      {"1-65536", {}, ""},
      {"81-80", {}, ""},
      {"80-", {}, ""},
      {"-80", {}, ""},
      {"-", {}, ""},
      {"", {}, ""},
      {"80--81", {}, ""},
      {"80-81-82", {}, ""},
      {"80 - 81", {}, ""},
      {"80-081", {}, ""},
      {"80:81", {}, ""},
      {"80\xe2\x80\x93"
       "81",
       {},
       ""},
      {std::string("80\0-81", 6), {}, ""},
  };
  for (const auto& [text, expected, printed] : cases) {
    CAPTURE(text);
    const auto range = parse_port_range(text);
    CHECK(range == expected);
    if (range) CHECK(to_text(*range) == printed);
  }
}

TEST_CASE("a range knows its size and its ports") {
  const PortRange all{1, 65535};
  CHECK(all.size() == 65535);
  CHECK(all.contains(1));
  CHECK(all.contains(65535));
  CHECK_FALSE(all.contains(0));
  CHECK_FALSE(all.is_single());
  const PortRange few{8000, 8009};
  CHECK(few.size() == 10);
  CHECK_FALSE(few.contains(7999));
  CHECK(few.contains(8000));
  CHECK(few.contains(8009));
  CHECK_FALSE(few.contains(8010));
  CHECK(PortRange{80, 80}.is_single());
  CHECK(PortRange{80, 80}.size() == 1);
}

TEST_CASE("protocols") {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    CHECK(parse_protocol(to_text(protocol)) == protocol);
  }
  CHECK(static_cast<int>(Protocol::tcp) == 6);
  CHECK(static_cast<int>(Protocol::udp) == 17);
  CHECK(static_cast<int>(Protocol::sctp) == 132);
  for (const std::string text : {"", "TCP", "Tcp", "tcpp", "tc", "tcp ", "6", "icmp", "unknown"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_protocol(text));
  }
}

}  // namespace
}  // namespace egress
