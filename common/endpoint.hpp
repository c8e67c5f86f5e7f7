// Where a connection goes: an address and a port, resolved. A value; connects nothing.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "common/ip.hpp"

namespace egress {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
};

std::string to_text(const Endpoint& endpoint);  // "192.0.2.7:443", "[2001:db8::1]:443"

}  // namespace egress

template <>
struct std::hash<egress::Endpoint> {
  std::size_t operator()(const egress::Endpoint& endpoint) const noexcept;
};
