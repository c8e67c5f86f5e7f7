// What --explain of the redirecting programs is asked: connections to a port of the pod.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/port.hpp"

namespace egress {

struct PortQuestion {
  std::vector<Protocol> protocols;  // one, or tcp and udp where none is named
  std::uint16_t port = 0;
};

inline constexpr std::string_view kPortQuestionForm =
    "a port, alone or with its protocol: \"tcp 8443\", \"tcp/8443\" or \"tcp:8443\"";

// "tcp 8443", "tcp/8443", "tcp:8443" or "8443".
std::optional<PortQuestion> parse_port_question(std::string_view text);

}  // namespace egress
