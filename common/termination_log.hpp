// The last error of a program, left where Kubernetes shows it: `kubectl describe pod` prints the
// file that the container's terminationMessagePath names.
#pragma once

#include <string>
#include <string_view>

namespace egress {

inline constexpr std::string_view kTerminationLog = "/dev/termination-log";
inline constexpr std::size_t kMostTerminationBytes = 4096;  // what the kubelet keeps of it

// Writes `message`, cut to kMostTerminationBytes at a character, over what the file held. The file
// is never created: where it is missing or cannot be written, nothing happens, for there is nobody
// to tell.
void write_termination_log(std::string_view message,
                           const std::string& path = std::string(kTerminationLog));

}  // namespace egress
