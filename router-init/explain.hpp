// Answers "what takes such a connection, and where does it go?" from the table alone. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/diagnostic.hpp"
#include "router-init/config.hpp"

namespace egress::router {

struct Explanation {
  bool is_forwarded = false;  // in at least one protocol and family
  std::string text;           // lines, each with its end
};

// `question`: see parse_port_question, or the name of a protocol without ports, such as "icmp",
// which only a default destination takes. A line for each protocol and each family that
// EGRESS_SOURCE has. Reports a question that does not parse to `diagnostics`.
Explanation explain(const RouterConfig& config, std::string_view question,
                    Diagnostics& diagnostics);

}  // namespace egress::router
