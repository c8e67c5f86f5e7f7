// Listening sockets of one thread, shared with the other threads' by SO_REUSEPORT, and the loop
// that accepts. At the limit of connections or of open files it stops accepting, counts that in the
// slots, and looks again a few times a second: it never spins, and never gives up.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/endpoint.hpp"
#include "common/host.hpp"
#include "common/net/connection_slots.hpp"
#include "common/net/egress_interface.hpp"
#include "common/result.hpp"

namespace egress::net {

struct Accepted {
  boost::asio::ip::tcp::socket socket;  // non-blocking, close-on-exec, TCP_NODELAY
  Endpoint peer;                        // IPv4 for IPv4-mapped addresses
  ConnectionSlot slot;                  // to be kept as long as the connection
};

struct ListenerOptions {
  int backlog = 4096;                   // the kernel caps it at net.core.somaxconn
  int batch = 32;                       // accepted in a row, before other events have their turn
  std::chrono::milliseconds pause{50};  // at a limit, before it looks again
  // Connections from the external network are reset; must outlive the listener. None: there is no
  // such interface.
  const EgressInterface* egress = nullptr;
};

class Listener {
 public:
  using OnAccept = std::function<void(Accepted)>;

  // Binds and listens, and accepts nothing before start(). Where `listen` names no address, one
  // socket takes both families; where the pod has no IPv6, IPv4 alone. `io` and `slots` must
  // outlive it. Errors (stage runtime): EADDRINUSE, EADDRNOTAVAIL, EACCES and their like, with the
  // address.
  static Result<Listener> open(boost::asio::io_context& io, const ListenAddress& listen,
                               ConnectionSlots& slots, const ListenerOptions& options = {});
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();  // closes

  void start(OnAccept on_accept);
  // Connections that the kernel has queued and nobody accepted are reset: take readiness away
  // first.
  void close();

  std::uint16_t port() const;  // that it is bound to: the kernel's choice where 0 was asked for

 private:
  class State;
  explicit Listener(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace egress::net
