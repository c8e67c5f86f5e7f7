// Applies a changed destination table: watches its file, and has egress-router, which is installed
// beside this program, set the pod up again with it. That run changes what differs and nothing
// else, and rejects a table with errors as a whole.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/file_watch.hpp"
#include "common/log.hpp"
#include "common/net/server.hpp"

namespace egress::wait {

class TableRunner {
 public:
  // An empty path: there is nothing to do. `log` must outlive this object.
  TableRunner(std::string table_path, const Log& log);

  // Finds out what this container may do. The first poll() then runs egress-router, for the file
  // may have changed since the init container read it. Without CAP_NET_ADMIN, or without the
  // program, changes are reported only.
  void start();

  // Called each second: runs egress-router where the file has changed or an earlier run failed.
  // `always`: runs it in any case (SIGHUP).
  void poll(net::Reload when);

  // A child of this process has ended; others than ours are passed over. `status`: of waitpid(2).
  void on_child_end(pid_t child, int status);

  bool watches() const { return !file_.path().empty(); }
  // Whether the table of the file is another than the one in force.
  bool is_refused() const { return is_refused_; }
  std::uint64_t taken() const { return taken_; }
  std::uint64_t failures() const { return failures_; }

 private:
  void run();
  void fail(const std::string& why, std::string_view in_force);
  std::string_view in_force_after_kill() const;

  const Log& log_;
  FileWatch file_;
  std::string program_;  // empty: a change needs a new pod
  std::chrono::steady_clock::time_point began_;
  std::optional<std::uint32_t> ruleset_;  // its generation when the run began
  pid_t child_ = 0;                       // 0: none runs
  bool is_due_ = false;
  bool is_refused_ = false;
  std::chrono::steady_clock::time_point retry_at_ = std::chrono::steady_clock::time_point::max();
  std::uint64_t taken_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace egress::wait
