// What one worker counts of one entry: its clients, and the connections to each address that they
// were connected to. One worker writes; any thread reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/ip.hpp"
#include "common/net/metrics.hpp"

namespace egress::dns {

struct AddressUse {
  net::Count connections;  // TCP connections and UDP flows, made
  net::Count closed;
  net::Count failures;
  net::Count to_upstream;  // bytes
  net::Count to_client;
  std::size_t under_way = 0;  // now, those being made included; the worker's own
};

// The same over all workers.
struct AddressTotals {
  std::uint64_t connections = 0;
  std::uint64_t closed = 0;
  std::uint64_t failures = 0;
  std::uint64_t to_upstream = 0;
  std::uint64_t to_client = 0;

  std::uint64_t open() const { return connections > closed ? connections - closed : 0; }
};

class EntryUse {
 public:
  net::Count connections;  // of clients
  net::Count failures;     // clients that got no connection
  net::Count refused;      // datagrams from the external network

  // For the worker's thread. find() is null where the address is not known.
  std::shared_ptr<AddressUse> find(const IpAddress& address) const;
  std::shared_ptr<AddressUse> add(const IpAddress& address);
  void keep_if(const std::function<bool(const IpAddress&)>& is_kept);
  std::size_t size() const { return addresses_.size(); }

  // For any thread.
  void add_to(AddressTotals& totals, const IpAddress& address) const;

 private:
  mutable std::mutex mutex_;  // the worker takes it to change the map, others to read it
  std::map<IpAddress, std::shared_ptr<AddressUse>> addresses_;
};

// Of one entry, by worker.
using EntryUses = std::vector<std::shared_ptr<EntryUse>>;

EntryUses make_entry_uses(std::size_t workers);
std::uint64_t sum(const EntryUses& uses, net::Count EntryUse::*count);
AddressTotals sum(const EntryUses& uses, const IpAddress& address);

}  // namespace egress::dns
