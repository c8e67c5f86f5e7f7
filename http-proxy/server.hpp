// The proxy as it runs: a worker for each CPU, the admin endpoint, the rules that may change, the
// end on a signal. Reads no variable and writes no log: it tells its hooks.
#pragma once

#include <functional>
#include <string_view>

#include "common/result.hpp"
#include "http-proxy/config.hpp"

namespace egress::http {

// Called from the thread that called serve().
struct ServerHooks {
  std::function<void(std::string_view)> info;
  std::function<void(std::string_view)> error;
};

// Opens all listeners, serves until SIGTERM or SIGINT, then drains; a second signal ends it at
// once. Errors: a listener that cannot be opened.
Result<void> serve(HttpProxyConfig config, const ServerHooks& hooks);

}  // namespace egress::http
