#include "common/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstdio>

namespace egress {
namespace {

std::uint8_t mask_byte(unsigned length, std::size_t index) {
  const auto bits = static_cast<int>(length) - static_cast<int>(index) * 8;
  if (bits >= 8) return 0xff;
  if (bits <= 0) return 0;
  return static_cast<std::uint8_t>(0xff00U >> bits);
}

}  // namespace

IpAddress IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  assert(bytes.size() == 4 || bytes.size() == 16);
  IpAddress address;
  address.family_ = bytes.size() == 4 ? Family::v4 : Family::v6;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (bytes_[0] & 0xf0U) == 0xe0U : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80U;
}

bool IpAddress::is_broadcast() const {
  return is_v4() && std::all_of(bytes_.begin(), bytes_.begin() + 4,
                                [](std::uint8_t byte) { return byte == 0xff; });
}

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  // inet_pton wants a terminated string and stops at NUL; the longest address has 45 characters
  // (RFC 4291 §2.2).
  char buffer[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof buffer || text.find('\0') != text.npos) return std::nullopt;
  std::copy(text.begin(), text.end(), buffer);
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, buffer, bytes.data()) == 1) {
    return IpAddress::from_bytes(std::span(bytes).first(4));
  }
  if (::inet_pton(AF_INET6, buffer, bytes.data()) == 1) return IpAddress::from_bytes(bytes);
  return std::nullopt;
}

std::string to_text(const IpAddress& address) {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (address.is_v4()) {
    // inet_ntop goes by sprintf, which every line of an access log would pay for twice.
    const auto bytes = address.bytes();
    char* end = std::to_chars(buffer, std::end(buffer), bytes[0]).ptr;
    for (const auto byte : bytes.subspan(1)) {
      if (end < std::end(buffer)) *end++ = '.';  // always; GCC 12 cannot see it
      end = std::to_chars(end, std::end(buffer), byte).ptr;
    }
    return {buffer, end};
  }
  ::inet_ntop(AF_INET6, address.bytes().data(), buffer, sizeof buffer);
  return buffer;
}

bool IpPrefix::contains(const IpAddress& other) const {
  return other.family() == family() && IpPrefix{other, length}.network() == network();
}

IpPrefix IpPrefix::network() const {
  std::array<std::uint8_t, 16> bytes{};
  const auto from = address.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(from[i] & mask_byte(length, i));
  }
  return {IpAddress::from_bytes(std::span(bytes).first(from.size())), length};
}

std::optional<IpAddress> IpPrefix::broadcast() const {
  if (address.is_v6() || length > 30) return std::nullopt;  // RFC 3021: a /31 has none
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<std::uint8_t>(address.bytes()[i] | (0xffU & ~mask_byte(length, i)));
  }
  return IpAddress::from_bytes(bytes);
}

std::optional<IpPrefix> parse_ip_prefix(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::uint8_t most = address_bits(address->family());
  if (slash == text.npos) return IpPrefix{*address, most};
  const auto digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (status != std::errc{} || end != digits.data() + digits.size() || length > most ||
      (digits.size() > 1 && digits.front() == '0')) {
    return std::nullopt;
  }
  return IpPrefix{*address, static_cast<std::uint8_t>(length)};
}

std::string to_text(const IpPrefix& prefix) {
  return to_text(prefix.address) + "/" + std::to_string(prefix.length);
}

IpPrefix default_prefix(Family family) {
  const std::array<std::uint8_t, 16> zero{};
  return {IpAddress::from_bytes(std::span(zero).first(family == Family::v4 ? 4 : 16)), 0};
}

std::string to_text(const MacAddress& mac) {
  char text[18] = {};
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac.bytes[0], mac.bytes[1],
                mac.bytes[2], mac.bytes[3], mac.bytes[4], mac.bytes[5]);
  return text;
}

}  // namespace egress
