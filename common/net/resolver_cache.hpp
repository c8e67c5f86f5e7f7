// Answers by name, the least recently used of them forgotten first. Time is a parameter; asks
// nobody.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/ip.hpp"

namespace egress::net {

struct CachedAnswer {
  using Time = std::chrono::steady_clock::time_point;

  std::vector<IpAddress> addresses;  // empty: the name does not exist
  Time since;
  Time until;
  bool failing = false;  // the last question for it failed: DNS is down, as far as this name goes

  bool is_fresh(Time now) const { return now < until; }
};

class ResolverCache {
 public:
  explicit ResolverCache(std::size_t most) : most_(most) {}

  // Null where nothing is known. Valid until the next store().
  CachedAnswer* find(std::string_view name);
  void store(std::string_view name, CachedAnswer answer);
  std::size_t size() const { return by_name_.size(); }

 private:
  struct Entry {
    std::string name;
    CachedAnswer answer;
  };

  std::size_t most_;
  std::list<Entry> entries_;  // the most recently used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_name_;
};

}  // namespace egress::net
