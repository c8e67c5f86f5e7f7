#include "redirect-proxy/dns/balance.hpp"

#include <algorithm>
#include <tuple>

namespace egress::dns {
namespace {

using Time = Health::Clock::time_point;

struct Ranked {
  bool is_unhealthy = false;
  std::size_t connections = 0;
  bool is_down = false;
  Time out_until = Time::min();
  std::size_t place = 0;  // among equals the turn decides
  Choice choice;

  auto rank() const { return std::tie(is_unhealthy, connections, is_down, out_until, place); }
};

}  // namespace

std::vector<Choice> Balancer::choose(const Request& request) {
  const std::size_t size = request.pool.size();
  if (size == 0) return {};
  turn_ = (turn_ + 1) % size;
  std::vector<Ranked> ranked;
  std::size_t healthy = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto member = request.pool.at((turn_ + i) % size);
    if (request.pool.host_of(member.address) != member.host) continue;  // a host before has it too
    Ranked each{.place = i, .choice = {{member.address, request.port}, member.host}};
    const auto trouble = request.health.find(each.choice.endpoint);
    if (trouble && !trouble->is_healthy(request.now)) {
      each.is_unhealthy = true;
      each.is_down = !trouble->is_up;
      each.out_until = trouble->out_until;
    } else if (balancing_ == Balancing::least_connections) {
      each.connections = request.connections(member.address);
    }
    healthy += each.is_unhealthy ? 0 : 1;
    ranked.push_back(std::move(each));
    if (balancing_ == Balancing::round_robin && healthy == request.count) break;
  }
  const auto end =
      ranked.begin() + static_cast<std::ptrdiff_t>(std::min(request.count, ranked.size()));
  std::partial_sort(ranked.begin(), end, ranked.end(), [](const Ranked& left, const Ranked& right) {
    return left.rank() < right.rank();
  });
  std::vector<Choice> chosen;
  for (auto each = ranked.begin(); each != end; ++each) chosen.push_back(each->choice);
  return chosen;
}

}  // namespace egress::dns
