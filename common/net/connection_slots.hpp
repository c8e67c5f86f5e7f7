// How many connections a program takes, by its limit of open files with room kept for everything
// else, and a count of those it has. The count is shared by the threads; taking one is one atomic
// addition.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/net/metrics.hpp"

namespace egress::net {

// Raises the soft limit of open files to the hard one, and gives the limit that then holds.
std::size_t raise_file_limit();

struct FileBudget {
  std::size_t files = 0;           // the limit
  std::size_t per_connection = 2;  // client, upstream
  std::size_t reserved = 0;        // listeners, logs, DNS, admin endpoint, pipes: kept free
};
// At least 1. Where `files` is small, half of it at most is kept free.
std::size_t connections_for(const FileBudget& budget);

struct ConnectionLimit {
  std::size_t connections = 1;
  std::string warning;  // empty: what was configured applies
};
// `configured` connections, or where it is 0 as many as the budget permits, which is the maximum in
// any case. `variable` is named in the warning.
ConnectionLimit limit_connections(std::size_t configured, std::string_view variable,
                                  const FileBudget& budget);

class ConnectionSlots;

// One connection's place; gives it back at its end. The slots must outlive it.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  ConnectionSlot(ConnectionSlot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
  ConnectionSlot& operator=(ConnectionSlot&& other) noexcept {
    std::swap(slots_, other.slots_);
    return *this;
  }
  inline ~ConnectionSlot();

 private:
  friend class ConnectionSlots;
  explicit ConnectionSlot(ConnectionSlots& slots) : slots_(&slots) {}

  ConnectionSlots* slots_ = nullptr;
};

class ConnectionSlots {
 public:
  explicit ConnectionSlots(std::size_t limit) : limit_(limit) {}
  ConnectionSlots(const ConnectionSlots&) = delete;
  ConnectionSlots& operator=(const ConnectionSlots&) = delete;

  // Empty at the limit. From any thread.
  std::optional<ConnectionSlot> take();

  // Those that are taken stay so, where they are more.
  void set_limit(std::size_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  std::size_t limit() const { return limit_.load(std::memory_order_relaxed); }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }

  // How often a listener left new connections waiting, for want of a slot or of a file descriptor
  // (or of memory). Counted by listeners, read by anyone.
  std::atomic<std::uint64_t> waits_for_slot{0};
  std::atomic<std::uint64_t> waits_for_file{0};
  std::atomic<std::uint64_t> external{0};  // connections from the external network, reset at once

 private:
  friend class ConnectionSlot;

  std::atomic<std::size_t> limit_;
  std::atomic<std::size_t> used_{0};
};

// Gauges and counters of a proxy whose metrics begin with `prefix`.
void append_connections(MetricsText& out, std::string_view prefix, const ConnectionSlots& slots);

// Says, at most once a minute, that new connections wait.
class ConnectionLimitNotice {
 public:
  // `variable` configures the limit.
  ConnectionLimitNotice(const ConnectionSlots& slots, std::string_view variable)
      : slots_(slots), variable_(variable) {}

  // The log line that is due; called now and then.
  std::optional<std::string> poll(std::chrono::steady_clock::time_point now);

 private:
  const ConnectionSlots& slots_;
  const std::string_view variable_;
  std::uint64_t noted_slot_waits_ = 0;
  std::uint64_t noted_file_waits_ = 0;
  std::optional<std::chrono::steady_clock::time_point> noted_;
};

ConnectionSlot::~ConnectionSlot() {
  if (slots_ != nullptr) slots_->used_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace egress::net
