#include "redirect-proxy/dns/limits.hpp"

#include <algorithm>

namespace egress::dns {
namespace {

// Standard streams, logs, DNS over UDP and TCP, the admin endpoint and its connections.
constexpr std::size_t kBase = 64;
constexpr std::size_t kPerThread = 4;  // the loop's own
constexpr std::size_t kMaxChecks = 64;

std::size_t listeners(const TargetTable& table, std::size_t threads) {
  std::size_t count = 0;
  for (const auto& target : table.targets)
    count += target.local.size() * threads * (target.protocol == Protocol::udp ? 2 : 1);
  return count;
}

bool has_udp(const TargetTable& table) {
  return std::any_of(table.targets.begin(), table.targets.end(),
                     [](const Target& target) { return target.protocol == Protocol::udp; });
}

}  // namespace

Limits share_descriptors(const DnsProxyConfig& config, const TargetTable& table, std::size_t files,
                         std::size_t threads) {
  Limits limits;
  limits.checks = std::clamp<std::size_t>(files / 16, 4, kMaxChecks);
  const auto reserved = kBase + kPerThread * threads + limits.checks + listeners(table, threads);
  const auto shared = files - std::min(reserved, files / 2);
  limits.extra_attempts = shared / 16;
  limits.pipes = shared / 32;

  const auto reduce = [&](const char* name, std::size_t desired, std::size_t most) {
    if (desired <= most) return desired;
    limits.warnings.push_back(std::string(name) + ": reduced from " + std::to_string(desired) +
                              " to " + std::to_string(most) + ", the limit of open files is " +
                              std::to_string(files));
    return most;
  };
  // At least one for each thread, so that no thread is without.
  if (has_udp(table)) {
    limits.udp_flows =
        std::max(threads, reduce("EGRESS_DNS_PROXY_UDP_FLOWS", config.udp_flows, shared / 4));
  }
  const auto optional = limits.udp_flows + limits.extra_attempts + 2 * limits.pipes;
  const auto most = std::max<std::size_t>(1, (shared - std::min(shared, optional)) / 2);
  limits.connections = config.connections == 0
                           ? most
                           : reduce("EGRESS_DNS_PROXY_CONNECTIONS", config.connections, most);
  return limits;
}

}  // namespace egress::dns
