#include "redirect-proxy/dns/usage.hpp"

#include <utility>

namespace egress::dns {

using Lock = std::lock_guard<std::mutex>;

std::shared_ptr<AddressUse> EntryUse::find(const IpAddress& address) const {
  const auto found = addresses_.find(address);
  return found == addresses_.end() ? nullptr : found->second;
}

std::shared_ptr<AddressUse> EntryUse::add(const IpAddress& address) {
  auto use = std::make_shared<AddressUse>();
  const Lock lock(mutex_);
  return addresses_.try_emplace(address, std::move(use)).first->second;
}

void EntryUse::keep_if(const std::function<bool(const IpAddress&)>& is_kept) {
  const Lock lock(mutex_);
  std::erase_if(addresses_, [&](const auto& each) { return !is_kept(each.first); });
}

void EntryUse::add_to(AddressTotals& totals, const IpAddress& address) const {
  const Lock lock(mutex_);
  const auto found = addresses_.find(address);
  if (found == addresses_.end()) return;
  const auto& use = *found->second;
  totals.connections += use.connections.read();
  totals.closed += use.closed.read();
  totals.failures += use.failures.read();
  totals.to_upstream += use.to_upstream.read();
  totals.to_client += use.to_client.read();
}

EntryUses make_entry_uses(std::size_t workers) {
  EntryUses uses(workers);
  for (auto& each : uses) each = std::make_shared<EntryUse>();
  return uses;
}

std::uint64_t sum(const EntryUses& uses, net::Count EntryUse::*count) {
  std::uint64_t total = 0;
  for (const auto& each : uses) total += ((*each).*count).read();
  return total;
}

AddressTotals sum(const EntryUses& uses, const IpAddress& address) {
  AddressTotals totals;
  for (const auto& each : uses) each->add_to(totals, address);
  return totals;
}

}  // namespace egress::dns
