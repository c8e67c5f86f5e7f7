// Which of an entry's addresses takes the next connection: round robin or least connections over
// those that are healthy. Where none is, all are tried: trying is better than refusing. Time is a
// parameter; connects nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "redirect-proxy/dns/health.hpp"
#include "redirect-proxy/dns/snapshot.hpp"

namespace egress::dns {

enum class Balancing : std::uint8_t { round_robin, least_connections };

struct Choice {
  Endpoint endpoint;
  std::size_t host = 0;  // place in Target::hosts

  bool operator==(const Choice&) const = default;
};

class Balancer {
 public:
  // `first_turn` sets several balancers of one entry apart.
  explicit Balancer(Balancing balancing = Balancing::round_robin, std::size_t first_turn = 0)
      : balancing_(balancing), turn_(first_turn) {}

  struct Request {
    const Pool& pool;
    std::uint16_t port;  // of all its addresses
    const Health& health;
    std::function<std::size_t(const IpAddress&)> connections;  // now, those being made included
    Health::Clock::time_point now;
    std::size_t count;
  };
  // Up to `count` endpoints to be tried for one connection, the best first, each once. Healthy ones
  // in their turn, then the others by how soon their back-off is over. Round robin looks at no more
  // addresses than it needs.
  std::vector<Choice> choose(const Request& request);

 private:
  Balancing balancing_;
  std::size_t turn_;
};

}  // namespace egress::dns
