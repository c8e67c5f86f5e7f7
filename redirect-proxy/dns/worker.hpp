// One thread of the DNS proxy: its loop, and what its connections share: entries with their
// balancers, relays, UDP flows, counts. Nothing of it is touched by another thread but through what
// says so.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/net/access_log.hpp"
#include "common/net/deadlines.hpp"
#include "common/net/listener.hpp"
#include "common/net/relay.hpp"
#include "redirect-proxy/dns/balance.hpp"
#include "redirect-proxy/dns/config.hpp"
#include "redirect-proxy/dns/connection_record.hpp"
#include "redirect-proxy/dns/limits.hpp"
#include "redirect-proxy/dns/snapshot.hpp"
#include "redirect-proxy/dns/usage.hpp"

namespace egress::dns {

class UdpRelay;

// What a worker knows of one local port. Sessions hold it past its end.
struct Entry {
  LocalPort local;
  Balancer balancer;
  std::shared_ptr<EntryUse> use;
  std::shared_ptr<const Snapshot> snapshot;  // null: it is no longer in the table
  std::size_t target = 0;                    // place in the snapshot's table
  std::unique_ptr<net::Listener> listener;   // TCP

  Pool pool() const { return snapshot ? Pool(*snapshot, target) : Pool(); }
};

// The sockets of a new entry, bound and not served yet.
struct OpenPort {
  std::unique_ptr<net::Listener> listener;
  std::vector<boost::asio::ip::udp::socket> sockets;  // one of each family that the pod has
  std::shared_ptr<EntryUse> use;
};
using OpenPorts = std::map<LocalPort, OpenPort>;

// A client that has no upstream yet, and how to end its attempts.
struct Connecting
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  boost::asio::cancellation_signal signal;
};

class Worker {
 public:
  // What all workers share; must outlive them.
  struct Shared {
    const DnsProxyConfig& config;
    net::AccessLog& log;
    net::ConnectionSlots& slots;
    net::ConnectionSlots& extra_attempts;  // to connect, beside the first of a client
    std::function<Health&(Protocol)> health;
    const net::EgressInterface& egress;  // whose arrivals are not served
    std::size_t max_pipes;               // of one worker
  };

  Worker(const Shared& shared, std::size_t index);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // For any thread: binds these ports. Errors: of the first that cannot be bound; none is then.
  Result<OpenPorts> open(const std::vector<LocalPort>& ports);

  // For the thread that runs the loop; returns after stop().
  void run();

  // For any thread.
  struct Change {
    std::shared_ptr<const Snapshot> snapshot;
    OpenPorts opened;       // those that the table has and the one before had not
    std::size_t max_flows;  // UDP, of this worker
  };
  void adopt(Change change);
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
  void add(Connecting& connecting) { connecting_.push_back(connecting); }
  bool is_aborted() const { return aborted_; }
  Health& health(const Entry& entry) const { return shared_.health(entry.local.protocol); }
  // Up to `count` endpoints for one client of this entry, the best first.
  std::vector<Choice> choose(Entry& entry, std::size_t count);
  // Counts of an address; it may have left the entry, or be one too many: then nobody reads them.
  std::shared_ptr<AddressUse> use_of(Entry& entry, const IpAddress& address);
  void log(const ConnectionRecord& record);

 private:
  using Entries = std::map<LocalPort, std::shared_ptr<Entry>>;

  void apply(Change change);
  void apply_table(const std::shared_ptr<const Snapshot>& snapshot, OpenPorts opened);
  void start(const std::shared_ptr<Entry>& entry, OpenPort port);
  void forget_gone();
  void sweep();
  void write_log();

  const Shared& shared_;
  const std::size_t index_;
  boost::asio::io_context io_;
  net::Deadlines deadlines_;
  net::Relays relays_;
  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer log_timer_;
  Entries entries_;
  std::shared_ptr<const Table> table_;  // that entries_ are of
  std::unique_ptr<UdpRelay> udp_;
  std::size_t uses_ = 0;  // addresses counted, of all entries
  net::Count flows_;
  std::string lines_;  // of the connection log, written in batches
  boost::intrusive::list<Connecting, boost::intrusive::constant_time_size<false>> connecting_;
  bool draining_ = false;
  bool aborted_ = false;
};

}  // namespace egress::dns
