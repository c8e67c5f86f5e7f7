// The UDP flows of a worker: which exchange with an upstream a datagram of a client belongs to. A
// flow ends when nothing has passed for a while, or, where there are too many, when it is the one
// unused for the longest. Pure: time is a parameter; holds whatever stands for the exchange.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/endpoint.hpp"

namespace egress::dns {

// Replies go back to the client from the address that it asked.
struct FlowKey {
  Endpoint client;
  Endpoint local;

  bool operator==(const FlowKey&) const = default;
};

struct FlowKeyHash {
  std::size_t operator()(const FlowKey& key) const noexcept {
    const std::hash<Endpoint> hash;
    return hash(key.client) * 31 + hash(key.local);
  }
};

template <class Value>
class UdpFlows {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    std::size_t most = 1024;
    Clock::duration idle = std::chrono::seconds(30);
  };
  explicit UdpFlows(Limits limits) : limits_(limits) {}

  // The flow, used now; null where there is none, or its time is over.
  Value* find(const FlowKey& key, Clock::time_point now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end() || now - found->second->used >= limits_.idle) return nullptr;
    touch(found->second, now);
    return &found->second->value;
  }

  // In place of one with this key. Returns what had to go: at most one flow.
  std::optional<Value> insert(const FlowKey& key, Value value, Clock::time_point now) {
    std::optional<Value> gone = erase(key);
    if (!gone && order_.size() >= limits_.most) {
      const FlowKey oldest = order_.front().key;
      gone = erase(oldest);
    }
    order_.push_back({key, std::move(value), now});
    by_key_[key] = std::prev(order_.end());
    return gone;
  }

  std::optional<Value> erase(const FlowKey& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return std::nullopt;
    std::optional<Value> value(std::move(found->second->value));
    order_.erase(found->second);
    by_key_.erase(found);
    return value;
  }

  // Returns what has to go.
  std::vector<Value> set_most(std::size_t most) {
    limits_.most = most;
    std::vector<Value> gone;
    while (order_.size() > most) gone.push_back(std::move(*erase(FlowKey(order_.front().key))));
    return gone;
  }

  // Those whose time is over. To be called now and then.
  std::vector<Value> expire(Clock::time_point now) {
    std::vector<Value> gone;
    while (!order_.empty() && now - order_.front().used >= limits_.idle) {
      by_key_.erase(order_.front().key);
      gone.push_back(std::move(order_.front().value));
      order_.pop_front();
    }
    return gone;
  }

  // Those that the predicate names.
  template <class Predicate>
  std::vector<Value> take_if(Predicate is_wanted) {
    std::vector<Value> taken;
    for (auto at = order_.begin(); at != order_.end();) {
      const auto flow = at++;
      if (!is_wanted(std::as_const(flow->value))) continue;
      by_key_.erase(flow->key);
      taken.push_back(std::move(flow->value));
      order_.erase(flow);
    }
    return taken;
  }
  std::vector<Value> take_all() {
    return take_if([](const Value&) { return true; });
  }

  std::size_t size() const { return order_.size(); }

 private:
  struct Flow {
    FlowKey key;
    Value value;
    Clock::time_point used;
  };
  using Position = typename std::list<Flow>::iterator;

  void touch(Position position, Clock::time_point now) {
    position->used = now;
    order_.splice(order_.end(), order_, position);
  }

  Limits limits_;
  std::list<Flow> order_;  // the one unused for the longest first
  std::unordered_map<FlowKey, Position, FlowKeyHash> by_key_;
};

}  // namespace egress::dns
