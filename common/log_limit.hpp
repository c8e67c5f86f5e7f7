// Limits how often one kind of event is logged: a few lines per interval, of which the next one
// says how many were left out. Time is a parameter; logs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace egress {

class LogLimit {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    unsigned lines = 5;  // per interval
    Clock::duration interval = std::chrono::seconds(10);
  };
  LogLimit() = default;
  explicit LogLimit(const Options& options) : options_(options) {}

  // Where this event is to be logged: how many were not since the last that was.
  std::optional<std::uint64_t> admit(Clock::time_point now) {
    if (!began_ || now - *began_ >= options_.interval) {
      began_ = now;
      lines_ = 0;
    }
    if (lines_ >= options_.lines) {
      ++missed_;
      return std::nullopt;
    }
    ++lines_;
    const auto missed = missed_;
    missed_ = 0;
    return missed;
  }

 private:
  Options options_;
  std::optional<Clock::time_point> began_;  // the interval
  unsigned lines_ = 0;                      // in it
  std::uint64_t missed_ = 0;
};

}  // namespace egress
