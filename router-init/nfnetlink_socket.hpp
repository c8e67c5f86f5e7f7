// A socket of the nfnetlink family: nf_tables and conntrack (linux/netfilter/nfnetlink.h). Sends
// requests and reads what the kernel answers; knows no message's meaning.
#pragma once

#include <functional>
#include <string>

#include "common/result.hpp"
#include "router-init/netlink_message.hpp"

namespace egress::router {

// What an error names: the subsystem's part of the kernel, and what it lacks where it knows nothing
// of the subsystem.
struct Subsystem {
  std::string object;       // "table inet egress_router"
  std::string module_hint;  // where the kernel has no such subsystem

  // With the errno of a request; `part` is appended to the object.
  Error error(int errno_value, const std::string& part = {}) const;
};

class NfnetlinkSocket {
 public:
  using Take = std::function<void(const nlmsghdr&)>;

  // In the network namespace of the calling thread.
  static Result<NfnetlinkSocket> open(Subsystem subsystem);

  NfnetlinkSocket(NfnetlinkSocket&& other) noexcept;
  NfnetlinkSocket(const NfnetlinkSocket&) = delete;
  NfnetlinkSocket& operator=(const NfnetlinkSocket&) = delete;
  NfnetlinkSocket& operator=(NfnetlinkSocket&&) = delete;
  ~NfnetlinkSocket();

  // Sends the requests as one datagram and hands every answer to `take`. nfnetlink has done its
  // work when a send returns, a dump goes on as it is read: nothing ever has to be waited for.
  Result<void> exchange(Bytes requests, const Take& take);

  // Requests a dump and hands each of its messages to `take`. False where it was interrupted by a
  // change (NLM_F_DUMP_INTR) and has to be read again. The kernel's errors are errors.
  Result<bool> dump(Bytes request, const Take& take);

  const Subsystem& subsystem() const { return subsystem_; }

 private:
  NfnetlinkSocket(int descriptor, Subsystem subsystem)
      : descriptor_(descriptor), subsystem_(std::move(subsystem)) {}

  int descriptor_;
  Subsystem subsystem_;
};

}  // namespace egress::router
