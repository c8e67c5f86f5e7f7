// How many connections each client address has, over all threads, where that is limited.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "common/ip.hpp"

namespace egress::http {

class ClientCounts {
 public:
  explicit ClientCounts(std::size_t limit) : limit_(limit) {}  // 0: no limit, nothing is counted

  // One connection's place among those of its address; gives it back at its end.
  class Place {
   public:
    Place() = default;
    Place(ClientCounts& counts, const IpAddress& client) : counts_(&counts), client_(client) {}
    Place(Place&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)), client_(other.client_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(counts_, other.counts_);
      std::swap(client_, other.client_);
      return *this;
    }
    ~Place() {
      if (counts_ != nullptr) counts_->leave(client_);
    }

   private:
    ClientCounts* counts_ = nullptr;
    IpAddress client_;
  };

  // Empty at the limit. From any thread.
  std::optional<Place> take(const IpAddress& client) {
    if (limit_ == 0) return Place();
    const std::lock_guard lock(mutex_);
    auto& count = counts_[client];
    if (count >= limit_) return std::nullopt;
    ++count;
    return Place(*this, client);
  }

 private:
  void leave(const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(client);
    if (--found->second == 0) counts_.erase(found);
  }

  std::size_t limit_;
  std::mutex mutex_;
  std::map<IpAddress, std::size_t> counts_;
};

}  // namespace egress::http
