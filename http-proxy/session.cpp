#include "http-proxy/session.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "http-proxy/dialler.hpp"
#include "http-proxy/error_page.hpp"

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

template <class T>
awaitable<void> assign(std::optional<T>& result, awaitable<T> work) {
  // What is cancelled ends with a result of its own, not by an exception.
  co_await asio::this_coro::throw_if_cancelled(false);
  result = co_await std::move(work);
}

}  // namespace

Session::Session(Worker& worker, Socket client, const Endpoint& peer)
    : Connection(worker.deadlines()), worker_(worker), client_(std::move(client)), peer_(peer) {
  worker_.add(*this);
}

Session::~Session() {
  if (work_) worker_.give_workspace(std::move(work_));
}

void Session::on_drain() {
  if (idle_) abort();
}

void Session::interrupt() {
  error_code ignored;
  client_.cancel(ignored);
  if (upstream_ != nullptr) upstream_->cancel(ignored);
  if (pause_ != nullptr) pause_->cancel();
  cancel_.emit(asio::cancellation_type::terminal);
}

void Session::close() {
  unwatch();
  bound_.reset();
  error_code ignored;
  client_.close(ignored);
}

awaitable<std::unique_ptr<TunnelStart>> Session::run() {
  while (co_await receive_request()) {
    const auto after = co_await serve();
    unwatch();
    if (after == After::tunnel) co_return std::move(tunnel_);
    finish_record();
    if (after == After::close || worker_.is_draining()) break;
    work_->request.reset();
    answered_ = true;
  }
  co_await linger();
  co_return nullptr;
}

awaitable<void> Session::turn_away(std::string_view response) {
  unread_ = true;
  const bool written = co_await write(response);
  if (!written) co_return;
  co_await linger();
}

// False where the connection is to be closed, after an answer where one was owed.
awaitable<bool> Session::receive_request() {
  const auto& config = worker_.config();
  arm(answered_ ? config.deadlines.keep_alive : config.deadlines.header);
  bool begun = false;
  for (;;) {
    if (work_) {
      auto& parser = work_->request;
      const auto progress = parser.parse(view(work_->from_client));
      if (progress == Progress::complete) break;
      if (progress == Progress::failed) co_return co_await refuse_head(parser.failure());
      if (!begun && parser.has_begun(view(work_->from_client))) {
        begun = true;
        if (answered_) arm(config.deadlines.header);
      }
    }
    idle_ = !begun;
    if (idle_ && worker_.is_draining() && answered_) co_return false;
    const auto error = co_await read_client();
    idle_ = false;
    if (error && begun && expired()) co_return co_await refuse_head(head_timeout());
    if (error) co_return false;
  }
  work_->from_client.consume(work_->request.head().size);
  // It closed behind its requests, and the answers that it has so far must not make that look late.
  if (work_->from_client.size() > 0 && has_closed(client_)) client_finished_ = true;
  begin_record();
  co_return true;
}

// A client that sends its next request at once costs one read. One that takes longer, until the
// next tick of the wheel, waits without a buffer: an idle client holds no memory but its session.
awaitable<error_code> Session::read_client() {
  if (!work_) work_ = worker_.take_workspace();
  error_code error;
  const auto most = worker_.config().limits.head.head_bytes + 1;
  for (;;) {
    auto& buffer = work_->from_client;
    const auto room = room_in(buffer, kHeadBufferBytes, most);
    if (buffer.size() == 0) {
      is_reading_ = true;
      watch_later();
    }
    buffer.commit(co_await client_.async_read_some(
        buffer.prepare(room), asio::redirect_error(asio::use_awaitable, error)));
    watcher_.disarm();
    const bool is_released = std::exchange(is_reading_, false) == false && buffer.size() == 0;
    if (is_interrupted()) co_return asio::error::operation_aborted;
    if (error != asio::error::operation_aborted || !is_released) co_return error;
    worker_.give_workspace(std::move(work_));
    error = co_await wait(client_, Socket::wait_read);
    work_ = worker_.take_workspace();
    if (error) co_return error;
  }
}

awaitable<bool> Session::refuse_head(Failure failure) {
  begin_record();
  unread_ = true;
  co_await refuse(std::move(failure), nullptr);
  finish_record();
  co_return false;
}

awaitable<Session::After> Session::serve() {
  const auto& head = work_->request.head();
  auto request = read_request(head);
  if (!request) co_return co_await refuse(request.error(), nullptr);
  policy_ = worker_.policy();
  auto& host = request->target.authority.host;
  host = policy_->complete(std::move(host));
  if (has_passed(head, worker_.pseudonym())) {
    co_return co_await refuse(failure_of(508, ProxyError::proxy_loop_detected,
                                         "The request came through this proxy before."),
                              &*request);
  }
  if (is_answered_here(*request)) co_return co_await answer_options(*request);
  if (auto failure = co_await judge(*request))
    co_return co_await refuse(std::move(*failure), &*request);
  if (is_left()) co_return After::close;
  if (request->method == Method::connect) co_return co_await open_tunnel(*request);
  co_return co_await forward(*request);
}

// What to answer where the rules do not let the request pass; else admitted_ is filled.
awaitable<std::optional<Failure>> Session::judge(const Request& request) {
  const Question question{request.target.authority.host, request.target.authority.port,
                          request.method == Method::connect ? Access::tunnel : Access::forward};
  auto evaluation = evaluate_now(worker_.resolver(), *policy_, question);
  if (!evaluation)
    evaluation = co_await interruptible(evaluate(worker_.resolver(), *policy_, question));
  record_.resolve = evaluation->resolve;
  if (evaluation->failure) co_return std::move(evaluation->failure);
  auto& decision = evaluation->decision;
  record_.verdict = decision.verdict;
  record_.reason = decision.reason;
  record_.rule_line = decision.line;
  record_.enforcement = policy_->options().enforcement;
  worker_.metrics().count(decision, *policy_);
  if (decision.next == Next::refuse) co_return to_failure(decision, question, *policy_);
  admitted_ = std::move(decision.admitted);
  co_return std::nullopt;
}

awaitable<Outcome<Upstream>> Session::dial_upstream(std::uint16_t port) {
  const auto before = Clock::now();
  auto upstream =
      co_await interruptible(dial({admitted_, port, worker_.config().deadlines.connect}));
  record_.connect = duration_cast<milliseconds>(Clock::now() - before);
  co_return upstream;
}

// For what has a deadline of its own. It ends early where the client leaves or the session is
// aborted: is_left() says that its result is of no use.
template <class T>
awaitable<T> Session::interruptible(awaitable<T> work) {
  disarm();
  watch();
  std::optional<T> result;
  co_await asio::co_spawn(client_.get_executor(), assign(result, std::move(work)),
                          asio::bind_cancellation_slot(cancel_.slot(), asio::use_awaitable));
  co_return std::move(*result);
}

awaitable<Session::After> Session::answer_options(const Request& request) {
  const bool keeps = request.persistence == Persistence::keep_alive && request.body.is_empty() &&
                     !worker_.is_draining();
  auto& out = work_->to_client;
  out.clear();
  append_options_response(keeps ? Persistence::keep_alive : Persistence::close, out);
  record_.status = 204;
  unread_ = !keeps;
  co_return co_await write(out) && keeps ? After::keep_alive : After::close;
}

// `request` is null where the head could not be read to its end.
awaitable<Session::After> Session::refuse(Failure failure, const Request* request) {
  if (is_left()) co_return After::close;
  const bool keeps = failure.persistence == Persistence::keep_alive && request != nullptr &&
                     request->persistence == Persistence::keep_alive && request->body.is_empty() &&
                     !worker_.is_draining();
  failure.persistence = keeps ? Persistence::keep_alive : Persistence::close;
  unread_ = !keeps;
  const auto policy = policy_ ? policy_ : worker_.policy();
  const auto& head = work_->request.head();
  auto& out = work_->to_client;
  out.clear();
  append_error_response(
      failure, {head.size > 0 ? &head : nullptr, worker_.pseudonym(), policy->table().source}, out);
  record_.status = failure.status;
  record_.error = failure.error;
  co_return co_await write(out) && keeps ? After::keep_alive : After::close;
}

// To the client, and counted.
awaitable<bool> Session::write(std::string_view text) {
  Gather gather;
  gather.add(text);
  auto error = write_now(client_, gather);
  if (!error && !gather.empty()) arm(worker_.config().deadlines.response);
  while (!error && !gather.empty()) {
    error = co_await wait(client_, Socket::wait_write);
    if (!error) error = write_now(client_, gather);
  }
  record_.bytes_out += text.size() - gather.size();
  co_return !error;
}

// A deadline, or the end of the session, may come at the very moment that the wait ends well.
awaitable<error_code> Session::wait(Socket& socket, Socket::wait_type what) {
  error_code error;
  co_await socket.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
  if (is_interrupted() || client_left_) error = asio::error::operation_aborted;
  co_return error;
}

// Closing with bytes unread sends a reset, which can destroy the answer before the client has read
// it (RFC 9112 §9.6).
awaitable<void> Session::linger() {
  error_code error;
  if (!unread_ || is_left() || !client_.is_open()) co_return;
  client_.shutdown(Socket::shutdown_send, error);
  arm(kLinger);
  std::size_t left = worker_.config().limits.drained_body_bytes;
  while (!error && left > 0) {
    left -= drop_now(client_, left, error);
    if (error == asio::error::would_block) error = co_await wait(client_, Socket::wait_read);
  }
}

void Session::begin_record() {
  const auto& head = work_->request.head();
  record_ = {};
  record_.time = std::chrono::system_clock::now();
  began_ = Clock::now();
  record_.client = peer_.address;
  record_.client_port = peer_.port;
  record_.method = head.method_text;
  record_.target = head.target;
}

void Session::finish_record() {
  record_.bytes_in += work_->request.head().size;
  record_.total = duration_cast<milliseconds>(Clock::now() - began_);
  worker_.log(record_);
}

}  // namespace egress::http
