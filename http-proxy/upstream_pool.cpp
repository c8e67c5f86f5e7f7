#include "http-proxy/upstream_pool.hpp"

#include <algorithm>
#include <iterator>

namespace egress::http {

std::optional<Upstream> UpstreamPool::take(std::span<const IpAddress> addresses,
                                           std::uint16_t port) {
  for (const auto& address : addresses) {
    for (;;) {
      const auto found = by_endpoint_.find({address, port});
      if (found == by_endpoint_.end()) break;
      const auto position = found->second.back();
      auto upstream = std::move(position->upstream);
      forget(position);
      if (is_quiet(upstream.socket)) return upstream;
    }
  }
  return std::nullopt;
}

void UpstreamPool::give_back(Upstream upstream, Clock::time_point now) {
  if (options_.most == 0 || options_.most_per_endpoint == 0) return;
  auto& positions = by_endpoint_[upstream.endpoint];
  if (positions.size() >= options_.most_per_endpoint) return;
  idle_.push_back({std::move(upstream), now});
  positions.push_back(std::prev(idle_.end()));
  if (idle_.size() > options_.most) forget(idle_.begin());
}

void UpstreamPool::sweep(Clock::time_point now) {
  for (auto position = idle_.begin(); position != idle_.end();) {
    const auto next = std::next(position);
    if (now - position->since > options_.keep || !is_quiet(position->upstream.socket))
      forget(position);
    position = next;
  }
}

void UpstreamPool::clear() {
  by_endpoint_.clear();
  idle_.clear();
}

// The endpoint stands in the element still, even where its socket was moved away.
void UpstreamPool::forget(Position position) {
  const auto found = by_endpoint_.find(position->upstream.endpoint);
  auto& positions = found->second;
  positions.erase(std::find(positions.begin(), positions.end(), position));
  if (positions.empty()) by_endpoint_.erase(found);
  idle_.erase(position);
}

}  // namespace egress::http
