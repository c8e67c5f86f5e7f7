#include "router-init/nfnetlink_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace egress::router {
namespace {

// A transaction is one datagram. Without CAP_NET_ADMIN net.core.wmem_max limits it; if that is too
// little, sending says so.
void fit_send_buffer(int descriptor, std::size_t bytes) {
  const int wanted = static_cast<int>(bytes);  // the kernel doubles it, for its own bookkeeping
  if (::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
}

}  // namespace

// nfnetlink answers EINVAL to a request of a subsystem that it does not have, EOPNOTSUPP to a
// transaction of it. Without nfnetlink there is no such socket.
Error Subsystem::error(int errno_value, const std::string& part) const {
  Error error = make_errno_error(ExitCode::ruleset, part.empty() ? object : object + ": " + part,
                                 errno_value);
  const bool is_missing =
      errno_value == EINVAL || errno_value == EOPNOTSUPP || errno_value == EPROTONOSUPPORT;
  if (is_missing && part.empty()) error.hint = module_hint;
  return error;
}

Result<NfnetlinkSocket> NfnetlinkSocket::open(Subsystem subsystem) {
  const int descriptor =
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  if (descriptor < 0) return subsystem.error(errno);
  NfnetlinkSocket socket(descriptor, std::move(subsystem));
  // Errors without the message that they are about, which may be of 64 KiB; and if there are more
  // of them than the buffer holds, the first are those to report.
  const int on = 1;
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  return socket;
}

NfnetlinkSocket::NfnetlinkSocket(NfnetlinkSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), subsystem_(std::move(other.subsystem_)) {}

NfnetlinkSocket::~NfnetlinkSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> NfnetlinkSocket::exchange(Bytes requests, const Take& take) {
  fit_send_buffer(descriptor_, requests.size());
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(descriptor_, requests.data(), requests.size(), 0,
               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return subsystem_.error(errno);
  }
  alignas(nlmsghdr) std::array<std::uint8_t, 65536> buffer;
  for (;;) {
    const auto received = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == EAGAIN) return {};
    if (received < 0) return subsystem_.error(errno, "answer of the kernel");
    for_each_message(Bytes(buffer).first(static_cast<std::size_t>(received)), take);
  }
}

Result<bool> NfnetlinkSocket::dump(Bytes request, const Take& take) {
  bool consistent = true;
  std::optional<int> end;
  const auto exchanged = exchange(request, [&](const nlmsghdr& message) {
    if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) consistent = false;
    if (const auto code = errno_of(message)) {
      if (!end) end = code;
    } else {
      take(message);
    }
  });
  if (!exchanged) return exchanged.error();
  if (end == EINTR) return false;
  if (end.value_or(EPROTO) != 0) return subsystem_.error(end.value_or(EPROTO));
  return consistent;
}

}  // namespace egress::router
