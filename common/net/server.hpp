// The frame of a long-running program: the main loop with signals, admin endpoint and reloads, the
// threads beside it, the drain at the end. What it serves is the Service's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/admin_settings.hpp"
#include "common/log.hpp"
#include "common/net/admin.hpp"
#include "common/net/egress_interface.hpp"
#include "common/net/lifecycle.hpp"
#include "common/result.hpp"

namespace egress::net {

enum class Reload : std::uint8_t {
  if_changed,  // each second: what has changed on disk
  always       // SIGHUP
};

// One program's part. Called on the main loop's thread.
class Service {
 public:
  virtual ~Service() = default;

  virtual std::string metrics() = 0;  // text format 0.0.4
  virtual std::string status() = 0;   // JSON
  // Besides starting and draining; empty: ready.
  virtual std::string not_ready_because() { return {}; }
  virtual void reload(Reload when) = 0;

  // All threads run.
  virtual void on_start() {}
  // As in Lifecycle::Hooks.
  virtual bool is_idle() { return true; }
  virtual void drain() {}
  virtual void abort() {}
  // Makes the loops of the threads return.
  virtual void stop() {}
};

struct ServerOptions {
  AdminSettings admin;
  std::string egress_interface;  // whose arrivals no listener serves; empty: none
  std::chrono::milliseconds drain{0};
  std::chrono::milliseconds drain_delay{0};  // Lifecycle::Options::delay
};

class Server {
 public:
  // `service` and `log` must outlive it.
  Server(ServerOptions options, Service& service, const Log& log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the admin endpoint, which answers from run() on. Errors: those of Listener::open and
  // make_admin_tls.
  Result<void> open_admin();
  // Ready from here on. Each of `loops` has a thread of its own. Returns after SIGTERM or SIGINT,
  // when all threads have ended. What a thread throws ends the others, and is thrown here.
  void run(std::vector<std::function<void()>> loops = {});

  boost::asio::io_context& io() { return io_; }
  const EgressInterface& egress() const { return egress_; }
  // Empty: ready.
  std::string not_ready_because() const;
  std::string stage() const;  // the same, or "ready"

 private:
  class Threads;

  void tick();
  void fail(std::exception_ptr failure);

  const ServerOptions options_;
  Service& service_;
  const Log& log_;
  boost::asio::io_context io_{1};
  boost::asio::steady_timer timer_;
  EgressInterface egress_;
  Lifecycle lifecycle_;
  std::vector<AdminServer> admins_;
  std::mutex mutex_;
  std::exception_ptr failure_;  // guarded by mutex_: the first
};

}  // namespace egress::net
