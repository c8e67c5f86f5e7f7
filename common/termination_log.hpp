// The last error of a program, left where Kubernetes shows it: `kubectl describe pod` prints the
// file that the container's terminationMessagePath names.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/exit_code.hpp"

namespace egress {

inline constexpr std::string_view kTerminationLog = "/dev/termination-log";
inline constexpr std::size_t kMostTerminationBytes = 4096;  // what the kubelet keeps of it

// Writes `message`, cut to kMostTerminationBytes at a character, over what the file held. The file
// is never created: where it is missing or cannot be written, nothing happens, for there is nobody
// to tell.
void write_termination_log(std::string_view message,
                           const std::string& path = std::string(kTerminationLog));

// The edge of a program: returns the exit code of `main`. What it throws is a bug, or memory that
// ran out: it is logged as EGRESS_LOG_FORMAT says, left in the file of EGRESS_TERMINATION_LOG, and
// ends with ExitCode::internal.
int run_to_exit(std::string_view program, const std::function<ExitCode()>& main);

}  // namespace egress
