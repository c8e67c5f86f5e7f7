// Standard output as the access log: a thread of its own writes, so that a reader that is slow or
// gone never holds a connection up. What finds the queue full is dropped and counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace egress::http {

class AccessLog {
 public:
  static constexpr std::size_t kMostQueuedBytes = 4U << 20U;

  explicit AccessLog(int descriptor);
  // Writes what is queued, for as long as the reader takes it.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  // Whole lines; from any thread.
  void write(std::string_view lines);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  // lines

 private:
  void run();
  bool write_out(std::string_view text);

  int descriptor_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string queue_;
  bool stopping_ = false;
  std::atomic<bool> giving_up_{false};
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace egress::http
