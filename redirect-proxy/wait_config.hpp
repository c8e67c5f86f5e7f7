// What egress-wait is asked to do. Pure.
#pragma once

#include <span>
#include <string>

#include "common/environment.hpp"
#include "common/log.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"

namespace egress::wait {

struct WaitConfig {
  std::string interface = "macvlan0";
  LogOptions log;
  std::string termination_log{kTerminationLog};
};

WaitConfig parse_config(const Environment& environment, Diagnostics& diagnostics);

// For --help and for the README's table.
std::span<const Variable> variables();

}  // namespace egress::wait
