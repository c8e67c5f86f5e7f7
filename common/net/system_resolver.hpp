// Names by the system's resolver (getaddrinfo(3)), which blocks: for questions from the shell,
// never for a server.
#pragma once

#include <string>
#include <vector>

#include "common/ip.hpp"

namespace egress::net {

// None where the name does not resolve, for whatever reason.
std::vector<IpAddress> resolve_by_system(const std::string& name);

}  // namespace egress::net
