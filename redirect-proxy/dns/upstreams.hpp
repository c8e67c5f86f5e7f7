// What the entries of the table lead to: the addresses of its hosts that the destination policy
// permits, and which of them are up.
// Publishes changes to the workers, many at once where they come fast. Belongs to the main thread;
// the health alone is shared.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "common/rate_limit.hpp"
#include "redirect-proxy/dns/checker.hpp"
#include "redirect-proxy/dns/config.hpp"
#include "redirect-proxy/dns/directory.hpp"
#include "redirect-proxy/dns/health.hpp"
#include "redirect-proxy/dns/snapshot.hpp"

namespace egress::dns {

class Upstreams {
 public:
  struct Hooks {
    std::function<void(std::shared_ptr<const Snapshot>)> publish;
    std::function<void(std::string_view)> info;
    std::function<void(std::string_view)> warn;
  };

  // `io` and `config` must outlive it. Errors: the resolver's start,
  // getifaddrs(3).
  static Result<std::unique_ptr<Upstreams>> make(boost::asio::io_context& io,
                                                 const DnsProxyConfig& config,
                                                 std::size_t max_checks, Hooks hooks);

  // Follows this table from now on. Publishes nothing by itself: the caller has the snapshot.
  std::shared_ptr<const Snapshot> set_table(std::shared_ptr<const Table> table);

  const std::vector<IpAddress>& own_addresses() const { return local_.addresses; }
  const Snapshot& snapshot() const { return *snapshot_; }  // after set_table()
  const Directory& directory() const { return *directory_; }
  Health& health(Protocol protocol) { return protocol == Protocol::udp ? udp_ : tcp_; }
  // By the last check; UDP endpoints are not checked.
  bool is_up(Protocol protocol, const Endpoint& endpoint) const {
    return protocol == Protocol::udp || tcp_.is_up(endpoint);
  }
  // Whether a host of this line has an address; and one that is up.
  bool can_serve(std::size_t target) const;
  bool has_address_up(std::size_t target, LocalPort local) const;
  // Empty where at least one entry can be served and, after the start, each name was tried; else
  // why not.
  std::string not_ready_because();

 private:
  Upstreams(boost::asio::io_context& io, const DnsProxyConfig& config, std::size_t max_checks,
            Hooks hooks);
  void on_change();
  void publish();
  void publish_later();
  std::shared_ptr<const Snapshot> refresh(const std::shared_ptr<const Table>& table);
  Result<void> read_own();
  void on_check(const Endpoint& endpoint, bool up);
  void sweep();

  Hooks hooks_;
  LocalSide local_;  // the addresses of this pod
  Health tcp_;
  Health udp_;
  std::unique_ptr<Directory> directory_;
  Checker checker_;
  std::shared_ptr<const Snapshot> snapshot_;
  boost::asio::steady_timer publish_timer_;
  boost::asio::steady_timer sweep_timer_;
  bool has_change_ = false;     // to be published
  bool is_publishing_ = false;  // one was published lately
  bool has_started_ = false;    // what the names resolved to first is published
  RateLimit check_log_{{.count = 20}};
};

}  // namespace egress::dns
