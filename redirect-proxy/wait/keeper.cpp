#include "redirect-proxy/wait/keeper.hpp"

#include <sys/wait.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "common/net/server.hpp"
#include "redirect-proxy/wait/report.hpp"
#include "redirect-proxy/wait/second_announcement.hpp"
#include "redirect-proxy/wait/table_runner.hpp"

namespace egress::wait {
namespace {

class Keeper final : public net::Service {
 public:
  Keeper(const WaitConfig& config, const Log& log)
      : config_(config),
        log_(log),
        server_({.admin = config.admin, .egress_interface = config.interface}, *this, log),
        children_(server_.io(), SIGCHLD),
        announcement_(server_.io()),
        guard_(server_.io(), config.interface, config.gateway_interval, log),
        table_(config.table_path, log) {}

  Result<void> run() {
    if (auto opened = server_.open_admin(); !opened) return opened;
    log_(LogLevel::info, "holding the pod until SIGTERM");
    wait_for_child();
    reap();  // a shell may have left children that ended before it became this program
    announcement_.expires_after(link::kAnnounceInterval);
    announcement_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      for (const auto& [level, message] : announce_again(config_.interface)) log_(level, message);
    });
    guard_.start();
    table_.start();
    server_.run();
    return {};
  }

 private:
  std::string metrics() override { return to_metrics(guard_, table_); }
  std::string status() override { return to_status(guard_, table_); }
  std::string not_ready_because() override { return wait::not_ready_because(guard_); }
  void reload(net::Reload when) override { table_.poll(when); }

  void wait_for_child() {
    children_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      reap();
      wait_for_child();
    });
  }

  void reap() {
    int status = 0;
    for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;)
      table_.on_child_end(child, status);
  }

  const WaitConfig& config_;
  const Log& log_;
  net::Server server_;
  boost::asio::signal_set children_;
  boost::asio::steady_timer announcement_;
  LinkGuard guard_;
  TableRunner table_;
};

}  // namespace

Result<void> keep(const WaitConfig& config, const Log& log) { return Keeper(config, log).run(); }

}  // namespace egress::wait
