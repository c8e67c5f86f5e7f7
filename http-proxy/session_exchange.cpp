#include "http-proxy/session_exchange.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <utility>

namespace egress::http {

namespace asio = boost::asio;

Exchange::Exchange(Session& session, const Request& request, Upstream upstream)
    : session_(session),
      request_(request),
      upstream_(std::move(upstream)),
      buffer_(session.worker_.take_buffer()),
      parser_(session.worker_.config().limits.head, session.worker_.config().responses) {
  session_.exchange_ = this;
}

Exchange::~Exchange() {
  session_.exchange_ = nullptr;
  session_.worker_.give_buffer(std::move(buffer_));
}

void Exchange::cancel() {
  client_stalled_ = request_body_ != nullptr && request_body_->waits_for_source();
  error_code ignored;
  upstream_.socket.cancel(ignored);
}

awaitable<ExchangeEnd> Exchange::run() {
  using namespace asio::experimental::awaitable_operators;
  const auto& config = session_.worker_.config();
  auto& head = session_.request_head_;
  head.clear();
  const bool tells_client = config.forwarded_for == ForwardedFor::append;
  const std::string client = tells_client ? to_text(session_.record_.client) : std::string{};
  append_request_head(session_.parser_.head(), request_,
                      {session_.worker_.pseudonym(), client, config.forwarded_for}, head);
  session_.arm(config.deadlines.response);
  if (request_.body.is_empty()) {
    Gather gather;
    gather.add(head);
    // An origin that takes no more may have answered already: the response tells.
    if (!write_now(upstream_.socket, gather) && !gather.empty())
      co_await write_rest(upstream_.socket, gather);
    co_return co_await receive_response();
  }
  BodyRelay body({session_.client_, session_.in_, upstream_.socket, head, request_.body,
                  request_.body, config.limits.buffer_bytes,
                  [this] { session_.arm(session_.worker_.config().deadlines.response); }});
  request_body_ = &body;
  co_await (send_request(body) && receive_and_stop(body));
  request_body_ = nullptr;
  session_.record_.bytes_in += body.result().read;
  session_.unread_ = session_.unread_ || !body.is_complete();
  co_return end_;
}

awaitable<void> Exchange::send_request(BodyRelay& body) {
  co_await body.run();
  const auto end = body.result().end;
  // Without the rest of the body no response is worth waiting for; where the origin stopped
  // reading, one may be under way.
  if (end != BodyEnd::complete && end != BodyEnd::sink_failed) {
    error_code ignored;
    upstream_.socket.close(ignored);
  }
}

awaitable<void> Exchange::receive_and_stop(BodyRelay& body) {
  end_ = co_await receive_response();
  if (body.has_ended()) co_return;
  body.stop();
  error_code ignored;
  session_.client_.cancel(ignored);
  upstream_.socket.close(ignored);
}

awaitable<ExchangeEnd> Exchange::receive_response() {
  for (unsigned interim = 0;; ++interim) {
    if (const auto end = co_await receive_head()) co_return *end;
    const unsigned status = parser_.head().status;
    if (status == 101) co_return co_await pass_upgrade();
    if (status >= 200) co_return co_await pass_response();
    if (interim == kMostInterimResponses)
      co_return break_protocol("The origin sent more than " +
                               std::to_string(kMostInterimResponses) + " interim responses.");
    if (!co_await pass_interim()) co_return ExchangeEnd::client_gone;
  }
}

// Nothing where a head was received.
awaitable<std::optional<ExchangeEnd>> Exchange::receive_head() {
  const auto& config = session_.worker_.config();
  const auto& limits = config.limits;
  const std::size_t most = std::max(limits.head.head_bytes + 1, limits.buffer_bytes);
  for (;;) {
    const auto progress = buffer_.empty() ? Progress::need_more : parser_.parse(buffer_.view());
    if (progress == Progress::complete) {
      auto response = read_response(parser_.head(), request_.method, config.responses);
      if (!response) co_return fail(response.error());
      response_ = std::move(*response);
      co_return std::nullopt;
    }
    if (progress == Progress::failed) co_return fail(parser_.failure());
    buffer_.make_room(limits.buffer_bytes, most);
    if (const auto error = co_await read_some(upstream_.socket, buffer_)) co_return lost(error);
  }
}

awaitable<bool> Exchange::pass_interim() {
  const auto& head = parser_.head();
  bool written = true;
  if (session_.parser_.head().version == Version::http11) {
    append_head(session_.out_);
    written = co_await session_.write(session_.out_);
  }
  buffer_.consume(head.size);
  parser_.reset();
  session_.arm(session_.worker_.config().deadlines.response);
  co_return written;
}

awaitable<ExchangeEnd> Exchange::pass_upgrade() {
  if (request_.upgrade.empty())
    co_return break_protocol("The origin switched protocols, which nobody asked for.");
  append_head(session_.out_);
  session_.record_.status = 101;
  const bool written = co_await session_.write(session_.out_);
  buffer_.consume(parser_.head().size);
  co_return written ? ExchangeEnd::upgraded : ExchangeEnd::client_gone;
}

awaitable<ExchangeEnd> Exchange::pass_response() {
  const auto& head = parser_.head();
  const auto to = client_body(response_.body, session_.parser_.head().version);
  const bool keeps_client = request_.persistence == Persistence::keep_alive && is_request_sent() &&
                            to.kind != BodyKind::until_close && !session_.worker_.is_draining();
  client_persistence_ = keeps_client ? Persistence::keep_alive : Persistence::close;
  append_head(session_.out_);
  session_.record_.status = head.status;
  buffer_.consume(head.size);

  BodyRelay body({upstream_.socket, buffer_, session_.client_, session_.out_, response_.body, to,
                  session_.worker_.config().limits.buffer_bytes,
                  [this] { session_.arm(session_.worker_.config().deadlines.response); }});
  co_await body.run();
  session_.record_.bytes_out += body.result().written;
  co_return end_of(body.result());
}

void Exchange::append_head(std::string& out) {
  out.clear();
  append_response_head(
      parser_.head(), response_,
      {session_.worker_.pseudonym(), session_.parser_.head().version, client_persistence_}, out);
}

ExchangeEnd Exchange::end_of(const BodyResult& result) {
  if (result.end == BodyEnd::complete) return complete();
  if (result.end == BodyEnd::sink_failed) return ExchangeEnd::client_gone;
  session_.record_.error = session_.expired() ? ProxyError::connection_read_timeout
                                              : ProxyError::http_response_incomplete;
  return ExchangeEnd::cut_short;
}

ExchangeEnd Exchange::complete() {
  if (response_.persistence == Persistence::keep_alive && buffer_.empty() && is_request_sent())
    session_.worker_.pool().give_back(std::move(upstream_), std::chrono::steady_clock::now());
  return client_persistence_ == Persistence::keep_alive ? ExchangeEnd::complete
                                                        : ExchangeEnd::complete_close;
}

ExchangeEnd Exchange::fail(Failure failure) {
  failure_ = std::move(failure);
  return ExchangeEnd::failed;
}

ExchangeEnd Exchange::break_protocol(std::string sentence) {
  return fail(bad_response(ProxyError::http_protocol_error, std::move(sentence)));
}

// The origin's side ended before a whole head had come.
ExchangeEnd Exchange::lost(error_code error) {
  if (request_body_ != nullptr && request_body_->result().end == BodyEnd::malformed)
    return fail(bad_request(std::string(request_body_->result().fault)));
  if (session_.expired() && client_stalled_) {
    return fail({408,
                 ProxyError::http_request_error,
                 "The body of the request did not come in time.",
                 Persistence::close,
                 {},
                 {},
                 0});
  }
  if (session_.expired()) {
    return fail({504,
                 ProxyError::http_response_timeout,
                 "The origin did not answer in time.",
                 Persistence::close,
                 {},
                 {},
                 0});
  }
  const bool closed_here = error == asio::error::operation_aborted || !upstream_.socket.is_open();
  if (closed_here) return ExchangeEnd::client_gone;
  if (!buffer_.empty()) {
    return fail(bad_response(ProxyError::http_response_incomplete,
                             "The origin closed the connection within the head of its response."));
  }
  failure_ = bad_response(ProxyError::connection_terminated,
                          "The origin closed the connection without a response.");
  return ExchangeEnd::origin_gone;
}

}  // namespace egress::http
