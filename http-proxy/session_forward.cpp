// A request that the rules allow, on its way: the upstream connection, the exchange's lanes on both
// sockets, and what becomes of the connections afterwards.
#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "http-proxy/session.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadAheadBytes = 4096;
constexpr std::chrono::milliseconds kDrainPoll(20);

}  // namespace

// A request that may not be repeated takes a connection of its own: one that was kept may be closed
// by the origin at the moment it is used (RFC 9110 §9.2.2, RFC 9112 §9.3.1). One that authenticates
// this client has no substitute.
std::optional<Upstream> Session::take_upstream(const std::string& authority, bool repeatable) {
  if (bound_ && bound_->authority == authority) {
    auto upstream = std::exchange(bound_, std::nullopt);
    const auto& address = upstream->endpoint.address;
    const bool admitted = std::find(admitted_.begin(), admitted_.end(), address) != admitted_.end();
    if (admitted && is_quiet(upstream->socket)) return upstream;
  }
  return repeatable ? worker_.pool().take(authority, admitted_) : std::nullopt;
}

void Session::keep_upstream(const Exchange& exchange, Upstream upstream) {
  if (!exchange.is_origin_reusable()) return;
  upstream.is_bound = upstream.is_bound || exchange.is_origin_bound();
  if (upstream.is_bound) {
    bound_ = std::move(upstream);
  } else {
    worker_.pool().give_back(std::move(upstream), Clock::now());
  }
}

awaitable<Session::After> Session::forward(const Request& request) {
  const auto& config = worker_.config();
  const bool repeatable = is_idempotent(request.method) && request.body.is_empty();
  std::string authority;
  append_host_value(request.target.authority, authority);
  const bool tells_client = config.forwarded_for == ForwardedFor::append;
  const std::string client = tells_client ? to_text(record_.client) : std::string{};
  auto upstream = take_upstream(authority, repeatable);
  for (bool reused = upstream.has_value();; reused = false) {
    worker_.metrics().count_upstream(reused ? Reuse::pooled : Reuse::fresh);
    if (!upstream) {
      auto dialled = co_await dial_upstream(request.target.authority.port);
      if (!dialled) co_return co_await refuse(dialled.error(), &request);
      if (is_left()) co_return After::close;
      upstream = std::move(*dialled);
      upstream->authority = authority;
    }
    record_.upstream = upstream->endpoint.address;
    record_.upstream_port = upstream->endpoint.port;
    Exchange exchange(
        *work_, request,
        {.rewrite = {worker_.pseudonym(), client, config.forwarded_for},
         .responses = config.responses,
         .head_bytes = config.limits.head.head_bytes,
         .buffer_bytes = config.limits.buffer_bytes,
         .client = worker_.is_draining() ? Persistence::close : Persistence::keep_alive});
    co_await run_exchange(exchange, request, upstream->socket);
    if (exchange.end() == ExchangeEnd::origin_gone && reused && repeatable) {
      worker_.metrics().count_retry();
      upstream.reset();
      continue;
    }
    co_return co_await after_exchange(exchange, request, std::move(*upstream));
  }
}

awaitable<void> Session::run_exchange(Exchange& exchange, const Request& request,
                                      Socket& upstream) {
  using namespace asio::experimental::awaitable_operators;
  if (is_left()) {
    exchange.leave_client();
    co_return;
  }
  arm(worker_.config().deadlines.response);
  upstream_ = &upstream;
  if (request.body.is_empty()) {
    co_await pump(exchange, Lane::request, upstream);
    watch_later();
    co_await pump(exchange, Lane::response, upstream);
  } else {
    unwatch();
    co_await (send_request(exchange, upstream) && receive_response(exchange, upstream));
  }
  unwatch();
  upstream_ = nullptr;
}

awaitable<void> Session::send_request(Exchange& exchange, Socket& upstream) {
  co_await pump(exchange, Lane::request, upstream);
  error_code ignored;
  if (exchange.is_over()) {
    upstream.cancel(ignored);
  } else {
    watch_later();
  }
}

awaitable<void> Session::receive_response(Exchange& exchange, Socket& upstream) {
  co_await pump(exchange, Lane::response, upstream);
  if (exchange.is_request_sent()) co_return;
  error_code ignored;
  client_.cancel(ignored);
  upstream.cancel(ignored);
}

// What a lane of the exchange asks for, until it is done.
awaitable<void> Session::pump(Exchange& exchange, Lane lane, Socket& upstream) {
  Socket& source = lane == Lane::request ? client_ : upstream;
  Socket& sink = lane == Lane::request ? upstream : client_;
  for (;;) {
    const auto step = exchange.next(lane);
    if (step == Exchange::Step::done) co_return;
    error_code error;
    if (step == Exchange::Step::write) {
      auto& output = exchange.output(lane);
      const auto size = output.size();
      error = write_now(sink, output);
      if (lane == Lane::response) record_.bytes_out += size - output.size();
      if (error) exchange.sink_failed(lane);
      if (error || output.empty()) continue;
      arm(worker_.config().deadlines.response);
      co_await sink.async_wait(Socket::wait_write,
                               asio::redirect_error(asio::use_awaitable, error));
    } else {
      if (exchange.take_progress()) arm(worker_.config().deadlines.response);
      auto& input = exchange.input(lane);
      const auto count = co_await source.async_read_some(
          input.prepare(exchange.room(lane)), asio::redirect_error(asio::use_awaitable, error));
      input.commit(count);
    }
    if (is_left()) {
      exchange.leave_client();
    } else if (expired()) {
      exchange.expire();
    } else if (error && step == Exchange::Step::read) {
      if (error == asio::error::eof) {
        exchange.source_ended(lane);
      } else {
        exchange.source_failed(lane);
      }
    }
  }
}

awaitable<Session::After> Session::after_exchange(Exchange& exchange, const Request& request,
                                                  Upstream upstream) {
  record_.bytes_in += exchange.body_bytes();
  if (exchange.status() != 0) record_.status = exchange.status();
  unread_ = unread_ || !exchange.is_request_sent();
  switch (exchange.end()) {
    case ExchangeEnd::complete:
      keep_upstream(exchange, std::move(upstream));
      co_return exchange.client_persistence() == Persistence::keep_alive ? After::keep_alive
                                                                         : After::close;
    case ExchangeEnd::upgraded:
      tunnel_ = make_tunnel(std::move(upstream), view(work_->from_origin));
      co_return After::tunnel;
    case ExchangeEnd::client_gone:
      if (exchange.status() != 0) reset(client_);
      co_return After::close;
    case ExchangeEnd::cut_short:
      record_.error = exchange.error();
      co_await break_off(exchange.is_cut_hidden());
      co_return After::close;
    case ExchangeEnd::origin_gone:
    case ExchangeEnd::failed: break;
  }
  co_return co_await refuse(exchange.take_failure(), &request);
}

// The client gets all that was written before it sees the break: the end of the connection where
// that is one, else a reset, which would destroy what is under way.
awaitable<void> Session::break_off(bool by_reset) {
  if (!by_reset) {
    unread_ = true;
    co_return;
  }
  arm(worker_.config().deadlines.response);
  asio::steady_timer timer(client_.get_executor());
  pause_ = &timer;
  while (unacknowledged(client_) > 0 && !is_interrupted()) {
    error_code ignored;
    timer.expires_after(kDrainPoll);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  pause_ = nullptr;
  reset(client_);
}

awaitable<Session::After> Session::open_tunnel(const Request& request) {
  auto upstream = co_await dial_upstream(request.target.authority.port);
  if (!upstream) co_return co_await refuse(upstream.error(), &request);
  if (is_left()) co_return After::close;
  record_.upstream = upstream->endpoint.address;
  record_.upstream_port = upstream->endpoint.port;
  if (!co_await write("HTTP/1.1 200 Connection established\r\n\r\n")) co_return After::close;
  record_.status = 200;
  tunnel_ = make_tunnel(std::move(*upstream), {});
  if (worker_.config().sni != SniCheck::off) tunnel_->host = request.target.authority.host;
  co_return After::tunnel;
}

std::unique_ptr<TunnelStart> Session::make_tunnel(Upstream upstream,
                                                  std::string_view from_upstream) {
  unwatch();
  error_code ignored;
  client_.cancel(ignored);
  record_.bytes_in += work_->request.head().size;
  return std::make_unique<TunnelStart>(
      TunnelStart{.client = std::move(client_),
                  .upstream = std::move(upstream.socket),
                  .from_client = std::string(view(work_->from_client)),
                  .from_upstream = std::string(from_upstream),
                  .host = {},
                  .policy = policy_,
                  .began = began_,
                  .record = record_});
}

void Session::watch() {
  watched_ = true;
  if (waits_for_client_) return;
  waits_for_client_ = true;
  client_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    self->waits_for_client_ = false;
    if (!error && self->watched_) self->look_at_client();
  });
}

void Session::on_tick() {
  if (!is_reading_) return watch();
  is_reading_ = false;
  error_code ignored;
  client_.cancel(ignored);
}

void Session::unwatch() {
  watched_ = false;
  watcher_.disarm();
}

// Reads ahead what follows the request, for the end of the connection is behind it.
void Session::look_at_client() {
  auto& buffer = work_->from_client;
  const auto room = room_in(buffer, kReadAheadBytes, kReadAheadBytes);
  if (room == 0) return watch_for_reset();
  const auto error = read_now(client_, buffer, room);
  if (!error || error == asio::error::would_block) return watch();
  // TCP does not tell a client that has finished sending from one that has left. Who closes
  // together with its requests may wait for the answers still; who closes later has left.
  if (error == asio::error::eof) {
    client_finished_ = client_finished_ || closed_with_last_bytes(client_);
    if (client_finished_) return watch_for_reset();
  }
  leave();
}

void Session::watch_for_reset() {
  if (waits_for_reset_) return;
  waits_for_reset_ = true;
  client_.async_wait(Socket::wait_error, [self = shared_from_this()](error_code error) {
    self->waits_for_reset_ = false;
    if (!error && self->watched_ && is_reset(self->client_)) self->leave();
  });
}

void Session::leave() {
  client_left_ = true;
  interrupt();
}

}  // namespace egress::http
