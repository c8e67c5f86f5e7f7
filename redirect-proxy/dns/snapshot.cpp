#include "redirect-proxy/dns/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace egress::dns {

std::shared_ptr<const Table> make_table(TargetTable text) {
  auto table = std::make_shared<Table>();
  auto& hosts = table->hosts;
  for (const auto& target : text.targets)
    hosts.insert(hosts.end(), target.hosts.begin(), target.hosts.end());
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  for (const auto& target : text.targets) {
    auto& places = table->hosts_of.emplace_back();
    for (const auto& host : target.hosts) {
      const auto found = std::lower_bound(hosts.begin(), hosts.end(), host);
      places.push_back(static_cast<std::size_t>(found - hosts.begin()));
    }
  }
  table->text = std::move(text);
  return table;
}

Pool::Pool(const Snapshot& snapshot, std::size_t target) {
  for (const auto host : snapshot.table->hosts_of[target]) {
    lists_.push_back(snapshot.addresses[host].get());
    size_ += lists_.back()->size();
  }
}

Pool::Pool(std::vector<const AddressList*> lists) : lists_(std::move(lists)) {
  for (const auto* list : lists_) size_ += list->size();
}

Pool::Member Pool::at(std::size_t index) const {
  std::size_t host = 0;
  while (index >= lists_[host]->size()) index -= lists_[host++]->size();
  return {(*lists_[host])[index], host};
}

std::optional<std::size_t> Pool::host_of(const IpAddress& address) const {
  for (std::size_t host = 0; host < lists_.size(); ++host) {
    if (std::binary_search(lists_[host]->begin(), lists_[host]->end(), address)) return host;
  }
  return std::nullopt;
}

}  // namespace egress::dns
