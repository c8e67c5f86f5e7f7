#include "common/link/neighbour_messages.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "test/support/parse.hpp"

namespace egress::link {
namespace {

using test::ip;

constexpr MacAddress kOurs{{0x02, 0x42, 0x0a, 0x2a, 0xfd, 0x2e}};
constexpr MacAddress kOther{{0x02, 0x42, 0x0a, 0x2a, 0xfd, 0x42}};

// Offsets in a frame.
constexpr std::size_t kEtherType = 12;
constexpr std::size_t kArp = 14;
constexpr std::size_t kIpv6 = 14;
constexpr std::size_t kIcmp = 54;
constexpr std::size_t kOption = kIcmp + 24;

std::uint8_t digit(char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// Hexadecimal digits; blanks are for the reader.
Frame bytes(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  Frame frame;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    frame.push_back(static_cast<std::uint8_t>(digit(text[i]) << 4U | digit(text[i + 1])));
  }
  return frame;
}

// Field by field as in the RFCs; the checksums were computed by another implementation (scapy).
const Frame kProbe4 = bytes(
    "ffffffffffff 02420a2afd2e 0806"
    "0001 0800 06 04 0001 02420a2afd2e 00000000 000000000000 0a2afd2e");
const Frame kAsk4 = bytes(
    "ffffffffffff 02420a2afd2e 0806"
    "0001 0800 06 04 0001 02420a2afd2e 0a2afd2e 000000000000 0a2afd01");
const Frame kAnnounce4 = bytes(
    "ffffffffffff 02420a2afd2e 0806"
    "0001 0800 06 04 0001 02420a2afd2e 0a2afd2e 000000000000 0a2afd2e");
const Frame kReply4 = bytes(
    "02420a2afd2e 02420a2afd42 0806"
    "0001 0800 06 04 0002 02420a2afd42 0a2afd01 02420a2afd2e 0a2afd2e");
const Frame kProbe6 = bytes(
    "3333ff000046 02420a2afd2e 86dd"
    "60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000046"
    "87 00 4c21 00000000 20010db8004200000000000000000046");
const Frame kAsk6 = bytes(
    "3333ff000001 02420a2afd2e 86dd"
    "60000000 0020 3a ff 20010db8004200000000000000000046 ff0200000000000000000001ff000001"
    "87 00 13c6 00000000 20010db8004200000000000000000001 01 01 02420a2afd2e");
const Frame kAnnounce6 = bytes(
    "333300000001 02420a2afd2e 86dd"
    "60000000 0020 3a ff 20010db8004200000000000000000046 ff020000000000000000000000000001"
    "88 00 f082 20000000 20010db8004200000000000000000046 02 01 02420a2afd2e");

const std::vector<Frame> kAll{kProbe4, kAsk4, kAnnounce4, kReply4, kProbe6, kAsk6, kAnnounce6};

// A checksum that fits what stands in the frame now (RFC 1071, RFC 8200 §8.1).
void mend_checksum(Frame& frame) {
  const std::size_t length = std::size_t{frame[kIpv6 + 4]} << 8U | frame[kIpv6 + 5];
  REQUIRE(kIcmp + length <= frame.size());
  frame[kIcmp + 2] = frame[kIcmp + 3] = 0;
  std::uint64_t sum = length + 58;
  for (std::size_t i = kIpv6 + 8; i < kIcmp + length; ++i) {
    sum += i % 2 == 0 ? std::uint64_t{frame[i]} << 8U : frame[i];
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16U);
  frame[kIcmp + 2] = static_cast<std::uint8_t>(~sum >> 8U & 0xffU);
  frame[kIcmp + 3] = static_cast<std::uint8_t>(~sum & 0xffU);
}

Frame with_options(Frame frame, const std::string& options) {
  frame.resize(kOption);
  for (const auto byte : bytes(options)) frame.push_back(byte);
  const std::size_t length = frame.size() - kIcmp;
  frame[kIpv6 + 4] = static_cast<std::uint8_t>(length >> 8U);
  frame[kIpv6 + 5] = static_cast<std::uint8_t>(length & 0xffU);
  mend_checksum(frame);
  return frame;
}

TEST_CASE("questions and announcements, byte by byte") {
  CHECK(encode_question({kOurs, {}, ip("10.42.253.46")}) == kProbe4);
  CHECK(encode_question({kOurs, ip("10.42.253.46"), ip("10.42.253.1")}) == kAsk4);
  CHECK(encode_announcement(kOurs, ip("10.42.253.46")) == kAnnounce4);
  CHECK(encode_question({kOurs, {}, ip("2001:db8:42::46")}) == kProbe6);
  CHECK(encode_question({kOurs, ip("2001:db8:42::46"), ip("2001:db8:42::1")}) == kAsk6);
  CHECK(encode_announcement(kOurs, ip("2001:db8:42::46")) == kAnnounce6);
}

TEST_CASE("the group of a solicited node") {
  CHECK(to_text(solicited_node_mac(ip("2001:db8:42::46"))) == "33:33:ff:00:00:46");
  CHECK(to_text(solicited_node_mac(ip("fe80::abcd:ef12:3456"))) == "33:33:ff:12:34:56");
  CHECK(to_text(solicited_node_mac(ip("::ffff:ffff"))) == "33:33:ff:ff:ff:ff");
  CHECK(to_text(kAllNodesMac) == "33:33:00:00:00:01");
}

TEST_CASE("what a well-formed message says") {
  const struct {
    Frame frame;
    NeighbourMessage expected;
  } cases[] = {
      {kProbe4, {kOurs, {}, ip("10.42.253.46")}},
      {kAsk4, {kOurs, ip("10.42.253.46"), ip("10.42.253.1")}},
      {kAnnounce4, {kOurs, ip("10.42.253.46"), ip("10.42.253.46")}},
      {kReply4, {kOther, ip("10.42.253.1"), {}}},
      {kProbe6, {kOurs, {}, ip("2001:db8:42::46")}},
      {kAsk6, {kOurs, ip("2001:db8:42::46"), ip("2001:db8:42::1")}},
      {kAnnounce6, {kOurs, ip("2001:db8:42::46"), {}}},
  };
  for (const auto& [frame, expected] : cases) CHECK(parse_neighbour(frame) == expected);
}

TEST_CASE("every checksum of what is encoded fits, also where sums carry") {
  for (const std::string target : {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "::2", "fe80::1",
                                   "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    for (const auto& mac : {MacAddress{}, kOurs, MacAddress{{0xfe, 255, 255, 255, 255, 255}}}) {
      for (Frame frame : {encode_question({mac, {}, ip(target)}),
                          encode_question({mac, ip(target), ip(target)})}) {
        const Frame before = frame;
        mend_checksum(frame);
        CHECK(frame == before);
      }
    }
  }
}

TEST_CASE("a frame cut short at any byte is none") {
  for (const auto& whole : kAll) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Frame cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CAPTURE(size, whole.size());
      CHECK_FALSE(parse_neighbour(cut));
    }
  }
}

TEST_CASE("Ethernet's padding changes nothing") {
  for (auto frame : kAll) {
    const auto expected = parse_neighbour(frame);
    for (const std::size_t size : {frame.size() + 1, std::size_t{128}, std::size_t{2048}}) {
      frame.resize(size, 0xff);
      CHECK(parse_neighbour(frame) == expected);
    }
  }
}

// Each byte that the RFCs prescribe, and what it may not be.
TEST_CASE("frames that are refused") {
  struct Row {
    std::string what;
    Frame frame;
    std::size_t at;
    Frame instead;
  };
  const Row rows[] = {
      {"another ether type", kAsk4, kEtherType, bytes("0800")},
      {"RARP", kAsk4, kEtherType, bytes("8035")},
      {"a VLAN tag", kAsk4, kEtherType, bytes("8100 0014 0806")},
      {"a VLAN tag, and IPv6", kAsk6, kEtherType, bytes("8100 0014 86dd")},
      {"IEEE 802.3 with a length", kAsk4, kEtherType, bytes("001c")},
      {"ARP taken for IPv6", kAsk4, kEtherType, bytes("86dd")},
      {"IPv6 taken for ARP", kAsk6, kEtherType, bytes("0806")},
      {"another hardware type", kAsk4, kArp, bytes("0006")},
      {"another protocol type", kAsk4, kArp + 2, bytes("86dd")},
      {"hardware addresses of 8 bytes", kAsk4, kArp + 4, bytes("08")},
      {"hardware addresses of 0 bytes", kAsk4, kArp + 4, bytes("00")},
      {"protocol addresses of 16 bytes", kAsk4, kArp + 5, bytes("10")},
      {"ARP operation 0", kAsk4, kArp + 6, bytes("0000")},
      {"ARP operation 3", kAsk4, kArp + 6, bytes("0003")},
      {"ARP operation 257", kAsk4, kArp + 6, bytes("0101")},
      {"IP version 4", kAsk6, kIpv6, bytes("40")},
      {"IP version 7", kAsk6, kIpv6, bytes("70")},
      {"payload length 0", kAsk6, kIpv6 + 4, bytes("0000")},
      {"payload length 23", kAsk6, kIpv6 + 4, bytes("0017")},
      {"payload beyond the frame", kAsk6, kIpv6 + 4, bytes("0021")},
      {"the largest payload", kAsk6, kIpv6 + 4, bytes("ffff")},
      {"hop-by-hop options before", kAsk6, kIpv6 + 6, bytes("00")},
      {"a fragment", kAsk6, kIpv6 + 6, bytes("2c")},
      {"hop limit 254", kAsk6, kIpv6 + 7, bytes("fe")},
      {"hop limit 0", kAnnounce6, kIpv6 + 7, bytes("00")},
  };
  for (const auto& [what, original, at, instead] : rows) {
    CAPTURE(what);
    Frame frame = original;
    std::copy(instead.begin(), instead.end(), frame.begin() + static_cast<std::ptrdiff_t>(at));
    CHECK_FALSE(parse_neighbour(frame));
  }
}

TEST_CASE("ICMPv6 that is refused although its checksum fits") {
  struct Row {
    std::string what;
    std::size_t at;
    std::string instead;
  };
  const Row rows[] = {
      {"code 1", kIcmp + 1, "01"},
      {"code 255", kIcmp + 1, "ff"},
      {"a router solicitation", kIcmp, "85"},
      {"a router advertisement", kIcmp, "86"},
      {"a redirect", kIcmp, "89"},
      {"an echo request", kIcmp, "80"},
      {"a multicast target", kIcmp + 8, "ff"},
      {"option length 0", kOption + 1, "00"},
      {"an option beyond the message", kOption + 1, "02"},
      {"the longest option", kOption + 1, "ff"},
  };
  for (const auto& original : {kAsk6, kAnnounce6}) {
    for (const auto& [what, at, instead] : rows) {
      CAPTURE(what);
      Frame frame = original;
      frame[at] = bytes(instead)[0];
      mend_checksum(frame);
      CHECK_FALSE(parse_neighbour(frame));
    }
  }
}

TEST_CASE("a damaged message is none") {
  for (const auto& original : {kProbe6, kAsk6, kAnnounce6}) {
    for (std::size_t at = kIcmp; at < original.size(); ++at) {
      Frame frame = original;
      frame[at] ^= 0x10;
      CAPTURE(at);
      CHECK_FALSE(parse_neighbour(frame));
    }
  }
}

TEST_CASE("options of an advertisement") {
  const struct {
    std::string options;
    std::optional<MacAddress> sender;
  } cases[] = {
      {"", kOurs},  // the frame's own
      {"02 01 02420a2afd42", kOther},
      {"0e 01 000102030405 02 01 02420a2afd42", kOther},  // a nonce before (RFC 3971)
      {"0e 02 0001020304050607080910111213 02 01 02420a2afd42", kOther},
      {"01 01 02420a2afd42", kOurs},  // that of a solicitation
      {"02 01 02420a2afd42 02 01 02420a2afd2e", kOther},
      {"02 01 02420a2afd42 00 00 000000000000", {}},  // all are checked, RFC 4861 §7.1.2
      {"0e 00 000102030405 02 01 02420a2afd42", {}},
      {"02", {}},
      {"02 01", {}},
      {"02 01 02420a2afd", {}},
      {"02 01 02420a2afd42 02 01 02420a", {}},
  };
  for (const auto& [options, sender] : cases) {
    CAPTURE(options);
    const auto message = parse_neighbour(with_options(kAnnounce6, options));
    CHECK(message.has_value() == sender.has_value());
    if (message && sender) CHECK(*message == NeighbourMessage{*sender, ip("2001:db8:42::46"), {}});
  }
}

TEST_CASE("an ARP probe and an announcement of nobody") {
  Frame frame = kAnnounce4;
  std::fill_n(frame.begin() + kArp + 14, 4, std::uint8_t{0});
  std::fill_n(frame.begin() + kArp + 24, 4, std::uint8_t{0});
  CHECK(parse_neighbour(frame) == NeighbourMessage{kOurs, {}, ip("0.0.0.0")});
}

TEST_CASE("any byte anywhere") {
  // Under the address sanitizer, which sees a read beyond the frame.
  for (const auto& original : kAll) {
    for (std::size_t at = 0; at < original.size(); ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        Frame frame = original;
        frame[at] = static_cast<std::uint8_t>(value);
        frame.shrink_to_fit();
        const auto message = parse_neighbour(frame);
        if (message && !message->claims && !message->asks) {
          // Only a reply in the name of nobody says nothing.
          CHECK(frame[kArp + 7] == 2);
        }
      }
    }
  }
}

}  // namespace
}  // namespace egress::link
