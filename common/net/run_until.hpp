// The end of a loop's owner: what was begun on the loop ends while all that it uses is there.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace egress::net {

// Runs a loop that was stopped until `is_done`, at most for `time`.
template <class IsDone>
void run_until(boost::asio::io_context& io, std::chrono::milliseconds time, IsDone is_done) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    io.restart();
    io.run_for(std::chrono::milliseconds(5));
  } while (!is_done() && std::chrono::steady_clock::now() < end);
}

}  // namespace egress::net
