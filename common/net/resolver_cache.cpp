#include "common/net/resolver_cache.hpp"

#include <utility>

namespace egress::net {

CachedAnswer* ResolverCache::find(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->answer;
}

void ResolverCache::store(std::string_view name, CachedAnswer answer) {
  if (auto* const known = find(name)) {
    *known = std::move(answer);
    return;
  }
  if (most_ == 0) return;
  if (entries_.size() >= most_) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
  }
  entries_.push_front({std::string(name), std::move(answer)});
  by_name_.emplace(entries_.front().name, entries_.begin());
}

}  // namespace egress::net
