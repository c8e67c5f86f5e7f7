#include "common/net/relay.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/intrusive/list.hpp>
#include <cerrno>
#include <optional>
#include <utility>

namespace egress::net {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::ip::tcp::socket;

namespace {

constexpr std::size_t kScratchBytes = 64U << 10U;
// A pipe's slot holds a fragment of a packet, which may be more than a page: the slots are the
// limit.
constexpr std::size_t kSpliceBytes = 1U << 20U;
constexpr unsigned kFullReadsBeforeSplice = 2;
constexpr int kStepsInARow = 16;  // then others have their turn

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

// Lets close() send a reset: who reads must see a break, not a clean end.
void make_close_abortive(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
}

using Hook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<Relays>>;

}  // namespace

std::string_view to_text(RelayEnd end) {
  switch (end) {
    case RelayEnd::complete: return "complete";
    case RelayEnd::client_error: return "client_error";
    case RelayEnd::upstream_error: return "upstream_error";
    case RelayEnd::idle: return "idle";
    case RelayEnd::refused: return "refused";
    case RelayEnd::aborted: return "aborted";
  }
  return "unknown";
}

// Kept alive by what it waits for.
class Relays::Relay final : public Deadline,
                            public Hook,
                            public std::enable_shared_from_this<Relay> {
 public:
  Relay(Shared& shared, RelayStart start);

  void begin();
  void end(RelayEnd how);

 private:
  // One way: what was read of the source and is not yet written to the sink.
  struct Way {
    Way(Socket& from, Socket& to, std::uint64_t& its_total)
        : source(from), sink(to), total(its_total) {}

    Socket& source;
    Socket& sink;
    std::uint64_t& total;  // of all relays
    std::uint64_t bytes = 0;
    std::string kept;  // goes before what is in the pipe
    std::optional<Pipe> pipe;
    std::uint8_t full_reads = 0;  // in a row: bulk goes by the pipe
    bool has_ended = false;       // the source sends no more
    bool is_closed = false;       // and the sink was told
  };
  enum class Step : std::uint8_t { again, wait_source, wait_sink, done, source_error, sink_error };

  void on_deadline() override { end(RelayEnd::idle); }
  void pump(Way& way);
  void wait(Way& way, Socket& socket, Socket::wait_type what);
  Step step(Way& way);
  Step flush(Way& way);
  Step flush_pipe(Way& way);
  Step fill(Way& way);
  Step fill_pipe(Way& way);
  Step close_sink(Way& way);
  void count(Way& way, std::size_t bytes);
  void renew_deadline();
  bool is_inspected(const Way& way) const { return &way == &up_ && inspects_; }
  bool show(std::string_view bytes);

  Shared& shared_;
  Socket client_;
  Socket upstream_;
  std::unique_ptr<RelayObserver> observer_;  // until the end
  Way up_;
  Way down_;
  bool inspects_ = true;  // the observer wants to see more
  bool holds_ = false;    // what is kept of the client's bytes
};

struct Relays::Shared {
  using List = boost::intrusive::list<Relay, boost::intrusive::base_hook<Hook>,
                                      boost::intrusive::constant_time_size<false>>;

  Shared(asio::io_context& its_io, Deadlines& its_deadlines, const RelayOptions& its_options)
      : io(its_io), deadlines(its_deadlines), options(its_options), pipes(its_options.pipes) {}

  asio::io_context& io;
  Deadlines& deadlines;
  const RelayOptions options;
  PipePool pipes;
  List list;
  bool is_aborted = false;
  RelayBytes total;
  std::size_t active = 0;
  std::array<char, kScratchBytes> scratch;  // never across a wait
};

Relays::Relay::Relay(Shared& shared, RelayStart start)
    : shared_(shared),
      client_(std::move(start.client)),
      upstream_(std::move(start.upstream)),
      observer_(std::move(start.observer)),
      up_(client_, upstream_, shared.total.to_upstream),
      down_(upstream_, client_, shared.total.to_client) {
  up_.kept = std::move(start.from_client);
  down_.kept = std::move(start.from_upstream);
}

void Relays::Relay::begin() {
  shared_.list.push_back(*this);
  ++shared_.active;
  for (auto* socket : {&client_, &upstream_}) {
    if (socket->native_non_blocking()) continue;
    error_code error;
    socket->native_non_blocking(true, error);
    if (error) return end(RelayEnd::aborted);
  }
  renew_deadline();
  if (!up_.kept.empty() && !show(up_.kept)) return end(RelayEnd::refused);
  pump(up_);
  if (observer_) pump(down_);
}

void Relays::Relay::end(RelayEnd how) {
  const auto observer = std::move(observer_);
  if (!observer) return;
  disarm();
  --shared_.active;
  Hook::unlink();
  for (auto* socket : {&client_, &upstream_}) {
    if (how != RelayEnd::complete) make_close_abortive(*socket);
    error_code ignored;
    socket->close(ignored);
  }
  for (auto* way : {&up_, &down_}) {
    if (way->pipe) shared_.pipes.give_back(std::move(*way->pipe));
    way->pipe.reset();
  }
  observer->on_end(how, {up_.bytes, down_.bytes});
}

void Relays::Relay::renew_deadline() {
  const auto& options = shared_.options;
  const bool is_half_closed = up_.is_closed || down_.is_closed;
  arm(shared_.deadlines,
      is_half_closed ? std::min(options.half_close, options.idle) : options.idle);
}

void Relays::Relay::pump(Way& way) {
  for (int i = 0; i < kStepsInARow; ++i) {
    switch (step(way)) {
      case Step::again: break;
      case Step::wait_source: return wait(way, way.source, Socket::wait_read);
      case Step::wait_sink: return wait(way, way.sink, Socket::wait_write);
      case Step::done:
        if (up_.is_closed && down_.is_closed) end(RelayEnd::complete);
        return;
      case Step::source_error:
        return end(&way == &up_ ? RelayEnd::client_error : RelayEnd::upstream_error);
      case Step::sink_error:
        return end(&way == &up_ ? RelayEnd::upstream_error : RelayEnd::client_error);
    }
    if (!observer_) return;
  }
  asio::post(shared_.io, [self = shared_from_this(), &way] {
    if (self->observer_) self->pump(way);
  });
}

void Relays::Relay::wait(Way& way, Socket& socket, Socket::wait_type what) {
  socket.async_wait(what, [self = shared_from_this(), &way](error_code error) {
    if (!error && self->observer_) self->pump(way);
  });
}

Relays::Relay::Step Relays::Relay::step(Way& way) {
  if (!(is_inspected(way) && holds_)) {
    if (const auto flushed = flush(way); flushed != Step::again) return flushed;
    if (way.has_ended) return close_sink(way);
  }
  const bool is_bulk = way.full_reads >= kFullReadsBeforeSplice && !is_inspected(way);
  return is_bulk ? fill_pipe(way) : fill(way);
}

void Relays::Relay::count(Way& way, std::size_t bytes) {
  way.bytes += bytes;
  way.total += bytes;
  renew_deadline();
}

// again: nothing is held any more.
Relays::Relay::Step Relays::Relay::flush(Way& way) {
  std::string_view rest = way.kept;
  while (!rest.empty()) {
    const auto sent =
        ::send(way.sink.native_handle(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      const bool is_full = would_block();
      way.kept.erase(0, way.kept.size() - rest.size());
      return is_full ? Step::wait_sink : Step::sink_error;
    }
    count(way, static_cast<std::size_t>(sent));
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  if (!way.kept.empty()) std::string().swap(way.kept);
  return flush_pipe(way);
}

Relays::Relay::Step Relays::Relay::flush_pipe(Way& way) {
  while (way.pipe && way.pipe->held > 0) {
    const auto sent = ::splice(way.pipe->read_end(), nullptr, way.sink.native_handle(), nullptr,
                               way.pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent < 0 && would_block()) return Step::wait_sink;
    if (sent <= 0) return Step::sink_error;
    way.pipe->held -= static_cast<std::size_t>(sent);
    count(way, static_cast<std::size_t>(sent));
  }
  return Step::again;
}

// By the thread's buffer: cheapest for what fits it.
Relays::Relay::Step Relays::Relay::fill(Way& way) {
  auto& scratch = shared_.scratch;
  const auto got = ::recv(way.source.native_handle(), scratch.data(), scratch.size(), MSG_DONTWAIT);
  if (got < 0) return would_block() ? Step::wait_source : Step::source_error;
  const std::string_view bytes(scratch.data(), static_cast<std::size_t>(got));
  if (bytes.empty()) {
    way.has_ended = true;
    if (!(is_inspected(way) && holds_)) return Step::again;
    end(RelayEnd::refused);
    return Step::done;
  }
  way.full_reads = bytes.size() == scratch.size() ? std::uint8_t(way.full_reads + 1) : 0;
  if (is_inspected(way) && !show(bytes)) {
    end(RelayEnd::refused);
    return Step::done;
  }
  std::size_t sent = 0;
  if (!holds_ || &way != &up_) {
    if (way.kept.empty()) {
      const auto count_sent =
          ::send(way.sink.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count_sent < 0 && !would_block()) return Step::sink_error;
      sent = count_sent < 0 ? 0 : static_cast<std::size_t>(count_sent);
      count(way, sent);
    }
  }
  way.kept.append(bytes.substr(sent));
  // A short read has emptied the socket: the next byte wakes us.
  return way.kept.empty() && bytes.size() < scratch.size() ? Step::wait_source : Step::again;
}

Relays::Relay::Step Relays::Relay::fill_pipe(Way& way) {
  if (!way.pipe) way.pipe = shared_.pipes.take();
  if (!way.pipe) return fill(way);
  const auto got = ::splice(way.source.native_handle(), nullptr, way.pipe->write_end(), nullptr,
                            kSpliceBytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got > 0) {
    way.pipe->held += static_cast<std::size_t>(got);
    return Step::again;
  }
  if (got < 0 && !would_block()) return Step::source_error;
  shared_.pipes.give_back(std::move(*way.pipe));
  way.pipe.reset();
  if (got == 0) {
    way.has_ended = true;
    return Step::again;
  }
  return Step::wait_source;
}

Relays::Relay::Step Relays::Relay::close_sink(Way& way) {
  error_code ignored;
  way.sink.shutdown(Socket::shutdown_send, ignored);
  way.is_closed = true;
  renew_deadline();
  return Step::done;
}

// False where the relay must not go on.
bool Relays::Relay::show(std::string_view bytes) {
  const auto inspection = observer_->on_client_bytes(bytes);
  inspects_ = inspection != Inspection::finish;
  holds_ = inspection == Inspection::hold;
  return inspection != Inspection::refuse &&
         !(holds_ && up_.kept.size() + bytes.size() > kMostHeld);
}

Relays::Relays(asio::io_context& io, Deadlines& deadlines, RelayOptions options)
    : shared_(std::make_unique<Shared>(io, deadlines, options)) {}

Relays::~Relays() { abort(); }

void Relays::start(RelayStart start) {
  const auto relay = std::make_shared<Relay>(*shared_, std::move(start));
  relay->begin();
  if (shared_->is_aborted) relay->end(RelayEnd::aborted);
}

void Relays::abort() {
  shared_->is_aborted = true;
  while (!shared_->list.empty()) {
    // It may live by this reference alone.
    const auto relay = shared_->list.front().shared_from_this();
    relay->end(RelayEnd::aborted);
  }
}

std::size_t Relays::active() const { return shared_->active; }
RelayBytes Relays::total() const { return shared_->total; }

}  // namespace egress::net
