// Kernel settings under /proc/sys, of the network namespace of the calling thread.
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "router-init/plan.hpp"

namespace egress::router {

// The value without its line end; none where there is no such key.
std::optional<std::string> read_sysctl(const std::string& key);

// Writes and reads back: some keys take a value and keep another.
Result<void> write_sysctl(const SetSysctl& setting);

}  // namespace egress::router
