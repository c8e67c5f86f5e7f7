#include "common/net/connection_slots.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace egress::net {

std::size_t raise_file_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = limit.rlim_max;
  }
  return limit.rlim_cur;
}

std::size_t connections_for(const FileBudget& budget) {
  const std::size_t kept_free = std::min(budget.reserved, budget.files / 2);
  return std::max<std::size_t>(1, (budget.files - kept_free) / budget.per_connection);
}

ConnectionLimit limit_connections(std::size_t configured, std::string_view variable,
                                  const FileBudget& budget) {
  const auto maximum = connections_for(budget);
  if (configured == 0) return {maximum, {}};
  if (configured <= maximum) return {configured, {}};
  return {maximum, std::string(variable) + "=" + std::to_string(configured) +
                       " exceeds what the limit of " + std::to_string(budget.files) +
                       " open files permits: at most " + std::to_string(maximum) +
                       " connections are accepted at once; raise the container's file limit"};
}

std::optional<std::string> ConnectionLimitNotice::poll(std::chrono::steady_clock::time_point now) {
  constexpr std::chrono::minutes kInterval(1);
  if (noted_ && now - *noted_ < kInterval) return std::nullopt;
  const auto slot_waits = slots_.waits_for_slot.load(std::memory_order_relaxed);
  const auto file_waits = slots_.waits_for_file.load(std::memory_order_relaxed);
  const bool lacks_slots = std::exchange(noted_slot_waits_, slot_waits) != slot_waits;
  const bool lacks_files = std::exchange(noted_file_waits_, file_waits) != file_waits;
  if (!lacks_slots && !lacks_files) return std::nullopt;
  noted_ = now;
  if (lacks_slots) {
    return "the maximum of " + std::to_string(slots_.limit()) +
           " connections is reached: new connections wait; raise " + std::string(variable_) +
           " or the number of replicas";
  }
  return "out of file descriptors or memory: new connections wait; raise the container's limits "
         "or the number of replicas";
}

void append_connections(MetricsText& out, std::string_view prefix, const ConnectionSlots& slots) {
  using Type = MetricsText::Type;
  const std::string name(prefix);
  out.family(name + "_connections", Type::gauge, "Clients, connected now.")
      .sample({}, std::uint64_t{slots.used()});
  out.family(name + "_connections_limit", Type::gauge, "Maximum number of clients at once.")
      .sample({}, std::uint64_t{slots.limit()});
  out.family(name + "_accept_waits_total", Type::counter,
             "Times that a thread left new connections waiting: at the maximum number of "
             "connections, or out of file descriptors or memory.")
      .sample({{"reason", "connections"}}, slots.waits_for_slot.load())
      .sample({{"reason", "files"}}, slots.waits_for_file.load());
  out.family(name + "_external_connections_total", Type::counter,
             "Connections from the external network, reset at once.")
      .sample({}, slots.external.load());
}

std::optional<ConnectionSlot> ConnectionSlots::take() {
  if (used_.fetch_add(1, std::memory_order_relaxed) < limit()) return ConnectionSlot(*this);
  used_.fetch_sub(1, std::memory_order_relaxed);
  return std::nullopt;
}

}  // namespace egress::net
