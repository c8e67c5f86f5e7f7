// A rtnetlink socket that sends one request at a time and reads its acknowledgement.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "router-init/rtnl_encode.hpp"

struct nl_sock;

namespace egress::router {

class RtnlSocket {
 public:
  // In the network namespace of the calling thread.
  static Result<RtnlSocket> open();
  // In the namespace at `netns_path`; the calling thread is back in its own when this returns. Needs CAP_SYS_ADMIN.
  static Result<RtnlSocket> open_in(const std::string& netns_path);

  // Sends and waits for the acknowledgement. `object` says in an error what was being done: "route default via 10.42.253.1".
  Result<void> send(NlMessage message, ExitCode stage, const std::string& object);

  nl_sock* native() const { return socket_.get(); }  // still owned by this object

 private:
  struct Close {
    void operator()(nl_sock* socket) const;
  };
  std::unique_ptr<nl_sock, Close> socket_;
};

}  // namespace egress::router
