#include "redirect-proxy/dns/pool_builder.hpp"

namespace egress::dns {
namespace {

template <class Counts>
std::vector<std::shared_ptr<Counts>> make_counts(std::size_t workers) {
  std::vector<std::shared_ptr<Counts>> counts(workers);
  for (auto& each : counts) each = std::make_shared<Counts>();
  return counts;
}

}  // namespace

Snapshot PoolBuilder::build(const TargetTable& table, const AddressesOf& addresses_of,
                            const IsUp& is_up) {
  auto pools = std::make_shared<Pools>();
  decltype(entries_) entries;
  decltype(addresses_) addresses;
  for (const auto& target : table.targets) {
    for (std::uint32_t port = target.local.first; port <= target.local.last; ++port) {
      const LocalPort local{target.protocol, static_cast<std::uint16_t>(port)};
      Pool pool{.local = local, .backends = {}, .counts = entries_[local]};
      if (pool.counts.empty()) pool.counts = make_counts<EntryCounts>(workers_);
      entries[local] = pool.counts;
      for (const auto& host : target.hosts) {
        for (const auto& address : addresses_of(host)) {
          const Endpoint endpoint{address, target.remote_port(local.port)};
          auto [known, is_new] = addresses.try_emplace({local, endpoint});
          if (!is_new) continue;
          known->second = addresses_[{local, endpoint}];
          if (known->second.empty()) known->second = make_counts<AddressCounts>(workers_);
          pool.backends.push_back({.endpoint = endpoint,
                                   .host = host.is_name() ? host.name() : to_text(host.address()),
                                   .up = is_up(endpoint),
                                   .counts = known->second});
        }
      }
      pools->push_back(std::move(pool));
    }
  }
  entries_ = std::move(entries);
  addresses_ = std::move(addresses);
  return pools;
}

std::set<Endpoint> tcp_endpoints(const Pools& pools) {
  std::set<Endpoint> endpoints;
  for (const auto& pool : pools) {
    if (pool.local.protocol != Protocol::tcp) continue;
    for (const auto& backend : pool.backends) endpoints.insert(backend.endpoint);
  }
  return endpoints;
}

}  // namespace egress::dns
