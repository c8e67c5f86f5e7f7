#include "common/destination_policy.hpp"

#include <algorithm>
#include <array>

#include "common/embedded_ipv4.hpp"

namespace egress {
namespace {

struct Range {
  std::array<std::uint8_t, 16> bytes;
  std::uint8_t length;  // bits
  Restriction restriction;

  bool contains(const IpAddress& address) const {
    const auto other = address.bytes();
    const std::size_t whole = length / 8U;
    for (std::size_t i = 0; i < whole; ++i) {
      if (other[i] != bytes[i]) return false;
    }
    const auto mask = static_cast<std::uint8_t>(0xff00U >> (length % 8U));
    return mask == 0 || (other[whole] & mask) == bytes[whole];
  }
};

// The first that contains an address counts.
constexpr std::array kRanges4{
    Range{{0}, 8, Restriction::unspecified},  // RFC 1122 §3.2.1.3: "this network"
    Range{{127}, 8, Restriction::loopback},
    Range{{169, 254}, 16, Restriction::link_local},
    Range{{192, 0, 0}, 24, Restriction::protocol_assignments},
    Range{{100, 100, 100, 200}, 32, Restriction::metadata},  // Alibaba Cloud
    Range{{168, 63, 129, 16}, 32, Restriction::metadata},    // Azure: WireServer
    Range{{224}, 4, Restriction::multicast},
    Range{{255, 255, 255, 255}, 32, Restriction::broadcast},
    Range{{240}, 4, Restriction::reserved},
};
constexpr std::array kRanges6{
    Range{{0}, 128, Restriction::unspecified},
    Range{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, Restriction::loopback},
    Range{{0xfe, 0x80}, 10, Restriction::link_local},
    Range{{0xff}, 8, Restriction::multicast},
    Range{{0x01}, 64, Restriction::reserved},                    // RFC 6666: discard-only
    Range{{0xfd, 0x00, 0x0e, 0xc2}, 32, Restriction::metadata},  // AWS: fd00:ec2::254 and others
    Range{{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54},
          128,
          Restriction::metadata},  // Google Cloud: fd20:ce::254
    Range{{0xfd, 0x00, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe},
          128,
          Restriction::metadata},  // Oracle Cloud: fd00:c1::a9fe:a9fe
    Range{{0xfd, 0x00, 0x00, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x42},
          128,
          Restriction::metadata},  // Scaleway: fd00:42::42
};

const Range* find_range(const IpAddress& address) {
  const auto find = [&](const auto& ranges) -> const Range* {
    for (const auto& range : ranges) {
      if (range.contains(address)) return &range;
    }
    return nullptr;
  };
  return address.is_v4() ? find(kRanges4) : find(kRanges6);
}

bool is_own(const IpAddress& address, const LocalSide& local) {
  return std::find(local.addresses.begin(), local.addresses.end(), address) !=
         local.addresses.end();
}

bool is_own_listener(const Endpoint& endpoint, const LocalSide& local) {
  const auto& address = endpoint.address;
  const bool own = address.is_loopback() || address.is_unspecified() || is_own(address, local);
  return std::any_of(
      local.listeners.begin(), local.listeners.end(), [&](const ListenAddress& listen) {
        if (listen.port != endpoint.port) return false;
        if (!listen.address) return own;
        return *listen.address == address ||
               (own && (listen.address->is_unspecified() || address.is_unspecified()));
      });
}

}  // namespace

std::optional<Restriction> find_restriction(const Endpoint& endpoint, const LocalSide& local,
                                            const IsNamed& is_named) {
  const auto outer = unmapped(endpoint.address);
  const auto inner = embedded_ipv4(outer);
  const bool names_embedding =
      inner.embedding != Embedding::none && is_named(outer, inner.range_length);
  for (const auto& form : {std::optional(outer), inner.address}) {
    if (!form) continue;
    if (is_own_listener({*form, endpoint.port}, local)) return Restriction::own_listener;
    if (names_embedding) continue;
    if (const auto* const range = find_range(*form)) {
      if (!is_named(*form, range->length)) return range->restriction;
      // 127.0.0.1 is an own address as well: a rule that opens the range opens it.
      continue;
    }
    if (is_own(*form, local) && !is_named(*form, address_bits(form->family())))
      return Restriction::own_address;
  }
  if (names_embedding) return std::nullopt;
  if (inner.embedding == Embedding::compatible) return Restriction::ipv4_compatible;
  if (inner.embedding != Embedding::none && !inner.address) return Restriction::unclear_embedding;
  return std::nullopt;
}

std::string_view to_text(Restriction restriction) {
  switch (restriction) {
    case Restriction::unspecified: return "unspecified";
    case Restriction::loopback: return "loopback";
    case Restriction::link_local: return "link_local";
    case Restriction::multicast: return "multicast";
    case Restriction::broadcast: return "broadcast";
    case Restriction::reserved: return "reserved";
    case Restriction::protocol_assignments: return "protocol_assignments";
    case Restriction::metadata: return "metadata";
    case Restriction::ipv4_compatible: return "ipv4_compatible";
    case Restriction::unclear_embedding: return "unclear_embedding";
    case Restriction::own_address: return "own_address";
    case Restriction::own_listener: return "own_listener";
  }
  return "unspecified";
}

std::string_view describe(Restriction restriction) {
  switch (restriction) {
    case Restriction::unspecified: return "the unspecified address";
    case Restriction::loopback: return "a loopback address";
    case Restriction::link_local: return "a link-local address";
    case Restriction::multicast: return "a multicast address";
    case Restriction::broadcast: return "the broadcast address";
    case Restriction::reserved: return "a reserved address";
    case Restriction::protocol_assignments: return "an address for IETF protocol assignments";
    case Restriction::metadata: return "a cloud's metadata service";
    case Restriction::ipv4_compatible: return "an IPv4-compatible address, a deprecated form";
    case Restriction::unclear_embedding:
      return "an address whose embedded IPv4 address cannot be determined";
    case Restriction::own_address: return "an address of the pod itself";
    case Restriction::own_listener: return "a listener of this proxy";
  }
  return {};
}

}  // namespace egress
