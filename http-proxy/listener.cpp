#include "http-proxy/listener.hpp"

#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <exception>
#include <utility>

#include "http-proxy/session.hpp"

namespace egress::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kPause(50);
constexpr int kBacklog = 1024;

awaitable<void> serve_client(Worker& worker, Socket client) {
  auto session = std::make_unique<Session>(worker, std::move(client));
  auto tunnel = co_await session->run();
  // A tunnel may last for hours: what a session holds is given back before it begins.
  session.reset();
  if (tunnel) {
    start_tunnel(worker, std::move(*tunnel));
  } else {
    worker.metrics().connections_closed.add(1);
  }
}

Result<tcp::acceptor> open_acceptor(asio::io_context& io, const ListenAddress& where,
                                    const tcp::endpoint& endpoint) {
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  tcp::acceptor acceptor(io);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.set_option(ReusePort(true), error);
  if (!error && endpoint.protocol() == tcp::v6())
    acceptor.set_option(asio::ip::v6_only(where.address.has_value()), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (!error) return acceptor;
  return make_errno_error(ExitCode::configuration, "listening on " + to_text(where), error.value());
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(Worker& worker, const ListenAddress& where) {
  const auto address =
      where.address ? to_asio(*where.address) : asio::ip::address(asio::ip::address_v6::any());
  auto acceptor = open_acceptor(worker.io(), where, {address, where.port});
  if (!acceptor && !where.address)  // a kernel without IPv6
    acceptor = open_acceptor(worker.io(), where, {tcp::v4(), where.port});
  if (!acceptor) return acceptor.error();
  return std::unique_ptr<Listener>(new Listener(worker, std::move(*acceptor)));
}

Listener::Listener(Worker& worker, tcp::acceptor acceptor)
    : worker_(worker), acceptor_(std::move(acceptor)), timer_(worker.io()) {}

void Listener::start() { accept(); }

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

void Listener::accept() {
  if (!acceptor_.is_open()) return;
  if (worker_.is_full()) return pause();
  acceptor_.async_accept([this](error_code error, Socket client) {
    if (error == asio::error::operation_aborted) return;
    if (error && error != asio::error::connection_aborted) return pause();
    if (!error) {
      error_code ignored;
      client.set_option(tcp::no_delay(true), ignored);
      worker_.metrics().connections_opened.add(1);
      asio::co_spawn(worker_.io(), serve_client(worker_, std::move(client)),
                     [this](const std::exception_ptr& failure) {
                       if (failure) worker_.metrics().connections_closed.add(1);
                     });
    }
    accept();
  });
}

void Listener::pause() {
  timer_.expires_after(kPause);
  timer_.async_wait([this](error_code error) {
    if (!error) accept();
  });
}

}  // namespace egress::http
