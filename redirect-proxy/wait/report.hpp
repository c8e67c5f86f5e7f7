// What egress-wait's admin endpoint tells: readiness, metrics, status.
#pragma once

#include <string>

#include "redirect-proxy/wait/link_guard.hpp"
#include "redirect-proxy/wait/table_runner.hpp"

namespace egress::wait {

// Empty: ready. Else all that stands in the way of connections, in one line.
std::string not_ready_because(const LinkGuard& guard);

std::string to_metrics(const LinkGuard& guard, const TableRunner& table);
std::string to_status(const LinkGuard& guard, const TableRunner& table);

}  // namespace egress::wait
