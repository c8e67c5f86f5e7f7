#include "http-proxy/worker.hpp"

#include <malloc.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "common/net/run_until.hpp"
#include "http-proxy/dialler.hpp"
#include "http-proxy/error_page.hpp"
#include "http-proxy/session.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kSweepInterval(1);
constexpr std::chrono::seconds kTrimInterval(10);
constexpr std::chrono::seconds kEndTime(2);          // for sessions to end once they are aborted
constexpr std::chrono::milliseconds kLogDelay(100);  // the longest that a log line waits
constexpr std::size_t kBatchBytes = 32U << 10U;

// A wait for the client may hold the session for longer than the coroutine that runs it.
class RunningSession {
 public:
  RunningSession(Worker& worker, net::Accepted& accepted)
      : session_(std::make_shared<Session>(worker, std::move(accepted.socket), accepted.peer)) {}
  RunningSession(const RunningSession&) = delete;
  RunningSession& operator=(const RunningSession&) = delete;
  ~RunningSession() { end(); }

  Session* operator->() { return session_.get(); }
  void end() {
    if (session_) session_->close();
    session_.reset();
  }

 private:
  std::shared_ptr<Session> session_;
};

awaitable<void> serve_client(Worker& worker, net::Accepted accepted, ClientCounts::Place place) {
  RunningSession session(worker, accepted);
  auto tunnel = co_await session->run();
  // A tunnel may last for hours: what a session holds is given back before it begins.
  session.end();
  if (tunnel) start_tunnel(worker, *tunnel, {std::move(accepted.slot), std::move(place)});
}

awaitable<void> turn_away(Worker& worker, net::Accepted accepted, std::string response) {
  RunningSession session(worker, accepted);
  co_await session->turn_away(response);
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::open(const Shared& shared,
                                             std::shared_ptr<const Policy> policy) {
  auto io = std::make_unique<asio::io_context>(1);
  auto resolver = net::Resolver::make(*io, net::resolver_options(shared.config.dns));
  if (!resolver) return resolver.error();
  std::unique_ptr<Worker> worker(
      new Worker(shared, std::move(policy), std::move(io), std::move(*resolver)));
  for (const auto& where : shared.config.listen) {
    auto listener =
        net::Listener::open(*worker->io_, where, shared.slots, {.egress = &shared.egress});
    if (!listener) return listener.error();
    worker->listeners_.push_back(std::move(*listener));
  }
  return worker;
}

Worker::Worker(const Shared& shared, std::shared_ptr<const Policy> policy,
               std::unique_ptr<asio::io_context> io, net::Resolver resolver)
    : shared_(shared),
      io_(std::move(io)),
      deadlines_(*io_),
      sweep_timer_(*io_),
      log_timer_(*io_),
      policy_(std::move(policy)),
      resolver_(std::move(resolver)),
      relays_(*io_, deadlines_,
              {.idle = shared.config.deadlines.idle_tunnel,
               .half_close = shared.config.deadlines.half_close,
               .pipes = {}}),
      pool_({.most_per_authority = shared.config.limits.pooled_per_authority,
             .most = shared.pooled,
             .keep = shared.config.deadlines.keep_alive}) {
  metrics_.begin_rules(policy_->table());
}

// Connections end by their own hand, while all that they use is there.
Worker::~Worker() {
  abort();
  asio::post(*io_, [this] {
    listeners_.clear();
    sweep_timer_.cancel();
    log_timer_.cancel();
  });
  net::run_until(*io_, kEndTime, [this] { return connections_.empty(); });
  // A tunnel may have begun meanwhile.
  relays_.abort();
  io_->restart();
  io_->poll();
  write_log();
}

void Worker::run() {
  for (auto& listener : listeners_)
    listener.start([this](net::Accepted accepted) { accept(std::move(accepted)); });
  sweep();
  io_->run();
}

void Worker::accept(net::Accepted accepted) {
  metrics_.connections.add();
  auto place = shared_.clients.take(accepted.peer.address);
  if (!place) return refuse(std::move(accepted));
  // What a session throws is memory that ran out: that connection ends, the others go on.
  asio::co_spawn(*io_, serve_client(*this, std::move(accepted), std::move(*place)),
                 [this](const std::exception_ptr& failure) {
                   if (failure) metrics_.sessions_failed.add();
                 });
}

void Worker::refuse(net::Accepted accepted) {
  metrics_.connections_refused.add();
  // These have a place among all connections: at most a few at once, lest they take the others'.
  if (turned_away_ == kMostTurnedAway) return;
  ++turned_away_;
  std::string page;
  append_error_response(
      {503,
       ProxyError::connection_limit_reached,
       "This client has " + std::to_string(config().limits.connections_per_client) +
           " connections, the maximum (EGRESS_HTTP_PROXY_CLIENT_CONNECTIONS).",
       Persistence::close,
       {},
       {},
       0},
      {nullptr, pseudonym(), policy_->table().source}, page);
  asio::co_spawn(*io_, turn_away(*this, std::move(accepted), std::move(page)),
                 [this](const std::exception_ptr& failure) {
                   --turned_away_;
                   if (failure) metrics_.sessions_failed.add();
                 });
}

void Worker::adopt(std::shared_ptr<const Policy> policy) {
  asio::post(*io_, [this, policy = std::move(policy)] {
    metrics_.begin_rules(policy->table());
    policy_ = policy;
  });
}

void Worker::drain() {
  asio::post(*io_, [this] {
    draining_ = true;
    for (auto& listener : listeners_) listener.close();
    pool_.clear();
    for (auto& connection : connections_) connection.on_drain();
  });
}

void Worker::abort() {
  asio::post(*io_, [this] {
    for (auto& connection : connections_) connection.abort();
    relays_.abort();
  });
}

void Worker::stop() {
  asio::post(*io_, [this] { io_->stop(); });
}

void Worker::sweep() {
  const auto now = std::chrono::steady_clock::now();
  pool_.sweep(now);
  // What many exchanges used lies between the sessions of clients that are idle now: the C library
  // gives such pages back only where it is asked to.
  if (has_freed_ && now >= next_trim_) {
    has_freed_ = false;
    next_trim_ = now + kTrimInterval;
    ::malloc_trim(0);
  }
  metrics_.pooled.set(pool_.size());
  metrics_.set_resolver(resolver_.counts());
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](error_code error) {
    if (!error) sweep();
  });
}

void Worker::write_log() {
  if (lines_.empty()) return;
  shared_.access_log.write(lines_);
  lines_.clear();
}

std::unique_ptr<Workspace> Worker::take_workspace() {
  if (spares_.empty()) return std::make_unique<Workspace>(config().limits.head, config().responses);
  auto work = std::move(spares_.back());
  spares_.pop_back();
  return work;
}

void Worker::give_workspace(std::unique_ptr<Workspace> work) {
  if (spares_.size() >= kMostSpares) {
    has_freed_ = true;
    return;
  }
  work->reset();
  spares_.push_back(std::move(work));
}

void Worker::log(const AccessRecord& record) {
  metrics_.count(record);
  if (config().access_log == AccessLogFormat::off) return;
  if (lines_.empty()) {
    log_timer_.expires_after(kLogDelay);
    log_timer_.async_wait([this](error_code error) {
      if (!error) write_log();
    });
  }
  append_access_line(record, config().access_log, lines_);
  if (lines_.size() >= kBatchBytes) write_log();
}

}  // namespace egress::http
