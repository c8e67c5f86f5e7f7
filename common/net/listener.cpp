#include "common/net/listener.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "common/net/asio_address.hpp"

namespace egress::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Errors of one connection that is gone already (accept(2)): the next one is asked for.
bool concerns_one_connection(int error) {
  return error == ECONNABORTED || error == EPROTO || error == EINTR || error == ENETDOWN ||
         error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
         error == EOPNOTSUPP || error == ENETUNREACH || error == EPERM;
}

error_code bind_and_listen(tcp::acceptor& acceptor, const tcp::endpoint& at, int backlog) {
  error_code error;
  acceptor.open(at.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(ReusePort(true), error);
  if (!error && at.protocol() == tcp::v6()) {
    acceptor.set_option(asio::ip::v6_only(!at.address().is_unspecified()), error);
  }
  if (!error) EgressInterface::watch(acceptor.native_handle());
  if (!error) acceptor.bind(at, error);
  if (!error) acceptor.listen(backlog, error);
  if (!error) acceptor.native_non_blocking(true, error);
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

// Both families by one socket; a pod whose kernel has IPv6 off has IPv4 alone.
error_code bind_and_listen(tcp::acceptor& acceptor, const ListenAddress& listen, int backlog) {
  if (listen.address) {
    return bind_and_listen(acceptor, {to_asio(*listen.address), listen.port}, backlog);
  }
  const auto error = bind_and_listen(acceptor, {tcp::v6(), listen.port}, backlog);
  if (error != asio::error::address_family_not_supported &&
      error != error_code(EADDRNOTAVAIL, boost::system::system_category())) {
    return error;
  }
  return bind_and_listen(acceptor, {tcp::v4(), listen.port}, backlog);
}

}  // namespace

class Listener::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& io, ConnectionSlots& slots, const ListenerOptions& options)
      : io_(io), slots_(slots), options_(options), acceptor_(io), timer_(io) {}

  error_code open(const ListenAddress& listen) {
    const auto error = bind_and_listen(acceptor_, listen, options_.backlog);
    if (error) return error;
    const auto local = acceptor_.local_endpoint();
    protocol_ = local.protocol();
    port_ = local.port();
    return {};
  }

  void start(OnAccept on_accept) {
    on_accept_ = std::move(on_accept);
    wait();
  }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    timer_.cancel();
  }

  std::uint16_t port() const { return port_; }

 private:
  enum class Next : std::uint8_t { again, wait, pause };

  void wait() {
    acceptor_.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](error_code error) {
      if (!error) self->accept_some();
    });
  }

  void pause() {
    timer_.expires_after(options_.pause);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->accept_some();
    });
  }

  void accept_some() {
    for (int i = 0; i < options_.batch; ++i) {
      if (!acceptor_.is_open()) return;
      const auto next = accept_one();
      if (next == Next::pause) return pause();
      if (next == Next::wait) break;
    }
    // Where more are queued, this comes back at once.
    if (acceptor_.is_open()) wait();
  }

  Next accept_one() {
    auto slot = slots_.take();
    if (!slot) {
      if (!has_waiting()) return Next::wait;
      ++slots_.waits_for_slot;
      return Next::pause;
    }
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const int fd = ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&address),
                             &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Next::wait;
      if (concerns_one_connection(errno)) return Next::again;
      ++slots_.waits_for_file;
      return Next::pause;
    }
    if (options_.egress != nullptr && options_.egress->is_external(fd)) {
      const linger reset{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      ::close(fd);
      ++slots_.external;
      return Next::again;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    tcp::endpoint peer;
    std::memcpy(peer.data(), &address, std::min<std::size_t>(length, peer.capacity()));
    tcp::socket socket(io_);
    error_code error;
    socket.assign(*protocol_, fd, error);
    if (error) {  // ENOSPC: fs.epoll.max_user_watches; ENOMEM
      ::close(fd);
      ++slots_.waits_for_file;
      return Next::pause;
    }
    on_accept_({std::move(socket), to_endpoint(peer), std::move(*slot)});
    return Next::again;
  }

  bool has_waiting() {
    pollfd listening{acceptor_.native_handle(), POLLIN, 0};
    return ::poll(&listening, 1, 0) > 0;
  }

  asio::io_context& io_;
  ConnectionSlots& slots_;
  const ListenerOptions options_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  std::optional<tcp> protocol_;
  std::uint16_t port_ = 0;
  OnAccept on_accept_;
};

Result<Listener> Listener::open(asio::io_context& io, const ListenAddress& listen,
                                ConnectionSlots& slots, const ListenerOptions& options) {
  auto state = std::make_shared<State>(io, slots, options);
  if (const auto error = state->open(listen)) {
    return make_errno_error(ExitCode::runtime, "listening on " + to_text(listen), error.value());
  }
  return Listener(std::move(state));
}

Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
Listener::~Listener() {
  if (state_) state_->close();
}

void Listener::start(OnAccept on_accept) { state_->start(std::move(on_accept)); }
void Listener::close() { state_->close(); }
std::uint16_t Listener::port() const { return state_->port(); }

}  // namespace egress::net
