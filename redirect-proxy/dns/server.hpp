// The DNS proxy as a whole: names, checks, workers, endpoint, reload, its start and its end.
#pragma once

#include "common/log.hpp"
#include "common/result.hpp"
#include "redirect-proxy/dns/config.hpp"

namespace egress::dns {

// Serves until SIGTERM or SIGINT. `log` is called from any thread. Errors: what kept it from
// starting. What a thread throws is thrown here.
Result<void> serve(DnsProxyConfig config, const Log& log);

}  // namespace egress::dns
