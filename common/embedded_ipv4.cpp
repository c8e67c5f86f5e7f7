#include "common/embedded_ipv4.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace egress {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool begins_with(Bytes bytes, std::initializer_list<std::uint8_t> start) {
  return std::equal(start.begin(), start.end(), bytes.begin());
}

IpAddress last_four(Bytes bytes) { return IpAddress::from_bytes(bytes.last(4)); }

// The layout is the operator's choice (RFC 8215 §4), of four in RFC 6052 §2.2: that for a /96 ends
// in the address, the others end in zeros from byte 13 on at the latest; byte 8 is zero in all.
std::optional<IpAddress> local_nat64_address(Bytes bytes) {
  if (bytes[8] != 0 || is_zero(bytes.last(3))) return std::nullopt;
  return last_four(bytes);
}

IpAddress teredo_client(Bytes bytes) {
  std::array<std::uint8_t, 4> address{};
  for (std::size_t i = 0; i < 4; ++i) address[i] = static_cast<std::uint8_t>(bytes[12 + i] ^ 0xffU);
  return IpAddress::from_bytes(address);
}

}  // namespace

EmbeddedIpv4 embedded_ipv4(const IpAddress& address) {
  if (address.is_v4() || address.is_unspecified() || address.is_loopback()) return {};
  const Bytes bytes = address.bytes();
  if (is_zero(bytes.first(10)) && bytes[10] == 0xff && bytes[11] == 0xff) {
    return {Embedding::mapped, last_four(bytes), 96};
  }
  if (is_zero(bytes.first(12))) return {Embedding::compatible, last_four(bytes), 96};
  if (is_zero(bytes.first(8)) && begins_with(bytes.subspan(8), {0xff, 0xff, 0, 0})) {
    return {Embedding::translated, last_four(bytes), 96};
  }
  if (begins_with(bytes, {0x00, 0x64, 0xff, 0x9b})) {
    if (is_zero(bytes.subspan(4, 8))) return {Embedding::nat64, last_four(bytes), 96};
    if (bytes[4] == 0 && bytes[5] == 1)
      return {Embedding::local_nat64, local_nat64_address(bytes), 48};
  }
  if (begins_with(bytes, {0x20, 0x02})) {
    return {Embedding::six_to_four, IpAddress::from_bytes(bytes.subspan(2, 4)), 16};
  }
  if (begins_with(bytes, {0x20, 0x01, 0x00, 0x00}))
    return {Embedding::teredo, teredo_client(bytes), 32};
  const auto id = bytes.last(8);
  if ((id[0] == 0x00 || id[0] == 0x02) && id[1] == 0 && id[2] == 0x5e && id[3] == 0xfe) {
    return {Embedding::isatap, last_four(bytes), 96};
  }
  return {};
}

IpAddress unmapped(const IpAddress& address) {
  const auto embedded = embedded_ipv4(address);
  return embedded.embedding == Embedding::mapped ? *embedded.address : address;
}

}  // namespace egress
