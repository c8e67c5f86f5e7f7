// Turns the table and what its names resolve to into the pools that the workers use. Keeps the
// counts of each entry and address for as long as the table has them. Belongs to the main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "redirect-proxy/dns/pools.hpp"
#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

class PoolBuilder {
 public:
  explicit PoolBuilder(std::size_t workers) : workers_(workers) {}

  using AddressesOf = std::function<std::vector<IpAddress>(const Host&)>;
  using IsUp = std::function<bool(const Endpoint&)>;

  // An entry for each local port. An address that several hosts of a line have is there once.
  Snapshot build(const TargetTable& table, const AddressesOf& addresses_of, const IsUp& is_up);

 private:
  std::size_t workers_;
  std::map<LocalPort, std::vector<std::shared_ptr<EntryCounts>>> entries_;
  std::map<std::pair<LocalPort, Endpoint>, std::vector<std::shared_ptr<AddressCounts>>> addresses_;
};

// Of all TCP entries: what active checks are for.
std::set<Endpoint> tcp_endpoints(const Pools& pools);

}  // namespace egress::dns
