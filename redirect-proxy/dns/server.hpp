// The DNS proxy as a whole: names, checks, workers, endpoint, reload, its start and its end.
#pragma once

#include <functional>
#include <string_view>

#include "common/result.hpp"
#include "redirect-proxy/dns/config.hpp"

namespace egress::dns {

// Where it tells what happens; from any thread.
struct ServerHooks {
  std::function<void(std::string_view)> info;
  std::function<void(std::string_view)> warn;
  std::function<void(std::string_view)> error;
};

// Serves until SIGTERM or SIGINT. Errors: what kept it from starting.
Result<void> serve(DnsProxyConfig config, const ServerHooks& hooks);

}  // namespace egress::dns
