// A rtnetlink socket (rtnetlink(7)): sends one request at a time and reads its acknowledgement, or
// reads all answers of a dump. Knows no message's meaning; rtnl_encode builds and rtnl_decode
// reads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "router-init/rtnl_encode.hpp"

struct nl_sock;
struct nlmsghdr;

namespace egress::router {

// Whether all that a dump brought belongs to one state; else it has to be read again
// (NLM_F_DUMP_INTR).
enum class DumpEnd { consistent, interrupted };

class RtnlSocket {
 public:
  // The kernel answers at once; the deadline of each receive only keeps a bug from hanging a pod.
  static constexpr int kReceiveSeconds = 5;

  // In the network namespace of the calling thread.
  static Result<RtnlSocket> open();
  // In the namespace at `netns_path`; the calling thread is back in its own when this returns.
  // Needs CAP_SYS_ADMIN.
  static Result<RtnlSocket> open_in(const std::string& netns_path);

  // Sends and waits for the acknowledgement. `object` says in an error what was being done: "ip
  // route replace default via 10.42.253.1". The cause holds errno and the kernel's own words
  // (NETLINK_EXT_ACK). To add an address or a rule that is there already is no error, nor to
  // delete what is gone: the desired state holds.
  Result<void> send(NlMessage message, ExitCode stage, const std::string& object);

  // Sends a dump request and hands each answer to `take`, to which it belongs until `take` returns.
  Result<DumpEnd> dump(NlMessage request, const std::string& object,
                       const std::function<void(const nlmsghdr&)>& take);

 private:
  struct Close {
    void operator()(nl_sock* socket) const;
  };
  explicit RtnlSocket(std::unique_ptr<nl_sock, Close> socket) : socket_(std::move(socket)) {}

  std::unique_ptr<nl_sock, Close> socket_;
};

}  // namespace egress::router
