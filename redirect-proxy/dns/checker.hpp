// Tests TCP endpoints by connecting to them now and then: all of the table in turn, and new ones
// first, within a limit of tests per second. Sends nothing, and remembers nothing of an endpoint
// but while its test is under way. Belongs to the main thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "redirect-proxy/dns/snapshot.hpp"

namespace egress::dns {

class Checker {
 public:
  struct Options {
    std::chrono::milliseconds interval;  // of two tests of an endpoint, at least; 0 disables it
    std::chrono::milliseconds timeout = std::chrono::seconds(2);
    std::size_t max_at_once = 64;
    std::size_t max_per_second = 200;
    std::size_t max_new = 1024;  // of a change; the others wait for their turn
  };
  // Called after every test that says something of the endpoint.
  using OnResult = std::function<void(const Endpoint&, bool up)>;

  // `io` must outlive it.
  Checker(boost::asio::io_context& io, Options options, OnResult on_result);
  ~Checker();

  // Tests the endpoints of these TCP entries from now on. Tests of addresses that left are dropped.
  void set(std::shared_ptr<const Snapshot> snapshot);

 private:
  class Test;
  using Clock = std::chrono::steady_clock;

  // One host and one port of it.
  struct Place {
    std::size_t host = 0;  // in Table::hosts
    std::uint16_t port = 0;

    auto operator<=>(const Place&) const = default;
  };

  void set_table();
  void add_new(const Snapshot* before);
  void drop_gone();
  bool is_current(const Place& place, const IpAddress& address) const;
  void turn();
  // Starts the next test that is due; false where none is.
  bool start_next(Clock::time_point now);
  bool start(const Place& place, const IpAddress& address);  // false: one is under way
  void finish(const Endpoint& endpoint, boost::system::error_code error);

  boost::asio::io_context& io_;
  Options options_;
  OnResult on_result_;
  boost::asio::steady_timer timer_;
  bool is_waiting_ = false;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<Place> places_;  // each once
  struct NewEndpoint {
    Place place;
    IpAddress address;
  };
  std::deque<NewEndpoint> new_;
  Clock::time_point round_began_;  // the round goes through all places and their addresses
  std::size_t next_place_ = 0;     // places_.size(): the round is over
  std::size_t next_address_ = 0;
  struct Running {
    Place place;
    std::shared_ptr<Test> test;
  };
  std::map<Endpoint, Running> running_;
};

}  // namespace egress::dns
