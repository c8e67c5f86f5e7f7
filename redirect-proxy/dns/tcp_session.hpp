// One TCP connection of a client: a connection to one of its entry's addresses is made, tried on
// others where that fails, and then bytes go both ways.
#pragma once

#include <memory>

#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

// Runs on its own from here, on the worker's loop.
void serve_tcp(Worker& worker, std::shared_ptr<Entry> entry, net::Accepted accepted);

}  // namespace egress::dns
