// What a worker knows of each session under way: when its time is up, and how to end it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>
#include <utility>

#include "common/net/deadlines.hpp"

namespace egress::http {

struct ConnectionsTag;

class Connection : public net::Deadline,
                   public boost::intrusive::list_base_hook<
                       boost::intrusive::tag<ConnectionsTag>,
                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // `wheel` must outlive the connection.
  explicit Connection(net::Deadlines& wheel) : wheel_(wheel) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // The program ends: an idle connection closes now, another after what it is at.
  virtual void on_drain() = 0;
  // It ends at once, and for good. Called within the loop: a cancellation that is emitted elsewhere
  // may come when its operation is gone.
  void abort() {
    if (!std::exchange(aborted_, true)) interrupt();
  }

 protected:
  // Ends whatever waits. That may have ended just before, with success: whoever waited looks at
  // is_interrupted() in any case.
  virtual void interrupt() = 0;

  // After that time the connection is interrupted, and expired() says so until this is called
  // again.
  void arm(std::chrono::milliseconds time) {
    expired_ = false;
    Deadline::arm(wheel_, time);
  }
  bool expired() const { return expired_; }
  bool is_aborted() const { return aborted_; }
  bool is_interrupted() const { return expired_ || aborted_; }

 private:
  void on_deadline() final {
    expired_ = true;
    interrupt();
  }

  net::Deadlines& wheel_;
  bool expired_ = false;
  bool aborted_ = false;
};

using Connections =
    boost::intrusive::list<Connection,
                           boost::intrusive::base_hook<boost::intrusive::list_base_hook<
                               boost::intrusive::tag<ConnectionsTag>,
                               boost::intrusive::link_mode<boost::intrusive::auto_unlink>>>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace egress::http
