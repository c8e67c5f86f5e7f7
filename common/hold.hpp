// Holding a container open until it is told to end. The program may be PID 1 there: it reaps the
// children that are handed to it, and signals that it does not ask for would be lost.
#pragma once

#include <signal.h>

#include <chrono>

namespace egress {

// SIGTERM, SIGINT and SIGCHLD.
sigset_t awaited_signals();

// From here on SIGTERM and SIGINT wait until wait_for_termination asks for them, so that neither
// leaves something half made. Call it before anything is changed, and before a thread is started.
void block_termination_signals();

// Returns true at SIGTERM or SIGINT, also one that came earlier, and false once `time` is over.
bool wait_for_termination(std::chrono::milliseconds time);

// The same without an end.
void wait_for_termination();

}  // namespace egress
