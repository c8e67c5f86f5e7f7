// What a worker knows of each session under way: when its time is up, and how to tell it so.
#pragma once

#include <boost/intrusive/list.hpp>
#include <chrono>

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
  // It ends at once: whatever waits is to end with an error.
  virtual void on_abort() = 0;

  // After that time the connection is aborted and expired() says so.
  void arm(std::chrono::milliseconds time) {
    expired_ = false;
    Deadline::arm(wheel_, time);
  }
  bool expired() const { return expired_; }

 private:
  void on_deadline() final {
    expired_ = true;
    on_abort();
  }

  net::Deadlines& wheel_;
  bool expired_ = false;
};

using Connections =
    boost::intrusive::list<Connection,
                           boost::intrusive::base_hook<boost::intrusive::list_base_hook<
                               boost::intrusive::tag<ConnectionsTag>,
                               boost::intrusive::link_mode<boost::intrusive::auto_unlink>>>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace egress::http
