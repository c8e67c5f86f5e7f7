// Answers "what takes such a connection, and where does it go?" from the table alone. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/diagnostic.hpp"
#include "router-init/config.hpp"

namespace egress::router {

// `question`: PROTOCOL PORT, such as "tcp 8443", or any other protocol's name alone, such as
// "icmp", which only a fallback takes. One line for each family that EGRESS_SOURCE has. Reports a
// question that does not parse to `diagnostics`.
std::string explain(const RouterConfig& config, std::string_view question,
                    Diagnostics& diagnostics);

}  // namespace egress::router
