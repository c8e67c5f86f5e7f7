// IP and MAC addresses and prefixes as values: parsed strictly, compared, printed. No sockets, no
// name resolution.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace egress {

enum class Family : std::uint8_t { v4, v6 };

constexpr std::uint8_t address_bits(Family family) { return family == Family::v4 ? 32 : 128; }
constexpr std::string_view to_text(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }
inline constexpr std::array kFamilies{Family::v4, Family::v6};

// One T for each address family.
template <class T>
struct PerFamily {
  T v4{};
  T v6{};

  T& operator[](Family family) { return family == Family::v4 ? v4 : v6; }
  const T& operator[](Family family) const { return family == Family::v4 ? v4 : v6; }
  bool operator==(const PerFamily&) const = default;
};

// An IPv4 or IPv6 address without zone. Default: 0.0.0.0.
class IpAddress {
 public:
  IpAddress() = default;

  // Takes 4 or 16 bytes in network order; any other size is a bug.
  static IpAddress from_bytes(std::span<const std::uint8_t> bytes);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::v4; }
  bool is_v6() const { return family_ == Family::v6; }
  // 4 or 16 bytes in network order, owned by this object.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4U : 16U}; }

  bool is_unspecified() const;
  bool is_loopback() const;    // 127.0.0.0/8 (RFC 1122), ::1
  bool is_multicast() const;   // 224.0.0.0/4, ff00::/8
  bool is_link_local() const;  // 169.254.0.0/16, fe80::/10
  bool is_broadcast() const;   // 255.255.255.255

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

// Dotted quad with four decimal numbers and no leading zeros, or RFC 4291 §2.2 text; nothing else
// (no zone, no brackets, no 10.1, no 010.0.0.1). Empty where the text is anything else.
std::optional<IpAddress> parse_ip_address(std::string_view text);
std::string to_text(const IpAddress& address);  // dotted quad, or RFC 5952

// An address with the length of its network prefix, as an interface holds it (10.42.253.46/24) or,
// with the host bits zero, as a route names it (10.128.0.0/14).
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;  // 0 to 32 or 128

  Family family() const { return address.family(); }
  bool contains(const IpAddress& other) const;
  bool is_host() const { return length == address_bits(family()); }
  IpPrefix network() const;                    // host bits cleared
  std::optional<IpAddress> broadcast() const;  // IPv4 up to /30, else none

  auto operator<=>(const IpPrefix&) const = default;
};

// ADDRESS or ADDRESS/LENGTH; without a length, all bits. The length has no sign and no leading
// zero.
std::optional<IpPrefix> parse_ip_prefix(std::string_view text);
std::string to_text(const IpPrefix& prefix);  // always with /LENGTH
IpPrefix default_prefix(Family family);       // 0.0.0.0/0 or ::/0

// A 48-bit Ethernet address.
struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  bool operator==(const MacAddress&) const = default;
};

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

std::string to_text(const MacAddress& mac);  // "02:42:0a:2a:fd:2e"

}  // namespace egress
