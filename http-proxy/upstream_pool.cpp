#include "http-proxy/upstream_pool.hpp"

#include <algorithm>
#include <iterator>

namespace egress::http {

std::optional<Upstream> UpstreamPool::take(const std::string& authority,
                                           std::span<const IpAddress> addresses) {
  const auto is_admitted = [addresses](Position position) {
    const auto& address = position->upstream.endpoint.address;
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
  };
  for (;;) {
    const auto found = by_authority_.find(authority);
    if (found == by_authority_.end()) return std::nullopt;
    const auto& positions = found->second;
    const auto last = std::find_if(positions.rbegin(), positions.rend(), is_admitted);
    if (last == positions.rend()) return std::nullopt;
    auto upstream = remove(*last);
    if (is_quiet(upstream.socket)) return upstream;
  }
}

void UpstreamPool::give_back(Upstream upstream, Clock::time_point now) {
  if (options_.most == 0 || options_.most_per_authority == 0) return;
  auto& positions = by_authority_[upstream.authority];
  if (positions.size() >= options_.most_per_authority) return;
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
  by_authority_.clear();
  idle_.clear();
}

Upstream UpstreamPool::remove(Position position) {
  auto upstream = std::move(position->upstream);
  const auto found = by_authority_.find(upstream.authority);
  auto& positions = found->second;
  positions.erase(std::find(positions.begin(), positions.end(), position));
  if (positions.empty()) by_authority_.erase(found);
  idle_.erase(position);
  return upstream;
}

}  // namespace egress::http
