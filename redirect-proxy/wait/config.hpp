// What egress-wait is asked to do. Pure.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "common/admin_settings.hpp"
#include "common/environment.hpp"
#include "common/log.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"

namespace egress::wait {

struct WaitConfig {
  std::string interface = "macvlan0";
  std::string table_path;  // empty: the table is in no file, and cannot change
  std::chrono::milliseconds gateway_interval = std::chrono::seconds(10);  // 0: it is not asked
  AdminSettings admin;                                                    // off
  LogOptions log;
  std::string termination_log{kTerminationLog};
};

WaitConfig parse_config(const Environment& environment, Diagnostics& diagnostics);

// For --help and for the README's table.
std::span<const Variable> variables();

}  // namespace egress::wait
