// What one thread counts, and how the counts of all threads read as Prometheus text. Labels come from
// fixed sets and from the lines of the rules, never from hosts: what clients ask for must not grow
// the number of series. Written by one thread, read by any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "http-proxy/access_record.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {

// A counter with one writer: no locked instruction, no torn read.
class Count {
 public:
  void add(std::uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t amount) { add(~amount + 1); }
  std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

enum class Reuse : std::uint8_t { fresh, pooled };

class Metrics {
 public:
  // Series by rule line begin anew with each table.
  void begin_rules(const RuleTable& table);

  void count(const Decision& decision, const Policy& policy);
  void count(const AccessRecord& record);  // a request or a tunnel at its end
  void count_upstream(Reuse reuse) { upstreams_[static_cast<std::size_t>(reuse)].add(1); }
  void count_retry() { retries_.add(1); }

  std::uint64_t open_connections() const {
    return connections_opened.read() - connections_closed.read();
  }

  Count connections_opened;
  Count connections_closed;
  Count tunnels_opened;
  Count tunnels_closed;
  Count connections_refused;  // over the limit of one client

  // Of all threads together, as the text format 0.0.4 has it.
  static std::string to_prometheus(std::span<const Metrics* const> threads);

 private:
  static constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::no_address) + 1;
  static constexpr std::size_t kErrors =
      static_cast<std::size_t>(ProxyError::proxy_loop_detected) + 1;
  static constexpr std::size_t kOutcomes = static_cast<std::size_t>(SniOutcome::malformed) + 1;
  static constexpr std::size_t kBuckets = 10;

  struct RuleHits {
    std::vector<std::size_t> lines;
    std::vector<Verdict> verdicts;
    std::vector<Count> hits;
  };
  class Writer;

  std::array<Count, 6> status_;     // by hundreds; 0: none was sent
  std::array<Count, 3> verdicts_;   // deny, allow, would-deny
  std::array<Count, kReasons> denied_;
  std::array<Count, kErrors> errors_;
  std::array<Count, kOutcomes> sni_;
  std::array<Count, 2> upstreams_;
  std::array<Count, kBuckets + 1> duration_;
  Count duration_sum_;  // milliseconds
  Count retries_;
  Count bytes_in_;
  Count bytes_out_;
  std::shared_ptr<RuleHits> rules_ = std::make_shared<RuleHits>();
  mutable std::mutex rules_mutex_;  // for the pointer, at a reload and a scrape
};

}  // namespace egress::http
