#include "common/link/neighbour_messages.hpp"

#include <algorithm>
#include <array>

namespace egress::link {
namespace {

constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kArpLength = 28;  // RFC 826, for Ethernet and IPv4
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kNeighbourLength = 24;  // RFC 4861 §4.3, §4.4: without options
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kSourceLinkLayer = 1;  // option types, RFC 4861 §4.6.1
constexpr std::uint8_t kTargetLinkLayer = 2;
constexpr std::uint8_t kOverride = 0x20;

void put16(Frame& frame, std::uint16_t value) {
  frame.push_back(static_cast<std::uint8_t>(value >> 8U));
  frame.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

template <class Bytes>
void put(Frame& frame, const Bytes& bytes) {
  frame.insert(frame.end(), bytes.begin(), bytes.end());
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

MacAddress get_mac(std::span<const std::uint8_t> bytes, std::size_t at) {
  MacAddress mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

Frame begin_frame(const MacAddress& to, const MacAddress& from, std::uint16_t type) {
  Frame frame;
  put(frame, to.bytes);
  put(frame, from.bytes);
  put16(frame, type);
  return frame;
}

// A request; `source` may be 0.0.0.0.
Frame encode_arp(const MacAddress& sender, const IpAddress& source, const IpAddress& target) {
  Frame frame = begin_frame(kBroadcastMac, sender, kEtherTypeArp);
  put16(frame, 1);       // Ethernet
  put16(frame, 0x0800);  // IPv4
  frame.push_back(6);
  frame.push_back(4);
  put16(frame, 1);  // request
  put(frame, sender.bytes);
  put(frame, source.bytes());
  put(frame, MacAddress{}.bytes);
  put(frame, target.bytes());
  return frame;
}

IpAddress solicited_node_address(const IpAddress& address) {
  std::array<std::uint8_t, 16> bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy_n(address.bytes().begin() + 13, 3, bytes.begin() + 13);
  return IpAddress::from_bytes(bytes);
}

// RFC 4443 §2.3: over a pseudo-header and the message, whose checksum field is zero; 0 where that
// field holds the checksum.
std::uint16_t checksum(const IpAddress& from, const IpAddress& to,
                       std::span<const std::uint8_t> message) {
  Frame data;
  put(data, from.bytes());
  put(data, to.bytes());
  put16(data, 0);
  put16(data, static_cast<std::uint16_t>(message.size()));
  put16(data, 0);
  put16(data, kIcmpv6);
  put(data, message);
  if (data.size() % 2 != 0) data.push_back(0);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < data.size(); i += 2) sum += get16(data, i);
  while (sum > 0xffffU) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

struct Ipv6Ends {
  IpAddress from;
  IpAddress to;
  MacAddress to_mac;
};

struct Icmpv6Neighbour {
  std::uint8_t type;
  std::uint8_t flags;
  IpAddress target;
  std::uint8_t option;  // link-layer option with the sender's address; 0: none
};

Frame encode_icmpv6(const MacAddress& sender, const Ipv6Ends& ends,
                    const Icmpv6Neighbour& content) {
  Frame message{content.type, 0, 0, 0, content.flags, 0, 0, 0};
  put(message, content.target.bytes());
  if (content.option != 0) {
    message.push_back(content.option);
    message.push_back(1);  // in units of 8 bytes
    put(message, sender.bytes);
  }
  const std::uint16_t sum = checksum(ends.from, ends.to, message);
  message[2] = static_cast<std::uint8_t>(sum >> 8U);
  message[3] = static_cast<std::uint8_t>(sum & 0xffU);

  Frame frame = begin_frame(ends.to_mac, sender, kEtherTypeIpv6);
  put(frame, std::array<std::uint8_t, 4>{0x60, 0, 0, 0});
  put16(frame, static_cast<std::uint16_t>(message.size()));
  frame.push_back(kIcmpv6);
  frame.push_back(255);  // hop limit: proves that no router passed it on
  put(frame, ends.from.bytes());
  put(frame, ends.to.bytes());
  put(frame, message);
  return frame;
}

std::optional<NeighbourMessage> parse_arp(std::span<const std::uint8_t> arp) {
  if (arp.size() < kArpLength || get16(arp, 0) != 1 || get16(arp, 2) != 0x0800 || arp[4] != 6 ||
      arp[5] != 4) {
    return std::nullopt;
  }
  const std::uint16_t operation = get16(arp, 6);
  if (operation != 1 && operation != 2) return std::nullopt;
  NeighbourMessage message{get_mac(arp, 8), {}, {}};
  const auto source = IpAddress::from_bytes(arp.subspan(14, 4));
  if (!source.is_unspecified()) message.claims = source;
  if (operation == 1) message.asks = IpAddress::from_bytes(arp.subspan(24, 4));
  return message;
}

// RFC 4861 §7.1: a message with an option of no length, or one that is cut short, is none at all.
bool are_well_formed(std::span<const std::uint8_t> options) {
  while (!options.empty()) {
    if (options.size() < 8) return false;
    const std::size_t length = options[1] * std::size_t{8};
    if (length == 0 || length > options.size()) return false;
    options = options.subspan(length);
  }
  return true;
}

// The address in the first link-layer option of this type, where there is one; `options` are well
// formed.
std::optional<MacAddress> find_option(std::span<const std::uint8_t> options, std::uint8_t type) {
  while (!options.empty()) {
    if (options[0] == type) return get_mac(options, 2);
    options = options.subspan(options[1] * std::size_t{8});
  }
  return std::nullopt;
}

std::optional<NeighbourMessage> parse_icmpv6(const MacAddress& frame_sender,
                                             std::span<const std::uint8_t> packet) {
  if (packet.size() < kIpv6Header + kNeighbourLength || packet[0] >> 4U != 6 ||
      packet[6] != kIcmpv6 || packet[7] != 255) {
    return std::nullopt;
  }
  const std::size_t length = get16(packet, 4);
  if (length < kNeighbourLength || length > packet.size() - kIpv6Header) return std::nullopt;
  const auto icmp = packet.subspan(kIpv6Header, length);
  const auto options = icmp.subspan(kNeighbourLength);
  const auto target = IpAddress::from_bytes(icmp.subspan(8, 16));
  const auto source = IpAddress::from_bytes(packet.subspan(8, 16));
  const auto destination = IpAddress::from_bytes(packet.subspan(24, 16));
  if (icmp[1] != 0 || target.is_multicast() || !are_well_formed(options) ||
      checksum(source, destination, icmp) != 0) {
    return std::nullopt;
  }
  if (icmp[0] == kAdvertisement) {
    return NeighbourMessage{
        find_option(options, kTargetLinkLayer).value_or(frame_sender), target, {}};
  }
  if (icmp[0] != kSolicitation) return std::nullopt;
  NeighbourMessage message{
      find_option(options, kSourceLinkLayer).value_or(frame_sender), {}, target};
  if (!source.is_unspecified()) message.claims = source;
  return message;
}

}  // namespace

MacAddress solicited_node_mac(const IpAddress& address) {
  MacAddress mac{{0x33, 0x33, 0xff, 0, 0, 0}};
  std::copy_n(address.bytes().begin() + 13, 3, mac.bytes.begin() + 3);
  return mac;
}

Frame encode_question(const Question& question) {
  const IpAddress nobody = default_prefix(question.target.family()).address;
  const IpAddress source = question.source.value_or(nobody);
  if (question.target.is_v4()) return encode_arp(question.sender, source, question.target);
  // RFC 4861 §4.3: a solicitation from :: bears no link-layer address.
  const std::uint8_t option = question.source ? kSourceLinkLayer : std::uint8_t{0};
  return encode_icmpv6(
      question.sender,
      {source, solicited_node_address(question.target), solicited_node_mac(question.target)},
      {kSolicitation, 0, question.target, option});
}

Frame encode_announcement(const MacAddress& sender, const IpAddress& address) {
  if (address.is_v4()) return encode_arp(sender, address, address);
  static const IpAddress kAllNodes = *parse_ip_address("ff02::1");
  return encode_icmpv6(sender, {address, kAllNodes, kAllNodesMac},
                       {kAdvertisement, kOverride, address, kTargetLinkLayer});
}

std::optional<NeighbourMessage> parse_neighbour(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader) return std::nullopt;
  const auto content = frame.subspan(kEthernetHeader);
  switch (get16(frame, 12)) {
    case kEtherTypeArp: return parse_arp(content);
    case kEtherTypeIpv6: return parse_icmpv6(get_mac(frame, 6), content);
    default: return std::nullopt;
  }
}

}  // namespace egress::link
