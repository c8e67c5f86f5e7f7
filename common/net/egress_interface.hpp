// The egress interface as a listener sees it: what arrives by it, or at one of its addresses, comes
// from the external network, and no listener of this project serves that network. Follows the
// interface while the program runs, so that an address that is added later is rejected as well.
// Needs no privilege: kernels from 6.18 on attach a filter to a TCP socket for CAP_NET_ADMIN only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
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

  // Whether a datagram came from the external network: by its destination address, and by the index
  // of the interface that it arrived by (IP_PKTINFO).
  bool is_external(const IpAddress& local, unsigned interface) const;

  // The same for a TCP connection that was just accepted: the kernel keeps the index of the
  // interface where watch() was called for its listener, before listen(2). Where it cannot be told:
  // true.
  bool is_external(int connection) const;
  static void watch(int listener);

 private:
  struct State {
    unsigned index = 0;                // 0: no such interface
    std::vector<IpAddress> addresses;  // sorted

    bool operator==(const State&) const = default;
  };

  void open();
  void wait();
  void read();

  const std::string name_;
  boost::asio::posix::stream_descriptor changes_;  // a netlink socket
  bool must_retry_ = false;
  mutable std::shared_mutex mutex_;
  State state_;  // guarded by mutex_
};

}  // namespace egress::net
