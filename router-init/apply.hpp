// Carries a plan out, step by step, and rolls it back when a step fails. The only place in this
// room that changes anything, announcements included.
#pragma once

#include <functional>
#include <string_view>

#include "common/log.hpp"
#include "common/result.hpp"
#include "router-init/steps.hpp"

namespace egress::router {

// Is called while apply works, from its thread: a line at level debug after each step, warnings
// (an unreachable gateway that is not required, an announcement that failed), and as errors what
// could not be rolled back.
using Report = std::function<void(LogLevel, std::string_view)>;

// The error of the first step that failed, an exception among them (ExitCode::internal); that step
// and all before it are then rolled back. Whether the state is as before is for the caller to
// verify: see differences() in plan_text.hpp.
Result<void> apply(const NetworkPlan& plan, const Report& report);

// Carries the announcements of the plan out once more (RFC 5227 §2.3).
void announce_again(const NetworkPlan& plan, const Report& report);

}  // namespace egress::router
