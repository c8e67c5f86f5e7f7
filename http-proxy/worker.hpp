// One thread of the proxy: its loop, and what its connections share: rules, resolver, idle upstream
// connections, buffers, counters. Nothing of it is touched by another thread but through post().
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http-proxy/access_log.hpp"
#include "http-proxy/config.hpp"
#include "http-proxy/connection.hpp"
#include "http-proxy/dialler.hpp"
#include "http-proxy/metrics.hpp"
#include "http-proxy/tunnel_pipe.hpp"
#include "http-proxy/upstream_pool.hpp"

namespace egress::http {

class Worker {
 public:
  struct Shared {
    const HttpProxyConfig& config;
    std::string_view pseudonym;
    AccessLog& access_log;
    std::size_t most_connections;  // of clients, for one worker
  };
  // What `shared` refers to must outlive the worker.
  Worker(const Shared& shared, std::shared_ptr<const Policy> policy);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // For the thread that runs the loop.
  void run() { io_.run(); }
  boost::asio::io_context& io() { return io_; }

  // For any thread.
  void adopt(std::shared_ptr<const Policy> policy);
  void drain();  // idle connections close now, others after what they are at
  void abort();  // all connections end
  const Metrics& metrics_of() const { return metrics_; }

  // For connections of this thread.
  const HttpProxyConfig& config() const { return shared_.config; }
  std::string_view pseudonym() const { return shared_.pseudonym; }
  const std::shared_ptr<const Policy>& policy() const { return policy_; }
  bool is_draining() const { return draining_; }
  bool is_full() const { return metrics_.open_connections() >= shared_.most_connections; }
  UpstreamPool& pool() { return pool_; }
  PipePool& pipes() { return pipes_; }
  Dialler& dialler() { return dialler_; }
  Metrics& metrics() { return metrics_; }
  // Valid until the next call of anything that may use it: never across a wait.
  std::span<char> scratch() { return *scratch_; }

  void add(Connection& connection) { connections_.push_back(connection); }
  ReadBuffer take_buffer();
  void give_buffer(ReadBuffer buffer);
  void log(const AccessRecord& record);

 private:
  static constexpr std::size_t kMostSpareBuffers = 64;

  void tick();

  Shared shared_;
  boost::asio::io_context io_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<const Policy> policy_;
  Connections connections_;
  UpstreamPool pool_;
  PipePool pipes_;
  Dialler dialler_;
  Metrics metrics_;
  std::vector<ReadBuffer> spare_buffers_;
  std::unique_ptr<std::array<char, 64U << 10U>> scratch_;
  std::string lines_;  // of the access log, written in batches
  std::chrono::steady_clock::time_point next_sweep_;
  bool draining_ = false;
};

}  // namespace egress::http
