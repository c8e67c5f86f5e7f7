// One thread of the proxy: its loop, and what its connections share: rules, resolver, relays, idle
// upstream connections, buffers, counters. Nothing of it is touched by another thread but through
// what says so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/access_log.hpp"
#include "common/net/deadlines.hpp"
#include "common/net/listener.hpp"
#include "common/net/relay.hpp"
#include "common/net/resolver.hpp"
#include "http-proxy/client_counts.hpp"
#include "http-proxy/config.hpp"
#include "http-proxy/connection.hpp"
#include "http-proxy/exchange.hpp"
#include "http-proxy/metrics.hpp"
#include "http-proxy/upstream_pool.hpp"

namespace egress::http {

class Worker {
 public:
  // What all workers share; must outlive them.
  struct Shared {
    const HttpProxyConfig& config;
    std::string_view pseudonym;
    net::AccessLog& access_log;
    net::ConnectionSlots& slots;
    ClientCounts& clients;
    std::size_t pooled;  // idle upstream connections of one worker
    const net::EgressInterface& egress;
  };

  // Opens its listeners, which accept nothing before start(). Errors: theirs, and the resolver's.
  static Result<std::unique_ptr<Worker>> open(const Shared& shared,
                                              std::shared_ptr<const Policy> policy);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // For the thread that runs the loop; returns after stop().
  void run();

  // For any thread.
  void adopt(std::shared_ptr<const Policy> policy);
  void drain();  // no more clients; idle connections close now, others after what they are at
  void abort();  // all connections end
  void stop();
  const Metrics& metrics() const { return metrics_; }

  // For connections of this thread.
  const HttpProxyConfig& config() const { return shared_.config; }
  std::string_view pseudonym() const { return shared_.pseudonym; }
  const std::shared_ptr<const Policy>& policy() const { return policy_; }
  bool is_draining() const { return draining_; }
  net::Deadlines& deadlines() { return deadlines_; }
  net::Resolver& resolver() { return resolver_; }
  net::Relays& relays() { return relays_; }
  UpstreamPool& pool() { return pool_; }
  Metrics& metrics() { return metrics_; }
  void add(Connection& connection) { connections_.push_back(connection); }
  std::unique_ptr<Workspace> take_workspace();
  void give_workspace(std::unique_ptr<Workspace> work);
  void log(const AccessRecord& record);

 private:
  static constexpr std::size_t kMostSpares = 32;
  static constexpr std::size_t kMostTurnedAway = 64;

  Worker(const Shared& shared, std::shared_ptr<const Policy> policy,
         std::unique_ptr<boost::asio::io_context> io, net::Resolver resolver);

  void accept(net::Accepted accepted);
  void refuse(net::Accepted accepted);
  void sweep();
  void write_log();

  Shared shared_;
  std::unique_ptr<boost::asio::io_context> io_;
  net::Deadlines deadlines_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer log_timer_;
  std::shared_ptr<const Policy> policy_;
  Connections connections_;
  net::Resolver resolver_;
  net::Relays relays_;
  UpstreamPool pool_;
  Metrics metrics_;
  std::vector<net::Listener> listeners_;
  std::vector<std::unique_ptr<Workspace>> spares_;
  bool has_freed_ = false;  // workspaces beyond the spares, since memory was given back last
  std::chrono::steady_clock::time_point next_trim_{};
  std::size_t turned_away_ = 0;  // that are being told so
  std::string lines_;            // of the access log, written in batches
  bool draining_ = false;
};

}  // namespace egress::http
