// What a worker knows of each connection under way: when its time is up, and how to tell it so. The
// deadline is a field that the worker looks at a few times a second, so that setting it for each read
// costs no timer.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>

namespace egress::http {

class Connection
    : public boost::intrusive::list_base_hook<
          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // The time is up: whatever waits is to end with an error. Called once for each arm().
  virtual void on_deadline() = 0;
  // The program ends: an idle connection closes now, another after what it is at.
  virtual void on_drain() = 0;
  // It ends at once.
  virtual void on_abort() = 0;

  void arm(Clock::duration time) {
    deadline_ = Clock::now() + time;
    expired_ = false;
  }
  void disarm() { deadline_ = Clock::time_point::max(); }
  bool expired() const { return expired_; }

  // For the worker.
  void check(Clock::time_point now) {
    if (now < deadline_) return;
    disarm();
    expired_ = true;
    on_deadline();
  }

 private:
  Clock::time_point deadline_ = Clock::time_point::max();
  bool expired_ = false;
};

using Connections =
    boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

}  // namespace egress::http
