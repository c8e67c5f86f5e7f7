#include "http-proxy/worker.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace egress::http {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kTick(100);
constexpr std::chrono::seconds kSweep(1);
constexpr std::size_t kBatchBytes = 32U << 10U;

UpstreamPool::Options pool_options(const HttpProxyConfig& config) {
  return {.most_per_endpoint = config.limits.pooled_per_endpoint,
          .most = 1024,
          .keep = config.deadlines.keep_alive};
}

}  // namespace

Worker::Worker(const Shared& shared, std::shared_ptr<const Policy> policy)
    : shared_(shared),
      io_(1),
      timer_(io_),
      policy_(std::move(policy)),
      pool_(pool_options(shared.config)),
      dialler_(io_, shared.config, connections_),
      scratch_(std::make_unique<std::array<char, 64U << 10U>>()) {
  metrics_.begin_rules(policy_->table());
  tick();
}

// Connections end by their own hand, while all that they use is there.
Worker::~Worker() {
  for (auto& connection : connections_) connection.on_abort();
  timer_.cancel();
  io_.restart();
  io_.poll();
}

void Worker::adopt(std::shared_ptr<const Policy> policy) {
  asio::post(io_, [this, policy = std::move(policy)] {
    metrics_.begin_rules(policy->table());
    policy_ = policy;
  });
}

void Worker::drain() {
  asio::post(io_, [this] {
    draining_ = true;
    pool_.clear();
    for (auto& connection : connections_) connection.on_drain();
  });
}

void Worker::abort() {
  asio::post(io_, [this] {
    for (auto& connection : connections_) connection.on_abort();
  });
}

void Worker::tick() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& connection : connections_) connection.check(now);
  if (now >= next_sweep_) {
    pool_.sweep(now);
    next_sweep_ = now + kSweep;
  }
  shared_.access_log.write(lines_);
  lines_.clear();
  timer_.expires_at(now + kTick);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

ReadBuffer Worker::take_buffer() {
  if (spare_buffers_.empty()) return {};
  auto buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void Worker::give_buffer(ReadBuffer buffer) {
  if (spare_buffers_.size() >= kMostSpareBuffers) return;
  buffer.consume(buffer.size());
  spare_buffers_.push_back(std::move(buffer));
}

void Worker::log(const AccessRecord& record) {
  metrics_.count(record);
  append_access_line(record, config().access_log, lines_);
  if (lines_.size() < kBatchBytes) return;
  shared_.access_log.write(lines_);
  lines_.clear();
}

}  // namespace egress::http
