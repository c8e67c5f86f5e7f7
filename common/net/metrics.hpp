// Counts for Prometheus: cells that one thread writes and any thread reads, and a writer of the
// text format 0.0.4. There is no registry: who owns the cells writes them out, summed over the
// threads.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace egress::net {

// A counter or gauge with one writer: no locked instruction, no torn read.
class Count {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t amount = 1) { add(~amount + 1); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Durations in seconds by buckets, from 1 ms to 60 s. One writer.
class DurationHistogram {
 public:
  static constexpr std::array<double, 10> kBounds{0.001, 0.005, 0.025, 0.1, 0.25,
                                                  0.5,   1,     5,     15,  60};

  void add(std::uint64_t microseconds);
  // Not cumulative; the last is for what is over all bounds.
  std::uint64_t bucket(std::size_t index) const { return buckets_[index].read(); }
  std::uint64_t microseconds() const { return microseconds_.read(); }

 private:
  std::array<Count, kBounds.size() + 1> buckets_;
  Count microseconds_;
};

class MetricsText {
 public:
  enum class Type : std::uint8_t { counter, gauge, histogram };
  // Values are escaped; names are not.
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Begins a family: HELP and TYPE. All its samples follow before the next family.
  MetricsText& family(std::string_view name, Type type, std::string_view help);
  MetricsText& sample(Labels labels, std::uint64_t value);
  MetricsText& sample(Labels labels, double value);
  // The sum of the cells of all threads, as buckets, sum and count.
  MetricsText& histogram(Labels labels, std::span<const DurationHistogram* const> threads);

  std::string take() { return std::move(text_); }

 private:
  struct Extra {
    std::string_view suffix;  // of the name
    std::string_view bound;   // le="..."; empty: none
  };
  void write(const Extra& extra, Labels labels, std::string_view value);

  std::string text_;
  std::string name_;
};

}  // namespace egress::net
