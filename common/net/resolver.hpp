// From names to addresses of both families, on the loop of one thread: /etc/hosts, a bounded cache,
// then DNS over c-ares. Equal questions in flight are one; the last good answer serves while DNS is
// down. Judges no address, sorts none, connects nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dns_settings.hpp"
#include "common/ip.hpp"
#include "common/result.hpp"

namespace egress::net {

struct ResolverOptions {
  using Duration = std::chrono::milliseconds;

  Duration timeout = std::chrono::seconds(5);             // for a whole resolution, with retries
  Duration try_timeout = std::chrono::milliseconds(800);  // for a server to answer, before the next
  // What one family waits for the other once it has addresses: some servers never answer AAAA.
  Duration family_wait = std::chrono::milliseconds(500);
  Duration stale_wait = std::chrono::milliseconds(500);  // for DNS, before an expired answer serves
  Duration least_ttl = std::chrono::seconds(1);
  Duration most_ttl = std::chrono::minutes(10);
  Duration most_negative_ttl = std::chrono::seconds(10);
  Duration serve_stale = std::chrono::minutes(5);  // after its end, an answer while DNS is down
  std::size_t cache_entries = 10'000;
  std::size_t addresses = 128;   // kept of each family of a name
  std::size_t questions = 1000;  // in flight at once; more fail at once
  std::string resolv_conf = "/etc/resolv.conf";
  std::string hosts = "/etc/hosts";
  std::uint16_t port = 53;  // of the servers that resolv.conf names
};

ResolverOptions resolver_options(const DnsSettings& dns);

enum class ResolveStatus : std::uint8_t {
  ok,         // at least one address
  not_found,  // the name does not exist, or has no address
  timeout,    // no server answered in time
  failed,     // servers answered with failures or with junk
  cancelled,  // the caller gave up
};
std::string_view to_text(ResolveStatus status);  // "not_found"

struct Resolution {
  ResolveStatus status = ResolveStatus::failed;
  std::vector<IpAddress> addresses;  // IPv6 first, each family in the order of the answer
  // How long this holds from now, within the bounds of the options: 0 for failures and stale
  // answers.
  std::chrono::milliseconds ttl{0};
  std::chrono::milliseconds age{0};      // since the servers said so; 0 for /etc/hosts
  std::chrono::microseconds elapsed{0};  // that this call waited
  bool stale = false;                    // DNS is down: the last good answer, over its time

  bool ok() const { return status == ResolveStatus::ok; }
};

struct ResolverCounts {
  std::uint64_t hits = 0;       // answered by the cache or /etc/hosts
  std::uint64_t questions = 0;  // asked of DNS, each family alone
  std::uint64_t merged = 0;     // waited for a question of another
  std::uint64_t stale = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t failures = 0;
  std::uint64_t not_found = 0;
  std::uint64_t cached = 0;  // entries now
};

// What resolv.conf(5) says, read once.
struct ResolvConf {
  std::vector<IpAddress> nameservers;    // 127.0.0.1 where the file names none
  std::vector<std::string> search_list;  // without trailing dots
};

class Resolver {
 public:
  // Reads resolv.conf once. `io` must outlive the resolver. Errors: c-ares' own start.
  static Result<Resolver> make(boost::asio::io_context& io, ResolverOptions options);
  Resolver(Resolver&&) noexcept;
  Resolver& operator=(Resolver&&) noexcept;
  // Whoever waits gets `failed`.
  ~Resolver();

  const ResolvConf& resolv_conf() const;

  // What /etc/hosts says; empty where it does not have the name.
  std::optional<Resolution> find_in_hosts(std::string_view name);
  // What /etc/hosts and the cache know, without asking: not those over their time.
  std::optional<Resolution> cached(std::string_view name);

  // `name` as parse_host_name returns it, fully qualified: resolv.conf's search list is not applied
  // (destination.hpp applies it to the names of a table). Ends within options.timeout. A caller may
  // give up at any time by cancellation (Asio's, of the coroutine that awaits this) and gets
  // `cancelled`; others that wait for the same name do not notice; where there are none, the
  // question ends, and its sockets are closed.
  boost::asio::awaitable<Resolution> resolve(std::string name);

  // Asks DNS whatever the cache holds (but merges with a question in flight): for whoever asks
  // again as Resolution::ttl ends. Where that fails, the last good answer, marked stale.
  boost::asio::awaitable<Resolution> refresh(std::string name);

  ResolverCounts counts() const;  // for the thread of the loop

 private:
  class State;
  explicit Resolver(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace egress::net
