#include "redirect-proxy/dns/health.hpp"

#include <algorithm>
#include <cerrno>

namespace egress::dns {

using Lock = std::lock_guard<std::mutex>;

bool concerns_endpoint(int error) {
  return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM &&
         error != EADDRNOTAVAIL;
}

std::optional<Health::Trouble> Health::find(const Endpoint& endpoint) const {
  if (size() == 0) return std::nullopt;
  const Lock lock(mutex_);
  const auto found = states_.find(endpoint);
  if (found == states_.end()) return std::nullopt;
  return found->second.trouble;
}

bool Health::is_up(const Endpoint& endpoint) const {
  const auto trouble = find(endpoint);
  return !trouble || trouble->is_up;
}

Health::State* Health::add(const Endpoint& endpoint) {
  const auto found = states_.find(endpoint);
  if (found != states_.end()) return &found->second;
  if (states_.size() >= kMaxEndpoints) return nullptr;
  size_.fetch_add(1, std::memory_order_relaxed);
  return &states_[endpoint];
}

void Health::erase(States::iterator state) {
  states_.erase(state);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void Health::failed(const Endpoint& endpoint, Clock::time_point now) {
  const Lock lock(mutex_);
  State* const state = add(endpoint);
  if (state == nullptr) return;
  constexpr unsigned kMaxDoublings = 8;
  const auto back_off = kFirstBackOff * (1U << std::min(state->failures, kMaxDoublings));
  state->trouble.out_until = now + std::min<std::chrono::seconds>(back_off, kMaxBackOff);
  ++state->failures;
}

void Health::connected(const Endpoint& endpoint) {
  if (size() == 0) return;
  const Lock lock(mutex_);
  const auto found = states_.find(endpoint);
  if (found == states_.end()) return;
  if (found->second.trouble.is_up) return erase(found);
  found->second = {.trouble = {.is_up = false}, .failures = 0};
}

bool Health::checked(const Endpoint& endpoint, bool up) {
  if (up && size() == 0) return false;
  const Lock lock(mutex_);
  if (up) {
    const auto found = states_.find(endpoint);
    if (found == states_.end()) return false;
    const bool was_up = found->second.trouble.is_up;
    erase(found);
    return !was_up;
  }
  State* const state = add(endpoint);
  if (state == nullptr) return false;
  const bool was_up = state->trouble.is_up;
  state->trouble.is_up = false;
  return was_up;
}

void Health::forget(const IpAddress& address) {
  if (size() == 0) return;
  const Lock lock(mutex_);
  auto state = states_.lower_bound({address, 0});
  while (state != states_.end() && state->first.address == address) erase(state++);
}

void Health::expire(Clock::time_point now) {
  if (size() == 0) return;
  const Lock lock(mutex_);
  for (auto state = states_.begin(); state != states_.end();) {
    const auto at = state++;
    const auto& trouble = at->second.trouble;
    if (trouble.is_up && trouble.out_until + kMemory <= now) erase(at);
  }
}

}  // namespace egress::dns
