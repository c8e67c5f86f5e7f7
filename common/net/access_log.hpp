// Standard output as the access log: a thread of its own writes, so that a reader that is slow,
// stuck or gone never holds a connection up. What finds the queue full is dropped, whole lines of
// it, and counted.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace egress::net {

struct AccessLogOptions {
  std::size_t queued_bytes = 4U << 20U;
  std::chrono::milliseconds flush{1000};  // at the end, for a reader that does not read
};

class AccessLog {
 public:
  // `descriptor` stays open and its flags stay as they are, for others may share it.
  explicit AccessLog(int descriptor, AccessLogOptions options = {});
  // Writes what is queued, as long as the reader takes it, at most for options.flush.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // Whole lines, with their line ends; from any thread.
  void write(std::string_view lines);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  // lines

 private:
  void run();
  // Removes what was written; false where the rest cannot be.
  bool write_out(std::string_view& text);
  void drop(std::string_view lines);
  bool is_over_time();

  const int descriptor_;
  const AccessLogOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string queue_;                          // guarded by mutex_
  bool stopping_ = false;                      // guarded by mutex_
  std::chrono::steady_clock::time_point end_;  // guarded by mutex_: of the time to flush
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace egress::net
