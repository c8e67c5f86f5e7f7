// What the main thread publishes to the workers: the table, and the addresses that its hosts have
// now. Values that nobody changes once they are published. What a change costs depends on the
// addresses that changed, not on how many ports lead to them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "common/endpoint.hpp"
#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

using AddressList = std::vector<IpAddress>;  // sorted, each once

// The destination table with its hosts numbered.
struct Table {
  TargetTable text;
  std::vector<Host> hosts;                         // of all entries, each once, sorted
  std::vector<std::vector<std::size_t>> hosts_of;  // by target: places in `hosts`
};
std::shared_ptr<const Table> make_table(TargetTable text);

struct Snapshot {
  std::shared_ptr<const Table> table;
  std::vector<std::shared_ptr<const AddressList>> addresses;  // by host; never null
};

// The addresses of one entry: those of its hosts, one host after the other. Refers to the snapshot.
class Pool {
 public:
  struct Member {
    IpAddress address;
    std::size_t host = 0;  // place in Target::hosts
  };

  Pool() = default;  // has no addresses
  // `target` is a place in the table's targets.
  Pool(const Snapshot& snapshot, std::size_t target);
  // For tests; the lists must outlive it.
  explicit Pool(std::vector<const AddressList*> lists);

  std::size_t size() const { return size_; }  // an address that several hosts have counts for each
  Member at(std::size_t index) const;         // below size()
  // The first host that has the address.
  std::optional<std::size_t> host_of(const IpAddress& address) const;
  bool contains(const IpAddress& address) const { return host_of(address).has_value(); }

 private:
  std::vector<const AddressList*> lists_;
  std::size_t size_ = 0;
};

}  // namespace egress::dns
