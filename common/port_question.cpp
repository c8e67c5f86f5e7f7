#include "common/port_question.hpp"

namespace egress {

std::optional<PortQuestion> parse_port_question(std::string_view text) {
  std::vector<Protocol> protocols{Protocol::tcp, Protocol::udp};
  if (const auto separator = text.find_first_of(" /:"); separator != text.npos) {
    const auto protocol = parse_protocol(text.substr(0, separator));
    if (!protocol) return std::nullopt;
    protocols = {*protocol};
    text.remove_prefix(separator + 1);
  }
  const auto port = parse_port(text);
  if (!port) return std::nullopt;
  return PortQuestion{std::move(protocols), *port};
}

}  // namespace egress
