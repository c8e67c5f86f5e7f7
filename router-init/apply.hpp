// Carries a plan out, step by step, and takes back what it did when a step fails. The only place in
// this room that changes anything.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "router-init/plan.hpp"

namespace egress::router {

// What went on beside the plan; for the log.
struct ApplyReport {
  std::vector<std::string> done;  // a line a step
  std::vector<std::string>
      warnings;  // an unreachable gateway that is not required, an announcement that failed
  std::size_t ended_flows = 0;          // those that the table of before sent elsewhere
  std::vector<std::string> not_undone;  // after a failure: what could not be taken back, and why
};

// The error of the first step that failed, everything before it undone as far as the report says.
Result<void> apply(const NetworkPlan& plan, ApplyReport& report);

}  // namespace egress::router
