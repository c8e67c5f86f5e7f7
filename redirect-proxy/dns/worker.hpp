// One thread of the DNS proxy: its loop, and what its connections share: entries with their
// balancers, relays, UDP flows, counts. Nothing of it is touched by another thread but through what
// says so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/net/access_log.hpp"
#include "common/net/deadlines.hpp"
#include "common/net/listener.hpp"
#include "common/net/relay.hpp"
#include "redirect-proxy/dns/config.hpp"
#include "redirect-proxy/dns/connection_record.hpp"
#include "redirect-proxy/dns/pools.hpp"

namespace egress::dns {

class UdpRelay;

// What a worker knows of one local port. Sessions hold it past its end.
struct Entry {
  struct Member {
    std::string host;
    std::shared_ptr<AddressCounts> counts;
  };

  LocalPort local;
  Balancer balancer;
  std::unordered_map<Endpoint, Member> members;
  std::shared_ptr<EntryCounts> counts;
  std::unique_ptr<net::Listener> listener;  // TCP
  std::unique_ptr<UdpRelay> udp;
};

class Worker {
 public:
  // What all workers share; must outlive them.
  struct Shared {
    const DnsProxyConfig& config;
    net::AccessLog& log;
    net::ConnectionSlots& slots;
    // Whether a client that came to this address came from outside. From any thread.
    std::function<bool(const IpAddress& local)> is_outside;
    std::function<void(std::string_view)> error;  // from any thread
    std::size_t udp_flows;                        // at once, of one worker
  };

  Worker(const Shared& shared, std::size_t index);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before run(), on the caller's thread: opens the listeners. Errors: the first that fails.
  Result<void> open(const Snapshot& snapshot);
  // For the thread that runs the loop; returns after stop().
  void run();

  // For any thread.
  void adopt(Snapshot snapshot);
  void set_health(const Endpoint& endpoint, bool up);
  void drain();  // no more clients
  void abort();  // all connections end
  void stop();
  std::size_t flows() const { return static_cast<std::size_t>(flows_.read()); }

  // For connections of this thread.
  const Shared& shared() const { return shared_; }
  const DnsProxyConfig& config() const { return shared_.config; }
  boost::asio::io_context& io() { return io_; }
  net::Relays& relays() { return relays_; }
  net::Count& flow_count() { return flows_; }
  void log(const ConnectionRecord& record);

 private:
  Result<void> apply(const Pools& pools);
  Result<void> open_entry(const std::shared_ptr<Entry>& entry);
  void sweep();
  void write_log();

  const Shared& shared_;
  const std::size_t index_;
  boost::asio::io_context io_;
  net::Deadlines deadlines_;
  net::Relays relays_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer log_timer_;
  std::map<LocalPort, std::shared_ptr<Entry>> entries_;
  net::Count flows_;
  std::string lines_;  // of the connection log, written in batches
  bool draining_ = false;
};

}  // namespace egress::dns
