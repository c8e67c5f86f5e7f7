#include "redirect-proxy/wait/keeper.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "common/hold.hpp"
#include "common/net/admin.hpp"
#include "common/net/admin_tls.hpp"
#include "redirect-proxy/wait/report.hpp"
#include "redirect-proxy/wait/second_announcement.hpp"
#include "redirect-proxy/wait/table_runner.hpp"

namespace egress::wait {
namespace {

namespace asio = boost::asio;

class Keeper {
 public:
  Keeper(const WaitConfig& config, const Log& log)
      : config_(config),
        log_(log),
        signals_(io_),
        announcement_(io_),
        guard_(io_, config.interface, config.gateway_interval, log),
        table_(io_, config.table_path, log) {}

  Result<void> run() {
    const sigset_t awaited = awaited_signals();
    const int signals = ::signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) return make_errno_error(ExitCode::internal, "signalfd", errno);
    signals_.assign(signals);
    if (auto opened = open_admin(); !opened) return opened;
    log_(LogLevel::info, "holding the pod until SIGTERM");
    reap();  // a shell may have left children that ended before it became this program
    wait_for_signal();
    announcement_.expires_after(link::kAnnounceInterval);
    announcement_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      for (const auto& [level, message] : announce_again(config_.interface)) log_(level, message);
    });
    guard_.start();
    table_.start();
    io_.run();
    return {};
  }

 private:
  Result<void> open_admin() {
    net::AdminOptions options;
    if (config_.admin.has_tls()) {
      auto tls =
          net::make_admin_tls(config_.admin.tls_certificate, config_.admin.tls_key,
                              [this](std::string_view text) { log_(LogLevel::error, text); });
      if (!tls) return tls.error();
      options.transport = std::move(*tls);
    }
    const net::AdminHandlers handlers{
        .not_ready_because = [this] { return not_ready_because(guard_); },
        .metrics = [this] { return to_metrics(guard_, table_); },
        .status = [this] { return to_status(guard_, table_); },
        .not_alive_because = {}};
    for (const auto& where : config_.admin.listen) {
      auto admin = net::AdminServer::open(io_, where, handlers, options);
      if (!admin) return admin.error();
      admins_.push_back(std::move(*admin));
    }
    return {};
  }

  void wait_for_signal() {
    signals_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](boost::system::error_code error) {
                          if (!error && !take_signals()) wait_for_signal();
                        });
  }

  // True once it is time to end.
  bool take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.native_handle(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo != SIGCHLD) {
        io_.stop();
        return true;
      }
      reap();
    }
    return false;
  }

  void reap() {
    int status = 0;
    for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;)
      table_.on_child_end(child, status);
  }

  const WaitConfig& config_;
  const Log& log_;
  asio::io_context io_{1};
  asio::posix::stream_descriptor signals_;
  asio::steady_timer announcement_;
  LinkGuard guard_;
  TableRunner table_;
  std::vector<net::AdminServer> admins_;
};

}  // namespace

Result<void> keep(const WaitConfig& config, const Log& log) { return Keeper(config, log).run(); }

}  // namespace egress::wait
