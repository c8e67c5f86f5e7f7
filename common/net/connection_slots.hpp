// How many connections a program takes, by its limit of open files with room kept for everything
// else, and a count of those it has. The count is shared by the threads; taking one is one atomic
// addition.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

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

 private:
  friend class ConnectionSlot;

  std::atomic<std::size_t> limit_;
  std::atomic<std::size_t> used_{0};
};

ConnectionSlot::~ConnectionSlot() {
  if (slots_ != nullptr) slots_->used_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace egress::net
