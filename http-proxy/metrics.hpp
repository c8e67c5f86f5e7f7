// What one thread counts, and how the counts of all threads are written out. Labels come from
// fixed sets and from the lines of the rules, never from hosts: what clients ask for must not grow
// the number of series. Written by one thread, read by any.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "common/net/metrics.hpp"
#include "common/net/resolver.hpp"
#include "http-proxy/access_record.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {

enum class Reuse : std::uint8_t { fresh, pooled };

class Metrics {
 public:
  // Series by rule line begin anew with each table.
  void begin_rules(const RuleTable& table);

  void count(const Decision& decision, const Policy& policy);
  void count(const AccessRecord& record);  // a request or a tunnel at its end
  void count_upstream(Reuse reuse) { upstreams_[static_cast<std::size_t>(reuse)].add(1); }
  void count_retry() { retries_.add(1); }

  void set_resolver(const net::ResolverCounts& counts);

  net::Count connections;          // of clients, since the start
  net::Count connections_refused;  // over the limit of one client
  net::Count sessions_failed;      // memory ran out
  net::Count tunnels_opened;
  net::Count tunnels_closed;
  net::Count pooled;

  // Of all threads together.
  static void append_to(net::MetricsText& out, std::span<const Metrics* const> threads);

 private:
  static constexpr std::size_t kErrors =
      static_cast<std::size_t>(ProxyError::proxy_loop_detected) + 1;
  static constexpr std::size_t kOutcomes = static_cast<std::size_t>(SniOutcome::malformed) + 1;
  struct RuleHits {
    std::vector<std::size_t> lines;
    std::vector<Verdict> verdicts;
    std::vector<net::Count> hits;
  };
  static void append_rules(net::MetricsText& out, std::span<const Metrics* const> threads);

  std::array<net::Count, 6> status_;    // by hundreds; 0: none was sent
  std::array<net::Count, 3> verdicts_;  // deny, allow, would-deny
  std::array<net::Count, kReasons> denied_;
  std::array<net::Count, kErrors> errors_;
  std::array<net::Count, kOutcomes> sni_;
  std::array<net::Count, 2> upstreams_;
  net::DurationHistogram duration_;
  net::Count retries_;
  net::Count bytes_in_;
  net::Count bytes_out_;
  std::array<net::Count, 7> resolver_;
  std::shared_ptr<RuleHits> rules_ = std::make_shared<RuleHits>();
  mutable std::mutex rules_mutex_;  // for the pointer, at a reload and a scrape
};

}  // namespace egress::http
