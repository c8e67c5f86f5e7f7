#include "redirect-proxy/dns/worker.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "redirect-proxy/dns/tcp_session.hpp"
#include "redirect-proxy/dns/udp_relay.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kSweepInterval(1);
constexpr std::chrono::milliseconds kLogDelay(100);  // the longest that a log line waits
constexpr std::size_t kBatchBytes = 32U << 10U;

}  // namespace

Worker::Worker(const Shared& shared, std::size_t index)
    : shared_(shared),
      index_(index),
      io_(1),
      deadlines_(io_),
      relays_(io_, deadlines_,
              {.idle = shared.config.idle, .half_close = shared.config.idle, .pipes = {}}),
      sweep_timer_(io_),
      log_timer_(io_) {}

// Connections end by their own hand, while all that they use is there.
Worker::~Worker() {
  entries_.clear();
  relays_.abort();
  sweep_timer_.cancel();
  log_timer_.cancel();
  io_.restart();
  io_.poll();
  write_log();
}

Result<void> Worker::open(const Snapshot& snapshot) { return apply(*snapshot); }

void Worker::run() {
  sweep();
  const auto guard = asio::make_work_guard(io_);
  io_.run();
}

void Worker::adopt(Snapshot snapshot) {
  asio::post(io_, [this, snapshot = std::move(snapshot)] {
    if (draining_) return;
    if (const auto applied = apply(*snapshot); !applied) shared_.error(to_text(applied.error()));
  });
}

// Entries that are not in it close; the others take its addresses. One that cannot be opened is
// left out, and tried again with the next snapshot.
Result<void> Worker::apply(const Pools& pools) {
  std::map<LocalPort, std::shared_ptr<Entry>> entries;
  Result<void> result;
  for (const auto& pool : pools) {
    const auto known = entries_.find(pool.local);
    auto entry = known == entries_.end() ? std::make_shared<Entry>() : known->second;
    if (known == entries_.end()) {
      entry->local = pool.local;
      entry->balancer = Balancer(config().balancing, index_);
      entry->counts = pool.counts[index_];
      if (auto opened = open_entry(entry); !opened) {
        if (result) result = opened.error();
        continue;
      }
    }
    std::vector<Endpoint> endpoints;
    entry->members.clear();
    for (const auto& backend : pool.backends) {
      endpoints.push_back(backend.endpoint);
      entry->members[backend.endpoint] = {backend.host, backend.counts[index_]};
    }
    entry->balancer.set(endpoints);
    for (const auto& backend : pool.backends) {
      if (!backend.up) entry->balancer.checked(backend.endpoint, false);
    }
    if (entry->udp) entry->udp->keep(entry->members);
    entries.emplace(pool.local, std::move(entry));
  }
  entries_.swap(entries);
  for (auto& [local, entry] : entries) {
    if (entries_.contains(local)) continue;
    entry->listener.reset();
    entry->udp.reset();
  }
  return result;
}

Result<void> Worker::open_entry(const std::shared_ptr<Entry>& entry) {
  if (entry->local.protocol == Protocol::udp) {
    auto udp = UdpRelay::open(*this, *entry);
    if (!udp) return udp.error();
    entry->udp = std::move(*udp);
    return {};
  }
  auto listener = net::Listener::open(io_, {std::nullopt, entry->local.port}, shared_.slots);
  if (!listener) return listener.error();
  entry->listener = std::make_unique<net::Listener>(std::move(*listener));
  entry->listener->start([this, weak = std::weak_ptr(entry)](net::Accepted accepted) {
    if (auto alive = weak.lock()) serve_tcp(*this, std::move(alive), std::move(accepted));
  });
  return {};
}

void Worker::set_health(const Endpoint& endpoint, bool up) {
  asio::post(io_, [this, endpoint, up] {
    for (auto& [local, entry] : entries_) {
      if (local.protocol == Protocol::tcp) entry->balancer.checked(endpoint, up);
    }
  });
}

void Worker::drain() {
  asio::post(io_, [this] {
    draining_ = true;
    for (auto& [local, entry] : entries_) entry->listener.reset();
  });
}

void Worker::abort() {
  asio::post(io_, [this] { relays_.abort(); });
}

void Worker::stop() {
  asio::post(io_, [this] { io_.stop(); });
}

void Worker::sweep() {
  for (auto& [local, entry] : entries_) {
    if (entry->udp) entry->udp->expire();
  }
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](error_code error) {
    if (!error) sweep();
  });
}

void Worker::log(const ConnectionRecord& record) {
  if (config().connection_log == AccessLogFormat::off) return;
  if (lines_.empty()) {
    log_timer_.expires_after(kLogDelay);
    log_timer_.async_wait([this](error_code error) {
      if (!error) write_log();
    });
  }
  append_connection_line(record, config().connection_log, lines_);
  if (lines_.size() >= kBatchBytes) write_log();
}

void Worker::write_log() {
  if (lines_.empty()) return;
  shared_.log.write(lines_);
  lines_.clear();
}

}  // namespace egress::dns
