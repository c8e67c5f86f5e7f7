// Limits how often one kind of event is logged: a few lines per interval, of which the next one
// says how many were left out. Time is a parameter; logs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace egress {

class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    unsigned count = 5;  // per interval
    Clock::duration interval = std::chrono::seconds(10);
  };
  RateLimit() = default;
  explicit RateLimit(const Options& options) : options_(options) {}

  // Where it is to be done now: how often it was not since the last time that it was.
  std::optional<std::uint64_t> admit(Clock::time_point now) {
    if (!began_ || now - *began_ >= options_.interval) {
      began_ = now;
      count_ = 0;
    }
    if (count_ >= options_.count) {
      ++missed_;
      return std::nullopt;
    }
    ++count_;
    const auto missed = missed_;
    missed_ = 0;
    return missed;
  }

 private:
  Options options_;
  std::optional<Clock::time_point> began_;  // the interval
  unsigned count_ = 0;                      // in it
  std::uint64_t missed_ = 0;
};

}  // namespace egress
