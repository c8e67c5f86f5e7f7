#include "common/port.hpp"

#include <charconv>

namespace egress {

std::optional<Protocol> parse_protocol(std::string_view text) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (text == to_text(protocol)) return protocol;
  }
  return std::nullopt;
}

std::string_view to_text(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return "tcp";
    case Protocol::udp: return "udp";
    case Protocol::sctp: return "sctp";
  }
  return "unknown";
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<PortRange> parse_port_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

std::string to_text(const PortRange& range) {
  std::string text = std::to_string(range.first);
  if (!range.is_single()) text += "-" + std::to_string(range.last);
  return text;
}

}  // namespace egress
