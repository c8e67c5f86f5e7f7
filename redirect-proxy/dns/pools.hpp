// What the main thread tells the workers: for each local port, the addresses that its hosts have
// now. Values that nobody changes once they are published; the counts alone are written, each by
// one worker.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/endpoint.hpp"
#include "common/net/metrics.hpp"
#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

struct AddressCounts {
  net::Count connections;  // TCP connections and UDP flows, made
  net::Count closed;
  net::Count failures;
  net::Count to_upstream;  // bytes
  net::Count to_client;
};

struct EntryCounts {
  net::Count connections;  // of clients
  net::Count failures;     // clients that got no connection
  net::Count refused;      // that came from outside
};

struct Backend {
  Endpoint endpoint;
  std::string host;                                    // of the table, that it belongs to
  bool up = true;                                      // by the last check
  std::vector<std::shared_ptr<AddressCounts>> counts;  // by worker
};

struct Pool {
  LocalPort local;
  std::vector<Backend> backends;  // each endpoint once; none: nothing has resolved yet
  std::vector<std::shared_ptr<EntryCounts>> counts;  // by worker
};

using Pools = std::vector<Pool>;
using Snapshot = std::shared_ptr<const Pools>;

}  // namespace egress::dns
