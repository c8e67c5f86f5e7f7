// Runs coroutines and conditions on a loop in tests, never longer than a limit.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <utility>

namespace egress::test {

inline constexpr std::chrono::seconds kMostTime{20};

// Turns the loop until `condition` holds. False where that takes longer than `time`.
template <class Condition>
bool run_until(boost::asio::io_context& io, Condition condition,
               std::chrono::milliseconds time = kMostTime) {
  const auto end = std::chrono::steady_clock::now() + time;
  io.restart();
  while (!condition()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(
        std::min<std::chrono::steady_clock::duration>(end - now, std::chrono::milliseconds(5)));
  }
  return true;
}

template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> coroutine) {
  std::optional<T> result;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr error, T value) {
    failure = error;
    result = std::move(value);
  });
  if (!run_until(io, [&] { return result || failure; })) throw std::runtime_error("takes too long");
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

}  // namespace egress::test
