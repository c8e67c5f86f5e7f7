// The proxy as it runs: a worker for each CPU, the admin endpoint, the rules that may change, the
// end on a signal. Reads no variable.
#pragma once

#include "common/log.hpp"
#include "common/result.hpp"
#include "http-proxy/config.hpp"

namespace egress::http {

// Opens all listeners, serves until SIGTERM or SIGINT, then drains; a second signal ends it at
// once. `log` is called from the calling thread. Errors: a listener that cannot be opened. What a
// thread throws is thrown here.
Result<void> serve(HttpProxyConfig config, const Log& log);

}  // namespace egress::http
