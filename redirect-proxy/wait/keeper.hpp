// What egress-wait does while the pod lives: reaps children, announces and defends the addresses,
// puts changed tables in force, answers on the admin endpoint. One loop, one thread.
#pragma once

#include "common/result.hpp"
#include "redirect-proxy/wait/config.hpp"
#include "redirect-proxy/wait/link_guard.hpp"

namespace egress::wait {

// Returns at SIGTERM or SIGINT, which are blocked by then (common/hold.hpp). Errors: what keeps the
// admin endpoint from listening.
Result<void> keep(const WaitConfig& config, const Log& log);

}  // namespace egress::wait
