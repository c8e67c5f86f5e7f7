// The administrator's HTTP endpoint: health, readiness, metrics, status. A server of its own on a
// loop of its own, bounded in connections, bytes and time, so that nothing asked of it holds the
// proxy up. A new connection never waits for one that is idle, so nobody can starve the probes.
// Takes GET and HEAD alone, proxies nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/host.hpp"
#include "common/net/egress_interface.hpp"
#include "common/result.hpp"

namespace egress::net {

// Called on the loop's thread.
struct AdminHandlers {
  // /readyz: empty is ready (200), else a sentence that says why not (503).
  std::function<std::string()> not_ready_because;
  std::function<std::string()> metrics;  // /metrics, text format 0.0.4
  std::function<std::string()> status;   // /status, JSON
  // /healthz and /livez: empty is alive (200), else why not (503). Where there is none: alive, as
  // the loop that answers turns.
  std::function<std::string()> not_alive_because;
};

struct AdminOptions;

// What stands between HTTP and TCP: see admin_tls.hpp.
class AdminTransport {
 public:
  virtual ~AdminTransport() = default;
  // Serves one connection to its end; errors are exceptions, as in Asio's coroutines. The handlers
  // and options outlive the call.
  virtual boost::asio::awaitable<void> serve(boost::beast::tcp_stream& tcp,
                                             const AdminHandlers& handlers,
                                             const AdminOptions& options) = 0;
};

struct AdminOptions {
  std::size_t connections = 32;  // at more, the one that was accepted first is closed
  std::size_t head_bytes = 8U << 10U;
  std::chrono::milliseconds deadline = std::chrono::seconds(10);  // for a request, and for the next
  std::shared_ptr<AdminTransport> transport;                      // none: HTTP in the clear
  const EgressInterface* egress = nullptr;                        // as in ListenerOptions
};

class AdminServer {
 public:
  // Listens and serves. `io` must outlive it. Errors as for Listener::open.
  static Result<AdminServer> open(boost::asio::io_context& io, const ListenAddress& listen,
                                  AdminHandlers handlers, const AdminOptions& options = {});
  AdminServer(AdminServer&&) noexcept;
  AdminServer& operator=(AdminServer&&) noexcept;
  ~AdminServer();  // closes the listener and all connections

  std::uint16_t port() const;

 private:
  class State;
  explicit AdminServer(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace egress::net
