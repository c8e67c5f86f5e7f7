#include "http-proxy/dialler.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/result.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

// One connection being made, with its deadline.
class Attempt final : public Connection {
 public:
  explicit Attempt(asio::io_context& io) : socket(io) {}

  void on_deadline() override { on_abort(); }
  void on_drain() override {}
  void on_abort() override {
    error_code ignored;
    socket.cancel(ignored);
  }

  Socket socket;
};

Failure to_failure(const error_code& error, const IpAddress& address, bool expired) {
  const auto make = [](unsigned status, ProxyError type, std::string text) {
    return Failure{status, type, std::move(text), Persistence::keep_alive, {}, {}, 0};
  };
  const auto where = to_text(address);
  if (expired || error == asio::error::timed_out)
    return make(504, ProxyError::connection_timeout, "No connection to " + where + " in time.");
  if (error == asio::error::connection_refused)
    return make(502, ProxyError::connection_refused, where + " refused the connection.");
  if (error == asio::error::no_descriptors)
    return make(503, ProxyError::connection_limit_reached, "No more connections can be opened.");
  if (error == asio::error::network_unreachable || error == asio::error::host_unreachable)
    return make(502, ProxyError::destination_ip_unroutable, "There is no route to " + where + ".");
  return make(502, ProxyError::destination_unavailable,
              "No connection to " + where + ": " + errno_to_text(error.value()) + ".");
}

}  // namespace

awaitable<Outcome<std::vector<IpAddress>>> Dialler::resolve(const std::string& name) {
  asio::ip::tcp::resolver resolver(io_);
  error_code error;
  const auto found = co_await resolver.async_resolve(
      name, "80", asio::redirect_error(asio::use_awaitable, error));
  std::vector<IpAddress> addresses;
  for (const auto& entry : found) addresses.push_back(to_ip_address(entry.endpoint().address()));
  if (error && error != asio::error::host_not_found) {
    co_return Failure{502, ProxyError::dns_error, "The name " + name + " could not be resolved.",
                      Persistence::keep_alive, {}, {}, 0};
  }
  co_return addresses;
}

awaitable<Outcome<Upstream>> Dialler::dial(std::span<const IpAddress> addresses,
                                           std::uint16_t port) {
  auto left = config_.deadlines.connect;
  Failure failure;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto begin = Connection::Clock::now();
    Attempt attempt(io_);
    connections_.push_back(attempt);
    attempt.arm(left / static_cast<int>(addresses.size() - i));
    error_code error;
    const asio::ip::tcp::endpoint endpoint(to_asio(addresses[i]), port);
    attempt.socket.open(endpoint.protocol(), error);
    if (!error) {
      co_await attempt.socket.async_connect(endpoint,
                                            asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error) {
      attempt.socket.set_option(asio::ip::tcp::no_delay(true), error);
      co_return Upstream{std::move(attempt.socket), {addresses[i], port}};
    }
    failure = to_failure(error, addresses[i], attempt.expired());
    left -= std::chrono::duration_cast<std::chrono::milliseconds>(Connection::Clock::now() - begin);
    if (left <= left.zero()) break;
  }
  co_return failure;
}

}  // namespace egress::http
