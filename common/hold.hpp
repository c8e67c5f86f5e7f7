// Holding a container open until it is told to end. The program may be PID 1 there: it reaps the
// children that are handed to it, and signals that it does not ask for would be lost.
#pragma once

#include <chrono>

namespace egress {

// From here on SIGTERM, SIGINT, SIGHUP and SIGCHLD wait until someone asks for them, so that none
// is lost, and none leaves something half made. Call it before anything is changed, and before a
// thread is started.
void block_awaited_signals();
// Once handlers are set for them.
void unblock_awaited_signals();

// For a program that has blocked them. Returns true at SIGTERM or SIGINT, also one that came
// earlier, and false once `time` is over; SIGHUP is ignored.
bool wait_for_termination(std::chrono::milliseconds time);

// The same without an end.
void wait_for_termination();

}  // namespace egress
