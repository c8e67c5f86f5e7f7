// Tests TCP addresses by connecting to them now and then, a few at a time. Sends nothing, judges
// nothing: tells what came of it. Belongs to the main thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "common/endpoint.hpp"

namespace egress::dns {

class Checker {
 public:
  struct Options {
    std::chrono::milliseconds interval;  // 0: nothing is tested
    std::chrono::milliseconds timeout = std::chrono::seconds(2);
    std::size_t at_once = 64;
  };
  // Told after every test, and only then.
  using OnResult = std::function<void(const Endpoint&, bool up)>;

  // `io` must outlive it.
  Checker(boost::asio::io_context& io, Options options, OnResult on_result);
  ~Checker();

  // Tests these from now on, new ones at once.
  void set(const std::set<Endpoint>& endpoints);
  // By the last test; true where there was none.
  bool is_up(const Endpoint& endpoint) const;

 private:
  class Test;

  void turn();
  void finish(const Endpoint& endpoint, bool up);

  boost::asio::io_context& io_;
  Options options_;
  OnResult on_result_;
  boost::asio::steady_timer timer_;
  struct State {
    std::chrono::steady_clock::time_point due;
    bool up = true;
    std::shared_ptr<Test> test;  // under way
  };
  std::map<Endpoint, State> states_;
};

}  // namespace egress::dns
