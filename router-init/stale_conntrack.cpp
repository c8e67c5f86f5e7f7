#include "router-init/stale_conntrack.hpp"

#include <iterator>

namespace egress::router {
namespace {

// Family, protocol and port in one number; ports that follow each other have keys that do.
std::uint32_t key_of(Family family, std::uint8_t protocol, std::uint16_t port) {
  return (family == Family::v6 ? 1U << 24U : 0U) | std::uint32_t{protocol} << 16U | port;
}

std::uint32_t key_of(const IpAddress& address, Protocol protocol, std::uint16_t port) {
  return key_of(address.family(), static_cast<std::uint8_t>(protocol), port);
}

}  // namespace

StaleConntrack::StaleConntrack(const Translation& translation,
                               const std::vector<IpAddress>& pod_addresses)
    : fallback_(translation.fallback),
      kept_ports_(translation.kept_ports.begin(), translation.kept_ports.end()),
      pod_addresses_(pod_addresses.begin(), pod_addresses.end()) {
  ports_.reserve(translation.ports.size());
  for (const auto& one : translation.ports) {
    ports_.emplace(key_of(one.address, one.protocol, one.port),
                   Target{one.address, one.remote_port});
  }
  for (const auto& one : translation.ranges) {
    ranges_.emplace(key_of(one.address, one.protocol, one.ports.first),
                    Range{key_of(one.address, one.protocol, one.ports.last), one.address});
  }
}

std::optional<StaleConntrack::Target> StaleConntrack::target_of(
    Family family, std::uint8_t protocol, std::optional<std::uint16_t> port) const {
  if (port) {
    const std::uint32_t key = key_of(family, protocol, *port);
    if (const auto found = ports_.find(key); found != ports_.end()) return found->second;
    const auto after = ranges_.upper_bound(key);
    if (after != ranges_.begin()) {
      const Range& range = std::prev(after)->second;
      if (key <= range.last_key) return Target{range.address, port};
    }
  }
  const auto& fallback = fallback_[family];
  const bool is_kept =
      port && protocol == static_cast<std::uint8_t>(Protocol::tcp) && kept_ports_.contains(*port);
  if (fallback && !is_kept) return Target{*fallback, port};
  return std::nullopt;
}

// The ruleset translates only what is sent to the pod's own address. What it translates leaves from
// an egress IP, so both its ends differ. What is not, although the ruleset names it, began before
// the entry was there, or before the first ruleset was.
bool StaleConntrack::contains(const Flow& flow) const {
  if (flow.source_translated != flow.destination_translated) return false;
  if (!pod_addresses_.contains(flow.destination)) return false;
  const auto desired = target_of(flow.destination.family(), flow.protocol, flow.port);
  if (flow.destination_translated) return desired != Target{flow.target, flow.target_port};
  return desired && !pod_addresses_.contains(flow.source);
}

}  // namespace egress::router
