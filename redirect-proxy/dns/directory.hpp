// What the hosts of the table resolve to now: resolves each name again as its TTL ends, keeps the
// last good answer while DNS fails, leaves out the addresses that no name may lead to, and reports
// changes. Connects to nothing. Belongs to the main thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/destination_policy.hpp"
#include "common/net/resolver.hpp"
#include "common/rate_limit.hpp"
#include "redirect-proxy/dns/snapshot.hpp"

namespace egress::dns {

struct RestrictedAddress {
  IpAddress address;
  Restriction restriction{};

  bool operator==(const RestrictedAddress&) const = default;
};

struct NameState {
  using Clock = std::chrono::steady_clock;

  // The last good answer; never null.
  std::shared_ptr<const AddressList> addresses = std::make_shared<const AddressList>();
  std::vector<RestrictedAddress> restricted;                // of the last answer, and not used
  bool is_tried = false;                                    // answered or failed at least once
  bool has_answered = false;                                // at least once with an address
  bool is_stale = false;                                    // the last question failed
  Clock::time_point answered;                               // the last good answer
  Clock::time_point gone_since = Clock::time_point::max();  // DNS says that it does not exist
  std::uint64_t failures = 0;                               // of questions
  std::uint64_t changes = 0;                                // of the answer
  RateLimit log_limit;                                      // of lines about changes
  // Those that metrics and status list: few new ones at a time, as each is a series for Prometheus.
  AddressList listed;  // sorted
  RateLimit list_limit{{.count = 256, .interval = std::chrono::minutes(10)}};
};

class Directory {
 public:
  struct Hooks {
    std::function<void()> on_change;  // of the addresses of some name
    std::function<void(std::string_view)> info;
    std::function<void(std::string_view)> warn;
  };
  struct Options {
    net::ResolverOptions resolver;
    std::chrono::milliseconds hold_gone;
    // Why a name may not lead to this address; empty where it may.
    std::function<std::optional<Restriction>(const IpAddress&)> restriction;
  };

  // `io` must outlive it. Errors: the resolver's start.
  static Result<std::unique_ptr<Directory>> make(boost::asio::io_context& io, Options options,
                                                 Hooks hooks);
  ~Directory();

  // Follows the names among these and no others from now on.
  void follow(const std::vector<Host>& hosts);

  // Addresses that a connection may be made to: its own, or those of the name. Never null.
  std::shared_ptr<const AddressList> addresses_of(const Host& host) const;
  // Those of the host's addresses that metrics and status list; they may have left just now.
  AddressList listed(const Host& host) const;
  const std::map<std::string, NameState>& names() const { return states_; }
  const std::vector<IpAddress>& nameservers() const { return resolver_.resolv_conf().nameservers; }
  // Once each name has had its first answer or failure; true from then on.
  bool is_settled() const { return is_settled_; }
  net::ResolverCounts counts() const { return resolver_.counts(); }

 private:
  class Watch;

  Directory(boost::asio::io_context& io, Options options, Hooks hooks, net::Resolver resolver);
  void settle();
  std::chrono::milliseconds take(const std::string& name, const net::Resolution& resolution);
  void fail(const std::string& name, NameState& state, std::string_view why);
  // Leaves the addresses that may be used.
  void split(const std::string& name, NameState& state, AddressList& addresses);
  void change(const std::string& name, NameState& state, AddressList addresses);

  boost::asio::io_context& io_;
  Options options_;
  Hooks hooks_;
  net::Resolver resolver_;
  std::map<std::string, NameState> states_;
  std::map<std::string, std::shared_ptr<Watch>> watches_;
  bool is_settled_ = false;
};

}  // namespace egress::dns
