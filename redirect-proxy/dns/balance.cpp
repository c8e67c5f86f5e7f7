#include "redirect-proxy/dns/balance.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace egress::dns {

Balancer::Member* Balancer::find(const Endpoint& endpoint) {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
    return member.endpoint == endpoint;
  });
  return found == members_.end() ? nullptr : &*found;
}

void Balancer::set(const std::vector<Endpoint>& endpoints) {
  std::vector<Member> members;
  members.reserve(endpoints.size());
  for (const auto& endpoint : endpoints) {
    const Member* known = find(endpoint);
    members.push_back(known != nullptr ? *known
                                       : Member{.endpoint = endpoint,
                                                .connections = 0,
                                                .failures = 0,
                                                .out_until = Clock::time_point::min(),
                                                .up = true});
  }
  members_ = std::move(members);
}

std::vector<Endpoint> Balancer::choose(Clock::time_point now, std::size_t count) {
  std::vector<const Member*> order;
  order.reserve(members_.size());
  const std::size_t size = members_.size();
  if (size > 0) turn_ = (turn_ + 1) % size;
  for (std::size_t i = 0; i < size; ++i) order.push_back(&members_[(turn_ + i) % size]);
  // Stable: among equals the turn decides.
  std::stable_sort(order.begin(), order.end(), [&](const Member* left, const Member* right) {
    const auto rank = [&](const Member* member) {
      const bool healthy = is_healthy(*member, now);
      const bool by_load = healthy && balancing_ == Balancing::least_connections;
      return std::tuple(!healthy, by_load ? member->connections : 0, !member->up,
                        healthy ? Clock::time_point::min() : member->out_until);
    };
    return rank(left) < rank(right);
  });
  std::vector<Endpoint> chosen;
  for (const auto* member : order) {
    if (chosen.size() == count) break;
    chosen.push_back(member->endpoint);
  }
  return chosen;
}

void Balancer::trying(const Endpoint& endpoint) {
  if (Member* member = find(endpoint)) ++member->connections;
}

void Balancer::connected(const Endpoint& endpoint) {
  if (Member* member = find(endpoint)) {
    ++member->connections;
    member->failures = 0;
    member->out_until = Clock::time_point::min();
  }
}

void Balancer::closed(const Endpoint& endpoint) {
  Member* member = find(endpoint);
  // It may have left and come back since.
  if (member != nullptr && member->connections > 0) --member->connections;
}

void Balancer::failed(const Endpoint& endpoint, Clock::time_point now) {
  Member* member = find(endpoint);
  if (member == nullptr) return;
  constexpr unsigned kMostDoublings = 8;
  const auto back_off = kFirstBackOff * (1U << std::min(member->failures, kMostDoublings));
  member->out_until = now + std::min<std::chrono::seconds>(back_off, kMostBackOff);
  ++member->failures;
}

void Balancer::checked(const Endpoint& endpoint, bool up) {
  Member* member = find(endpoint);
  if (member == nullptr) return;
  member->up = up;
  if (up) {
    member->failures = 0;
    member->out_until = Clock::time_point::min();
  }
}

bool Balancer::is_healthy(const Endpoint& endpoint, Clock::time_point now) const {
  const auto* member = const_cast<Balancer*>(this)->find(endpoint);
  return member != nullptr && is_healthy(*member, now);
}

}  // namespace egress::dns
