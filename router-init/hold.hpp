// Holding the pod open after set-up, in legacy mode, and the wait for the second announcement.
#pragma once

#include <chrono>

namespace egress::router {

// From here on SIGTERM and SIGINT wait until hold_until_signal asks for them, so that neither
// leaves a half-made network behind. Call it before anything is changed.
void block_termination_signals();

// Returns true at SIGTERM or SIGINT, also one that came earlier, and false once `time` is over. The
// program may be PID 1 of its container: it reaps children that are handed to it.
bool wait_for_termination(std::chrono::milliseconds time);

// The same without an end.
void wait_for_termination();

}  // namespace egress::router
