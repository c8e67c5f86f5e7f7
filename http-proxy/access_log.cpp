#include "http-proxy/access_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace egress::http {

AccessLog::AccessLog(int descriptor) : descriptor_(descriptor), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  giving_up_ = true;
  wake_.notify_one();
  thread_.join();
}

void AccessLog::write(std::string_view lines) {
  if (lines.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() + lines.size() <= kMostQueuedBytes) {
      queue_ += lines;
    } else {
      dropped_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
    }
  }
  wake_.notify_one();
}

void AccessLog::run() {
  for (;;) {
    std::string batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    if (!write_out(batch))
      dropped_ += static_cast<std::uint64_t>(std::count(batch.begin(), batch.end(), '\n'));
  }
}

// A pipe that polls writable takes PIPE_BUF bytes without blocking. A reader that takes nothing is
// waited for, until the program ends.
bool AccessLog::write_out(std::string_view text) {
  while (!text.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    const int count = ::poll(&ready, 1, 200);
    if (count == 0 && giving_up_) return false;
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    if (count < 0 || (ready.revents & (POLLERR | POLLNVAL)) != 0) return false;
    const auto written =
        ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace egress::http
