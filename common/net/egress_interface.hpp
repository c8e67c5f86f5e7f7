// The egress interface as a listener sees it: what arrives by it, or at one of its addresses, comes
// from the external network, and no listener of this project serves that network. Follows the
// interface while the program runs, so that an address that is added later is rejected as well.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "common/ip.hpp"

namespace egress::net {

class EgressInterface {
 public:
  // Reads the interface at once, and again at each change that the kernel reports, on the loop of
  // `io`, which must outlive this object. An empty name, or one that no interface has, rejects
  // nothing.
  EgressInterface(boost::asio::io_context& io, std::string name);
  EgressInterface(const EgressInterface&) = delete;
  EgressInterface& operator=(const EgressInterface&) = delete;

  // Reads the interface again where an earlier attempt failed; else does nothing. For the thread of
  // the loop, now and then.
  void retry();

  // The rest is for any thread.

  // Whether a client that came to this local address came from the external network.
  bool holds(const IpAddress& local) const;

  // Has the kernel drop, without an answer, what arrives from the external network for a listening
  // or an unconnected socket, by a filter that follows the interface until release(), which comes
  // before close(2). Where the kernel has no socket filters, nothing is dropped.
  void guard(int socket);
  void release(int socket);
  // Connections inherit the filter, and need it no more.
  static void detach(int connection);

 private:
  struct State {
    unsigned index = 0;                // 0: there is no such interface
    std::vector<IpAddress> addresses;  // sorted

    bool operator==(const State&) const = default;
  };

  void open();
  void wait();
  void read();
  void attach(int socket) const;  // mutex_ is locked

  const std::string name_;
  boost::asio::posix::stream_descriptor changes_;  // a netlink socket
  bool must_retry_ = false;
  mutable std::shared_mutex mutex_;
  State state_;            // guarded by mutex_
  std::set<int> sockets_;  // guarded by mutex_
};

}  // namespace egress::net
