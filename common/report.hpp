// How a program tells why it does not start, or why it ended: in its log, and in the file that
// Kubernetes shows. For mains, which have set the log up.
#pragma once

#include <string_view>

#include "common/diagnostic.hpp"
#include "common/result.hpp"

namespace egress {

// Logs all warnings and all errors; false where there are errors.
bool report_diagnostics(const Diagnostics& diagnostics, std::string_view termination_log);

// Logs the error, and returns the exit code for it.
ExitCode report_failure(const Error& error, std::string_view termination_log);

}  // namespace egress
