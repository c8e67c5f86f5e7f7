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

std::optional<ConnectionSlot> ConnectionSlots::take() {
  if (used_.fetch_add(1, std::memory_order_relaxed) < limit()) return ConnectionSlot(*this);
  used_.fetch_sub(1, std::memory_order_relaxed);
  return std::nullopt;
}

}  // namespace egress::net
