#include "redirect-proxy/dns/worker.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "common/net/run_until.hpp"
#include "redirect-proxy/dns/tcp_session.hpp"
#include "redirect-proxy/dns/udp_relay.hpp"
#include "redirect-proxy/dns/udp_socket.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kSweepInterval(1);
constexpr std::chrono::seconds kEndTime(2);          // for clients to end once they are aborted
constexpr std::chrono::milliseconds kLogDelay(100);  // the longest that a log line waits
constexpr std::size_t kBatchBytes = 32U << 10U;
// Of one worker: beyond it connections to an address are not counted by address.
constexpr std::size_t kMaxUses = 8192;

}  // namespace

Worker::Worker(const Shared& shared, std::size_t index)
    : shared_(shared),
      index_(index),
      io_(1),
      deadlines_(io_),
      relays_(io_, deadlines_,
              {.idle = shared.config.idle,
               .half_close = shared.config.idle,
               .pipes = {.max = shared.max_pipes}}),
      sweep_timer_(io_),
      log_timer_(io_),
      udp_(std::make_unique<UdpRelay>(*this)) {}

// Connections end by their own hand, while all that they use is there.
Worker::~Worker() {
  draining_ = true;
  abort();
  asio::post(io_, [this] {
    entries_.clear();
    udp_->close();
    sweep_timer_.cancel();
    log_timer_.cancel();
  });
  net::run_until(io_, kEndTime, [this] { return connecting_.empty(); });
  relays_.abort();
  io_.restart();
  io_.poll();
  write_log();
}

Result<OpenPorts> Worker::open(const std::vector<LocalPort>& ports) {
  OpenPorts opened;
  for (const auto& local : ports) {
    auto& port = opened[local];
    if (local.protocol == Protocol::udp) {
      auto sockets = open_udp(io_, local.port);
      if (!sockets) return sockets.error();
      port.sockets = std::move(*sockets);
      continue;
    }
    auto listener = net::Listener::open(io_, {std::nullopt, local.port}, shared_.slots,
                                        {.egress = &shared_.egress});
    if (!listener) return listener.error();
    port.listener = std::make_unique<net::Listener>(std::move(*listener));
  }
  return opened;
}

void Worker::run() {
  sweep();
  const auto guard = asio::make_work_guard(io_);
  io_.run();
}

void Worker::adopt(Change change) {
  asio::post(io_, [this, change = std::move(change)]() mutable {
    if (!draining_) apply(std::move(change));
  });
}

void Worker::apply(Change change) {
  if (change.snapshot->table != table_) {
    apply_table(change.snapshot, std::move(change.opened));
  } else {
    for (auto& [local, entry] : entries_) entry->snapshot = change.snapshot;
  }
  udp_->set_max_flows(change.max_flows);
  forget_gone();
}

// Entries that left the table close; those that stay, and their connections, go on.
void Worker::apply_table(const std::shared_ptr<const Snapshot>& snapshot, OpenPorts opened) {
  table_ = snapshot->table;
  Entries entries;
  const auto& targets = table_->text.targets;
  for (std::size_t target = 0; target < targets.size(); ++target) {
    const auto& ports = targets[target].local;
    for (std::uint32_t port = ports.first; port <= ports.last; ++port) {
      const LocalPort local{targets[target].protocol, static_cast<std::uint16_t>(port)};
      const auto known = entries_.find(local);
      auto entry = known == entries_.end() ? std::make_shared<Entry>() : known->second;
      entry->snapshot = snapshot;
      entry->target = target;
      if (known == entries_.end()) {
        entry->local = local;
        entry->balancer = Balancer(config().balancing, index_);
        start(entry, std::move(opened.at(local)));
      }
      entries.emplace(local, std::move(entry));
    }
  }
  entries_.swap(entries);
  for (auto& [local, entry] : entries) {
    if (entries_.contains(local)) continue;
    udp_->remove(local);
    entry->listener.reset();
    entry->snapshot.reset();
    uses_ -= entry->use->size();
  }
}

void Worker::start(const std::shared_ptr<Entry>& entry, OpenPort port) {
  entry->use = std::move(port.use);
  if (!port.listener) return udp_->add(entry, std::move(port.sockets));
  entry->listener = std::move(port.listener);
  entry->listener->start([this, weak = std::weak_ptr(entry)](net::Accepted accepted) {
    if (auto alive = weak.lock()) serve_tcp(*this, std::move(alive), std::move(accepted));
  });
}

// What was counted of addresses that left, and their flows.
void Worker::forget_gone() {
  for (auto& [local, entry] : entries_) {
    const auto size = entry->use->size();
    if (size == 0) continue;
    const auto pool = entry->pool();
    entry->use->keep_if([&](const IpAddress& address) { return pool.contains(address); });
    uses_ -= size - entry->use->size();
  }
  udp_->end_gone();
}

std::vector<Choice> Worker::choose(Entry& entry, std::size_t count) {
  if (!entry.snapshot) return {};
  const auto& target = entry.snapshot->table->text.targets[entry.target];
  return entry.balancer.choose({.pool = entry.pool(),
                                .port = target.remote_port(entry.local.port),
                                .health = health(entry),
                                .connections =
                                    [&entry](const IpAddress& address) {
                                      const auto use = entry.use->find(address);
                                      return use ? use->under_way : std::size_t{0};
                                    },
                                .now = Health::Clock::now(),
                                .count = count});
}

std::shared_ptr<AddressUse> Worker::use_of(Entry& entry, const IpAddress& address) {
  if (auto use = entry.use->find(address)) return use;
  if (uses_ >= kMaxUses || !entry.pool().contains(address)) return std::make_shared<AddressUse>();
  ++uses_;
  return entry.use->add(address);
}

void Worker::drain() {
  asio::post(io_, [this] {
    draining_ = true;
    for (auto& [local, entry] : entries_) entry->listener.reset();
  });
}

void Worker::abort() {
  asio::post(io_, [this] {
    if (!std::exchange(aborted_, true)) {
      for (auto& each : connecting_) each.signal.emit(asio::cancellation_type::terminal);
    }
    relays_.abort();
  });
}

void Worker::stop() {
  asio::post(io_, [this] { io_.stop(); });
}

void Worker::sweep() {
  udp_->expire();
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
