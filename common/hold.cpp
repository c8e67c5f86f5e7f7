#include "common/hold.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace egress {

namespace {

sigset_t awaited_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&signals, signal);
  return signals;
}

void change_mask(int how) {
  const sigset_t signals = awaited_signals();
  ::pthread_sigmask(how, &signals, nullptr);
}

}  // namespace

void block_awaited_signals() { change_mask(SIG_BLOCK); }
void unblock_awaited_signals() { change_mask(SIG_UNBLOCK); }

bool wait_for_termination(std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const sigset_t signals = awaited_signals();
  const auto deadline = Clock::now() + time;
  for (;;) {
    const auto left =
        std::max(std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now()),
                 std::chrono::nanoseconds::zero());
    const timespec wait{static_cast<std::time_t>(left.count() / 1'000'000'000),
                        static_cast<long>(left.count() % 1'000'000'000)};
    const int signal = ::sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) return true;
    if (signal == SIGCHLD) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
    } else if (signal < 0 && errno == EAGAIN) {
      return false;
    }
  }
}

void wait_for_termination() {
  while (!wait_for_termination(std::chrono::hours(1))) {
  }
}

}  // namespace egress
