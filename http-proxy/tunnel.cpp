#include "http-proxy/tunnel.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "http-proxy/policy.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

namespace {

constexpr unsigned kFullReadsBeforeSplice = 2;
constexpr int kStepsInARow = 16;  // then others have their turn

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

void start_tunnel(Worker& worker, TunnelStart start) {
  std::make_shared<Tunnel>(worker, std::move(start))->begin();
}

Tunnel::Tunnel(Worker& worker, TunnelStart start)
    : worker_(worker),
      client_(std::move(start.client)),
      upstream_(std::move(start.upstream)),
      up_(client_, upstream_),
      down_(upstream_, client_),
      policy_(std::move(start.policy)),
      began_(start.began),
      method_(std::move(start.method)),
      target_(std::move(start.target)),
      host_(std::move(start.host)),
      record_(start.record) {
  up_.kept = std::move(start.from_client);
  down_.kept = std::move(start.from_upstream);
  if (!host_.empty()) hello_ = std::make_unique<ClientHelloReader>();
  worker_.add(*this);
  worker_.metrics().tunnels_opened.add(1);
}

Tunnel::~Tunnel() {
  record_.method = method_;
  record_.target = target_;
  record_.server_name = server_name_;
  record_.bytes_in += up_.bytes;
  record_.bytes_out += down_.bytes;
  record_.total = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
  worker_.log(record_);
  worker_.metrics().tunnels_closed.add(1);
  worker_.metrics().connections_closed.add(1);
  for (auto* way : {&up_, &down_}) {
    if (way->pipe) worker_.pipes().give_back(std::move(*way->pipe));
  }
}

void Tunnel::begin() {
  client_.native_non_blocking(true);
  upstream_.native_non_blocking(true);
  renew_deadline();
  if (hello_ && !up_.kept.empty() && !look_at_hello(up_.kept)) return on_abort();
  pump(up_);
  pump(down_);
}

void Tunnel::on_deadline() { on_abort(); }

void Tunnel::on_abort() {
  error_code ignored;
  client_.close(ignored);
  upstream_.close(ignored);
}

void Tunnel::renew_deadline() {
  const auto& deadlines = worker_.config().deadlines;
  const bool half_closed = up_.closed || down_.closed;
  arm(half_closed ? std::min(deadlines.half_close, deadlines.idle_tunnel) : deadlines.idle_tunnel);
}

void Tunnel::pump(Direction& way) {
  for (int i = 0; i < kStepsInARow; ++i) {
    switch (move(way)) {
      case Step::again: break;
      case Step::wait_source: return wait(way, way.source, Socket::wait_read);
      case Step::wait_sink: return wait(way, way.sink, Socket::wait_write);
      case Step::done: return;
      case Step::failed: return on_abort();
    }
  }
  boost::asio::post(worker_.io(), [self = shared_from_this(), &way] { self->pump(way); });
}

void Tunnel::wait(Direction& way, Socket& socket, Socket::wait_type what) {
  renew_deadline();
  socket.async_wait(what, [self = shared_from_this(), &way](error_code error) {
    if (!error) self->pump(way);
  });
}

Tunnel::Step Tunnel::move(Direction& way) {
  if (!holds_for_hello(way)) {
    const auto flushed = flush(way);
    if (flushed != Step::again) return flushed;
    if (way.ended) return end_source(way);
  }
  return way.full_reads < kFullReadsBeforeSplice || hello_ ? fill(way) : fill_pipe(way);
}

// again: nothing is held any more.
Tunnel::Step Tunnel::flush(Direction& way) {
  while (!way.kept.empty()) {
    const auto sent = ::send(way.sink.native_handle(), way.kept.data(), way.kept.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return would_block() ? Step::wait_sink : Step::failed;
    way.bytes += static_cast<std::size_t>(sent);
    way.kept.erase(0, static_cast<std::size_t>(sent));
  }
  if (way.kept.capacity() > 0) way.kept = std::string();
  while (way.pipe && way.pipe->held > 0) {
    const auto sent = ::splice(way.pipe->read_end(), nullptr, way.sink.native_handle(), nullptr,
                               way.pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent < 0) return would_block() ? Step::wait_sink : Step::failed;
    if (sent == 0) return Step::failed;
    way.pipe->held -= static_cast<std::size_t>(sent);
    way.bytes += static_cast<std::size_t>(sent);
  }
  return Step::again;
}

// By the thread's buffer: cheapest for messages that fit it.
Tunnel::Step Tunnel::fill(Direction& way) {
  const auto buffer = worker_.scratch();
  const auto count = ::recv(way.source.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0) return would_block() ? Step::wait_source : Step::failed;
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
  if (bytes.empty()) {
    way.ended = true;
    return holds_for_hello(way) ? Step::failed : Step::again;
  }
  way.full_reads = bytes.size() == buffer.size() ? way.full_reads + 1 : 0;
  if (&way == &up_ && hello_ && !look_at_hello(bytes)) return Step::failed;
  std::size_t sent = 0;
  if (!holds_for_hello(way) && way.kept.empty()) {
    const auto now = ::send(way.sink.native_handle(), bytes.data(), bytes.size(),
                            MSG_NOSIGNAL | MSG_DONTWAIT);
    if (now < 0 && !would_block()) return Step::failed;
    sent = now < 0 ? 0 : static_cast<std::size_t>(now);
    way.bytes += sent;
  }
  way.kept.append(bytes.substr(sent));
  // A short read has emptied the socket: the next byte will wake us.
  return way.kept.empty() && bytes.size() < buffer.size() ? Step::wait_source : Step::again;
}

Tunnel::Step Tunnel::fill_pipe(Direction& way) {
  if (!way.pipe) way.pipe = worker_.pipes().take();
  if (!way.pipe) return fill(way);
  const auto count = ::splice(way.source.native_handle(), nullptr, way.pipe->write_end(), nullptr,
                              Pipe::kBytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (count > 0) {
    way.pipe->held += static_cast<std::size_t>(count);
    return Step::again;
  }
  if (count < 0 && !would_block()) return Step::failed;
  worker_.pipes().give_back(std::move(*way.pipe));
  way.pipe.reset();
  if (count == 0) {
    way.ended = true;
    return Step::again;
  }
  way.full_reads = 1;  // the next full buffer is enough of a sign that the bulk goes on
  return Step::wait_source;
}

Tunnel::Step Tunnel::end_source(Direction& way) {
  error_code ignored;
  way.sink.shutdown(Socket::shutdown_send, ignored);
  way.closed = true;
  renew_deadline();
  return Step::done;
}

// Only enforcement holds a hello back: what is merely looked at must not be delayed.
bool Tunnel::holds_for_hello(const Direction& way) const {
  return &way == &up_ && hello_ && worker_.config().sni == SniCheck::enforce;
}

bool Tunnel::look_at_hello(std::string_view bytes) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (hello_->feed({data, bytes.size()}) == ClientHelloReader::Status::need_more) return true;
  record_.sni = judge_hello();
  hello_.reset();
  const bool refused = record_.sni == SniOutcome::mismatch || record_.sni == SniOutcome::denied ||
                       record_.sni == SniOutcome::malformed;
  const bool enforced = worker_.config().sni == SniCheck::enforce &&
                        policy_->options().enforcement == Enforcement::on;
  if (!refused || !enforced) return true;
  record_.error = ProxyError::http_request_denied;
  return false;
}

SniOutcome Tunnel::judge_hello() {
  switch (hello_->status()) {
    case ClientHelloReader::Status::need_more:
    case ClientHelloReader::Status::malformed: return SniOutcome::malformed;
    case ClientHelloReader::Status::not_tls: return SniOutcome::not_tls;
    case ClientHelloReader::Status::complete: break;
  }
  // Of an encrypted hello only the name of the provider is to be seen, which says nothing.
  if (hello_->is_encrypted()) return SniOutcome::encrypted;
  const auto& name = hello_->server_name();
  if (name.empty()) return SniOutcome::absent;
  if (name == host_) return SniOutcome::match;
  server_name_ = name;
  const auto match = policy_->decide_name(name);
  return match && match.verdict == Verdict::deny ? SniOutcome::denied : SniOutcome::mismatch;
}

}  // namespace egress::http
