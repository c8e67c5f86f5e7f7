#include "common/net/access_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace egress::net {

using std::chrono::steady_clock;

AccessLog::AccessLog(int descriptor, AccessLogOptions options)
    : descriptor_(descriptor), options_(options), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    end_ = steady_clock::now() + options_.flush;
  }
  wake_.notify_one();
  thread_.join();
}

void AccessLog::write(std::string_view lines) {
  if (lines.empty()) return;
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = queue_.empty();
    // What still fits goes in, as whole lines.
    const auto room = options_.queued_bytes - std::min(queue_.size(), options_.queued_bytes);
    std::size_t taken = lines.size();
    if (taken > room) {
      const auto last_end = lines.substr(0, room).rfind('\n');
      taken = last_end == lines.npos ? 0 : last_end + 1;
    }
    queue_ += lines.substr(0, taken);
    lines.remove_prefix(taken);
  }
  if (was_empty) wake_.notify_one();
  drop(lines);
}

void AccessLog::drop(std::string_view lines) {
  dropped_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void AccessLog::run() {
  std::string batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    std::string_view rest = batch;
    if (!write_out(rest)) drop(rest);
    batch.clear();
  }
}

bool AccessLog::is_over_time() {
  const std::lock_guard lock(mutex_);
  return stopping_ && steady_clock::now() >= end_;
}

// The descriptor may block, for its flags are shared with others. But a pipe that polls writable
// takes PIPE_BUF bytes at once (pipe(7)).
bool AccessLog::write_out(std::string_view& text) {
  constexpr int kPollMilliseconds = 100;
  while (!text.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    const int count = ::poll(&ready, 1, kPollMilliseconds);
    if (count < 0 && errno != EINTR) return false;
    if (count <= 0) {
      if (is_over_time()) return false;
      continue;
    }
    if ((ready.revents & (POLLERR | POLLNVAL)) != 0) return false;
    const auto written =
        ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace egress::net
