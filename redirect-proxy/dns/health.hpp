// Which upstream endpoints are out of use: those that failed the last health check, and those that
// a client's connection failed to, for a while that doubles. Remembers the unhealthy alone, and a
// bounded number of them: what it does not know is healthy. From any thread; time is a parameter.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include "common/endpoint.hpp"

namespace egress::dns {

// Whether an error of connect(2) or send(2) says something of the endpoint. Others say that this
// pod lacks something: descriptors, memory, ephemeral ports.
bool concerns_endpoint(int error);

class Health {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kFirstBackOff{1};
  static constexpr std::chrono::seconds kMaxBackOff{30};
  // After the end of its back-off a failure is remembered for so long: the next one doubles it.
  static constexpr std::chrono::seconds kMemory{60};
  static constexpr std::size_t kMaxEndpoints = 32'768;

  struct Trouble {
    bool is_up = true;  // by the last check
    Clock::time_point out_until = Clock::time_point::min();

    bool is_healthy(Clock::time_point now) const { return is_up && out_until <= now; }
  };

  // Nothing where it is healthy and has not failed lately.
  std::optional<Trouble> find(const Endpoint& endpoint) const;
  bool is_up(const Endpoint& endpoint) const;  // by the last check

  // Of connections.
  void failed(const Endpoint& endpoint, Clock::time_point now);
  void connected(const Endpoint& endpoint);
  // Of a check. Returns whether the last one said otherwise.
  bool checked(const Endpoint& endpoint, bool up);

  void forget(const IpAddress& address);
  // Forgets old failures; to be called now and then.
  void expire(Clock::time_point now);
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct State {
    Trouble trouble;
    unsigned failures = 0;  // in a row
  };
  using States = std::map<Endpoint, State>;

  State* add(const Endpoint& endpoint);  // null at the limit
  void erase(States::iterator state);

  mutable std::mutex mutex_;
  States states_;                     // guarded by mutex_
  std::atomic<std::size_t> size_{0};  // of states_: none is the usual case, and needs no lock
};

}  // namespace egress::dns
