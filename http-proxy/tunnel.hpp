// A tunnel between a client and an upstream, from the moment that a session hands both over: the
// relay moves the bytes, and what stands here looks at the TLS hello on its way and writes the line
// of the access log at the end. Changes no byte.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/net/connection_slots.hpp"
#include "http-proxy/access_record.hpp"
#include "http-proxy/client_counts.hpp"
#include "http-proxy/policy.hpp"
#include "http-proxy/session_io.hpp"

namespace egress::http {

class Worker;

struct TunnelStart {
  Socket client;
  Socket upstream;
  std::string from_client;    // read already, to be passed on first
  std::string from_upstream;  // the same, to the client
  std::optional<Host> host;   // that CONNECT asked for; nothing: no hello is looked for
  std::shared_ptr<const Policy> policy;
  std::chrono::steady_clock::time_point began;
  AccessRecord record;  // of the request so far
};

// What the client's connection takes up under the limits, kept to its end.
struct Places {
  net::ConnectionSlot slot;
  ClientCounts::Place place;
};

// Runs on the worker's loop from here; ends by itself, or with the worker's relays.
// Takes what `start` holds.
void start_tunnel(Worker& worker, TunnelStart& start, Places places);

}  // namespace egress::http
