#include "http-proxy/session.hpp"

#include <boost/asio/error.hpp>
#include <utility>

#include "http-proxy/dialler.hpp"
#include "http-proxy/error_page.hpp"
#include "http-proxy/session_exchange.hpp"

namespace egress::http {

namespace asio = boost::asio;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kHeadBufferBytes = 4096;
constexpr std::chrono::seconds kLinger(2);

Failure failure_of(unsigned status, ProxyError error, std::string text) {
  return {status, error, std::move(text), Persistence::close, {}, {}, 0};
}

Failure head_timeout() {
  return failure_of(408, ProxyError::http_request_error,
                    "The head of the request did not come in time.");
}

}  // namespace

Session::Session(Worker& worker, Socket client, const Endpoint& peer)
    : Connection(worker.deadlines()),
      worker_(worker),
      client_(std::move(client)),
      peer_(peer),
      parser_(worker_.config().limits.head) {
  worker_.add(*this);
}

Session::~Session() = default;

void Session::on_drain() {
  if (idle_) on_abort();
}

void Session::on_abort() {
  error_code ignored;
  client_.cancel(ignored);
  if (exchange_ != nullptr) exchange_->cancel();
}

awaitable<std::optional<TunnelStart>> Session::run() {
  for (;;) {
    if (!co_await receive_head()) break;
    const auto after = co_await serve();
    if (after == After::tunnel) co_return std::move(tunnel_);
    finish_record();
    if (after == After::close || worker_.is_draining()) break;
    parser_.reset();
    answered_ = true;
  }
  co_await linger();
  co_return std::nullopt;
}

// False where the connection is to be closed, after an answer where one was owed.
awaitable<bool> Session::receive_head() {
  const auto& config = worker_.config();
  bool begun = false;
  arm(answered_ ? config.deadlines.keep_alive : config.deadlines.header);
  for (;;) {
    const auto progress = parser_.parse(in_.view());
    if (progress == Progress::complete) break;
    if (progress == Progress::failed) co_return co_await refuse_head(parser_.failure());
    if (!begun && parser_.has_begun(in_.view())) {
      begun = true;
      if (answered_) arm(config.deadlines.header);
    }
    idle_ = !begun;
    if (idle_ && worker_.is_draining() && answered_) co_return false;
    in_.make_room(kHeadBufferBytes, config.limits.head.head_bytes + 1);
    const auto error = co_await read_some(client_, in_);
    idle_ = false;
    if (error && begun && expired()) co_return co_await refuse_head(head_timeout());
    if (error) co_return false;
  }
  in_.consume(parser_.head().size);
  begin_record();
  co_return true;
}

awaitable<bool> Session::refuse_head(Failure failure) {
  begin_record();
  unread_ = true;
  co_await refuse(std::move(failure), nullptr);
  finish_record();
  co_return false;
}

awaitable<Session::After> Session::serve() {
  auto request = read_request(parser_.head());
  if (!request) co_return co_await refuse(request.error(), nullptr);
  policy_ = worker_.policy();
  auto& host = request->target.authority.host;
  host = policy_->complete(std::move(host));
  if (has_passed(parser_.head(), worker_.pseudonym())) {
    co_return co_await refuse(failure_of(508, ProxyError::proxy_loop_detected,
                                         "The request came through this proxy before."),
                              &*request);
  }
  if (is_answered_here(*request)) co_return co_await answer_options(*request);
  if (auto failure = co_await judge(*request))
    co_return co_await refuse(std::move(*failure), &*request);
  if (request->method == Method::connect) co_return co_await open_tunnel(*request);
  co_return co_await forward(*request);
}

// What to answer where the rules do not let the request pass; else admitted_ is filled.
awaitable<std::optional<Failure>> Session::judge(const Request& request) {
  const Question question{request.target.authority.host, request.target.authority.port,
                          request.method == Method::connect ? Access::tunnel : Access::forward};
  disarm();
  auto evaluation = co_await evaluate(worker_.resolver(), *policy_, question);
  record_.resolve = evaluation.resolve;
  if (evaluation.failure) co_return std::move(evaluation.failure);
  auto& decision = evaluation.decision;
  record_.verdict = decision.verdict;
  record_.reason = decision.reason;
  record_.rule_line = decision.line;
  record_.enforcement = policy_->options().enforcement;
  worker_.metrics().count(decision, *policy_);
  if (decision.next == Next::refuse) co_return to_failure(decision, question, *policy_);
  admitted_ = std::move(decision.admitted);
  co_return std::nullopt;
}

// A request that may not be repeated takes a connection of its own: one that was kept may be closed
// by the origin at the moment it is used (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
awaitable<Session::After> Session::forward(const Request& request) {
  const auto port = request.target.authority.port;
  const bool repeatable = is_idempotent(request.method) && request.body.is_empty();
  auto upstream = repeatable ? worker_.pool().take(admitted_, port) : std::nullopt;
  for (bool reused = upstream.has_value();; reused = false) {
    worker_.metrics().count_upstream(reused ? Reuse::pooled : Reuse::fresh);
    if (!upstream) {
      auto dialled = co_await dial_upstream(port);
      if (!dialled) co_return co_await refuse(dialled.error(), &request);
      upstream = std::move(*dialled);
    }
    record_.upstream = upstream->endpoint.address;
    record_.upstream_port = port;
    Exchange exchange(*this, request, std::move(*upstream));
    upstream.reset();
    const auto end = co_await exchange.run();
    if (end == ExchangeEnd::origin_gone && reused) {
      worker_.metrics().count_retry();
      continue;
    }
    co_return co_await after_exchange(exchange, request, end);
  }
}

awaitable<Session::After> Session::after_exchange(Exchange& exchange, const Request& request,
                                                  ExchangeEnd end) {
  switch (end) {
    case ExchangeEnd::complete: co_return After::keep_alive;
    case ExchangeEnd::complete_close: co_return After::close;
    case ExchangeEnd::upgraded:
      tunnel_ = make_tunnel(exchange.take_upstream(), exchange.unread());
      co_return After::tunnel;
    case ExchangeEnd::client_gone: co_return After::close;
    case ExchangeEnd::cut_short: reset(client_); co_return After::close;
    case ExchangeEnd::origin_gone:
    case ExchangeEnd::failed: break;
  }
  co_return co_await refuse(exchange.take_failure(), &request);
}

awaitable<Outcome<Upstream>> Session::dial_upstream(std::uint16_t port) {
  const auto before = Clock::now();
  disarm();
  auto upstream = co_await dial({admitted_, port, worker_.config().deadlines.connect});
  record_.connect = duration_cast<milliseconds>(Clock::now() - before);
  co_return upstream;
}

awaitable<Session::After> Session::open_tunnel(const Request& request) {
  auto upstream = co_await dial_upstream(request.target.authority.port);
  if (!upstream) co_return co_await refuse(upstream.error(), &request);
  record_.upstream = upstream->endpoint.address;
  record_.upstream_port = upstream->endpoint.port;
  if (!co_await write("HTTP/1.1 200 Connection established\r\n\r\n")) co_return After::close;
  record_.status = 200;
  tunnel_ = make_tunnel(std::move(*upstream), {});
  if (worker_.config().sni != SniCheck::off) tunnel_->host = request.target.authority.host;
  co_return After::tunnel;
}

TunnelStart Session::make_tunnel(Upstream upstream, std::string_view from_upstream) {
  record_.bytes_in += parser_.head().size;
  return {.client = std::move(client_),
          .upstream = std::move(upstream.socket),
          .from_client = std::string(in_.view()),
          .from_upstream = std::string(from_upstream),
          .host = {},
          .policy = policy_,
          .began = began_,
          .record = record_};
}

awaitable<Session::After> Session::answer_options(const Request& request) {
  const bool keeps = request.persistence == Persistence::keep_alive && request.body.is_empty() &&
                     !worker_.is_draining();
  out_.clear();
  append_options_response(keeps ? Persistence::keep_alive : Persistence::close, out_);
  record_.status = 204;
  unread_ = !keeps;
  co_return co_await write(out_) && keeps ? After::keep_alive : After::close;
}

// `request` is null where the head could not be read to its end.
awaitable<Session::After> Session::refuse(Failure failure, const Request* request) {
  const bool keeps = failure.persistence == Persistence::keep_alive && request != nullptr &&
                     request->persistence == Persistence::keep_alive && request->body.is_empty() &&
                     !worker_.is_draining();
  failure.persistence = keeps ? Persistence::keep_alive : Persistence::close;
  unread_ = !keeps;
  const auto policy = policy_ ? policy_ : worker_.policy();
  out_.clear();
  append_error_response(
      failure, {has_head_ ? &parser_.head() : nullptr, worker_.pseudonym(), policy->table().source},
      out_);
  record_.status = failure.status;
  record_.error = failure.error;
  co_return co_await write(out_) && keeps ? After::keep_alive : After::close;
}

// To the client, and counted.
awaitable<bool> Session::write(std::string_view text) {
  Gather gather;
  gather.add(text);
  auto error = write_now(client_, gather);
  if (!error && !gather.empty()) {
    arm(worker_.config().deadlines.response);
    error = co_await write_rest(client_, gather);
  }
  record_.bytes_out += text.size() - gather.size();
  co_return !error;
}

// Closing with bytes unread sends a reset, which can destroy the answer before the client has read
// it (RFC 9112 §9.6).
awaitable<void> Session::linger() {
  error_code error;
  if (!unread_ || !client_.is_open()) co_return;
  client_.shutdown(Socket::shutdown_send, error);
  arm(kLinger);
  std::size_t left = worker_.config().limits.drained_body_bytes;
  while (!error && !expired()) {
    in_.consume(in_.size());
    in_.make_room(kHeadBufferBytes, kHeadBufferBytes);
    error = co_await read_some(client_, in_);
    if (in_.size() > left) break;
    left -= in_.size();
  }
}

void Session::begin_record() {
  has_head_ = parser_.head().size != 0;
  record_ = {};
  record_.time = std::chrono::system_clock::now();
  began_ = Clock::now();
  record_.client = peer_.address;
  record_.client_port = peer_.port;
  record_.method = parser_.head().method_text;
  record_.target = parser_.head().target;
}

void Session::finish_record() {
  if (has_head_) record_.bytes_in += parser_.head().size;
  record_.total = duration_cast<milliseconds>(Clock::now() - began_);
  worker_.log(record_);
}

}  // namespace egress::http
