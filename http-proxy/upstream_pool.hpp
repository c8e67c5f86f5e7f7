// Idle connections to origins, kept for the next request to the same authority. Hands out only what
// is open and has nothing waiting to be read, so that bytes nobody asked for reach nobody. One for
// each thread; connects nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/endpoint.hpp"
#include "http-proxy/session_io.hpp"

namespace egress::http {

struct Upstream {
  Socket socket;
  Endpoint endpoint;
  std::string authority{};  // that it was made for, as Host spells it
  bool is_bound = false;    // it authenticates a client, and serves no other
};

class UpstreamPool {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::size_t most_per_authority = 32;
    std::size_t most = 1024;  // of all authorities: the oldest goes first
    Clock::duration keep{std::chrono::seconds(60)};
  };
  explicit UpstreamPool(Options options) : options_(options) {}

  // The connection used last that was made for this authority, to one of the addresses.
  std::optional<Upstream> take(const std::string& authority, std::span<const IpAddress> addresses);
  // Keeps a connection whose last response was read to its end; closes it where there is no room.
  void give_back(Upstream upstream, Clock::time_point now);
  // Closes what is over its time, or was closed by the origin. To be called every second or so.
  void sweep(Clock::time_point now);
  void clear();

  std::size_t size() const { return idle_.size(); }

 private:
  struct Idle {
    Upstream upstream;
    Clock::time_point since;
  };
  using Position = std::list<Idle>::iterator;

  void forget(Position position) { remove(position); }
  Upstream remove(Position position);

  Options options_;
  std::list<Idle> idle_;  // the oldest first
  std::unordered_map<std::string, std::vector<Position>> by_authority_;
};

}  // namespace egress::http
