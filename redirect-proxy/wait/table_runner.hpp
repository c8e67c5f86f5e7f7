// Puts a changed table in force: watches its file, and has egress-router, which lies beside this
// program, set the pod up again with it. That run changes what differs and nothing else, and
// refuses a wrong table whole.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <string>

#include "common/file_watch.hpp"
#include "redirect-proxy/wait/link_guard.hpp"

namespace egress::wait {

class TableRunner {
 public:
  // An empty path: there is nothing to do. `io` and `log` must outlive it.
  TableRunner(boost::asio::io_context& io, std::string table_path, const Log& log);

  // Runs egress-router once, for the file may have changed since the init container read it, and
  // then with each change. Without CAP_NET_ADMIN, or without the program, it only tells of changes.
  void start();

  // A child of this process has ended; others than ours are passed over. `status`: of waitpid(2).
  void on_child_end(pid_t child, int status);

  bool watches() const { return !file_.path().empty(); }
  // Whether the table of the file is another than the one in force.
  bool is_refused() const { return is_refused_; }
  std::uint64_t taken() const { return taken_; }
  std::uint64_t failures() const { return failures_; }

 private:
  void wait();
  void look();
  void run();
  void fail(const std::string& why);

  const Log& log_;
  FileWatch file_;
  std::string program_;  // empty: a change needs a new pod
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point began_;
  pid_t child_ = 0;  // 0: none runs
  bool is_due_ = false;
  bool is_refused_ = false;
  std::chrono::steady_clock::time_point retry_at_ = std::chrono::steady_clock::time_point::max();
  std::uint64_t taken_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace egress::wait
