// Which of an entry's addresses takes the next connection: round robin or least connections over
// those that are healthy. What fails is left out for a while that doubles; where all are left out,
// all are tried, as trying is better than refusing. Pure: time is a parameter; connects nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/endpoint.hpp"

namespace egress::dns {

enum class Balancing : std::uint8_t { round_robin, least_connections };

class Balancer {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kFirstBackOff{1};
  static constexpr std::chrono::seconds kMostBackOff{30};

  // `first_turn` sets several balancers of one entry apart.
  explicit Balancer(Balancing balancing = Balancing::round_robin, std::size_t first_turn = 0)
      : balancing_(balancing), turn_(first_turn) {}

  // The addresses from now on. What is known of those that stay is kept; connections to those that
  // left go on and are counted no more.
  void set(const std::vector<Endpoint>& endpoints);

  // Up to `count` addresses to be tried for one connection, the best first, each once. Healthy
  // ones in their turn, then the others by how soon their time is over.
  std::vector<Endpoint> choose(Clock::time_point now, std::size_t count);

  // An attempt counts as a connection while it lasts, so that many at once do not all choose the
  // same; then it is closed(), and what became of it said.
  void trying(const Endpoint& endpoint);
  void connected(const Endpoint& endpoint);
  void closed(const Endpoint& endpoint);  // after trying() or connected()
  void failed(const Endpoint& endpoint, Clock::time_point now);
  // Of an active check.
  void checked(const Endpoint& endpoint, bool up);

  // Whether choose() prefers it.
  bool is_healthy(const Endpoint& endpoint, Clock::time_point now) const;
  std::size_t size() const { return members_.size(); }

 private:
  struct Member {
    Endpoint endpoint;
    std::size_t connections = 0;
    unsigned failures = 0;  // in a row
    Clock::time_point out_until = Clock::time_point::min();
    bool up = true;  // by the last check
  };
  bool is_healthy(const Member& member, Clock::time_point now) const {
    return member.up && member.out_until <= now;
  }
  Member* find(const Endpoint& endpoint);

  Balancing balancing_;
  std::vector<Member> members_;
  std::size_t turn_;
};

}  // namespace egress::dns
