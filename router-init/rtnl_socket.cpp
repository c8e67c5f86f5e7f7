#include "router-init/rtnl_socket.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "router-init/netns.hpp"

namespace egress::router {
namespace {

struct FreeBuffer {
  void operator()(unsigned char* buffer) const { std::free(buffer); }
};

// The bytes of one datagram, which may hold several messages.
struct Datagram {
  std::unique_ptr<unsigned char, FreeBuffer> bytes;
  int size = 0;
};

// 0, or errno.
int set_options(int descriptor) {
  const timeval deadline{RtnlSocket::kReceiveSeconds, 0};
  if (::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) != 0) {
    return errno;
  }
  // Kernels before 4.12 know neither of these; an error is then errno alone.
  const int on = 1;
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return 0;
}

// libnl keeps its own numbers for errors; what the system call left in errno names them better.
Error make_io_error(ExitCode stage, const std::string& object, std::string_view what) {
  Error error = make_errno_error(stage, object, errno);
  error.cause = std::string(what) + ": " + error.cause;
  return error;
}

Result<Datagram> receive(nl_sock* socket, ExitCode stage, const std::string& object) {
  sockaddr_nl sender{};
  unsigned char* bytes = nullptr;
  errno = 0;
  const int size = ::nl_recv(socket, &sender, &bytes, nullptr);
  Datagram datagram{std::unique_ptr<unsigned char, FreeBuffer>(bytes), size};
  if (size > 0) return datagram;
  return make_io_error(stage, object, "no answer of the kernel");
}

// What the kernel says beyond errno, such as "Nexthop has invalid gateway."; empty where it says
// nothing. linux/netlink.h: the attributes stand behind the request, or its header if that alone
// was sent back.
std::string extended_text(const nlmsghdr& header) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  const auto* error = static_cast<const nlmsgerr*>(::nlmsg_data(&header));
  const bool capped = (header.nlmsg_flags & NLM_F_CAPPED) != 0;
  const std::size_t before = sizeof *error + (capped ? 0 : error->msg.nlmsg_len - NLMSG_HDRLEN);
  const int header_bytes = static_cast<int>(before);
  const nlattr* text = ::nla_find(::nlmsg_attrdata(&header, header_bytes),
                                  ::nlmsg_attrlen(&header, header_bytes), NLMSGERR_ATTR_MSG);
  if (text == nullptr) return {};
  const auto* characters = static_cast<const char*>(::nla_data(text));
  return {characters, ::strnlen(characters, static_cast<std::size_t>(::nla_len(text)))};
}

// The errno with which a dump ended early, 0 where it is whole. NLMSG_DONE holds what the dump
// returned.
int dump_failure(const nlmsghdr& header) {
  int result = 0;
  if (::nlmsg_datalen(&header) >= static_cast<int>(sizeof result)) {
    std::memcpy(&result, ::nlmsg_data(&header), sizeof result);
  }
  return result < 0 ? -result : 0;
}

// The state that was asked for is there already.
bool holds_already(int request_type, int failure) {
  switch (request_type) {
    case RTM_NEWADDR:
    case RTM_NEWRULE: return failure == EEXIST;
    case RTM_DELLINK: return failure == ENODEV;
    case RTM_DELADDR: return failure == EADDRNOTAVAIL;
    case RTM_DELROUTE: return failure == ESRCH;
    case RTM_DELRULE: return failure == ENOENT;
    default: return false;
  }
}

// An NLMSG_ERROR message: of what it reports, the errno and the kernel's words.
Error make_kernel_error(const nlmsghdr& header, ExitCode stage, const std::string& object) {
  const auto* answer = static_cast<const nlmsgerr*>(::nlmsg_data(&header));
  Error error = make_errno_error(stage, object, -answer->error);
  if (const auto text = extended_text(header); !text.empty()) error.cause += ": " + text;
  return error;
}

// The messages of a datagram that answer the request `sequence`: an answer that comes after its
// deadline must not be taken for that of the next request.
template <class Take>
void for_each_answer(const Datagram& datagram, std::uint32_t sequence, Take take) {
  int left = datagram.size;
  auto* header = reinterpret_cast<nlmsghdr*>(datagram.bytes.get());
  for (; ::nlmsg_ok(header, left) != 0; header = ::nlmsg_next(header, &left)) {
    if (header->nlmsg_seq == sequence) take(*header);
  }
}

}  // namespace

void RtnlSocket::Close::operator()(nl_sock* socket) const { ::nl_socket_free(socket); }

Result<RtnlSocket> RtnlSocket::open() {
  const std::string object = "rtnetlink socket";
  std::unique_ptr<nl_sock, Close> socket(::nl_socket_alloc());
  if (!socket) return make_errno_error(ExitCode::facts, object, ENOMEM);
  errno = 0;
  if (::nl_connect(socket.get(), NETLINK_ROUTE) != 0) {
    return make_errno_error(ExitCode::facts, object, errno);
  }
  if (const int failure = set_options(::nl_socket_get_fd(socket.get())); failure != 0) {
    return make_errno_error(ExitCode::facts, object, failure);
  }
  return RtnlSocket(std::move(socket));
}

Result<RtnlSocket> RtnlSocket::open_in(const std::string& netns_path) {
  const auto visit = NetnsVisit::enter(netns_path);
  if (!visit) return visit.error();
  return open();
}

Result<void> RtnlSocket::send(NlMessage message, ExitCode stage, const std::string& object) {
  errno = 0;
  if (::nl_send_auto(socket_.get(), message.get()) < 0) {
    return make_io_error(stage, object, "cannot be sent");
  }
  const nlmsghdr* request = ::nlmsg_hdr(message.get());
  std::optional<Result<void>> outcome;
  while (!outcome) {
    const auto datagram = receive(socket_.get(), stage, object);
    if (!datagram) return datagram.error();
    for_each_answer(datagram.value(), request->nlmsg_seq, [&](const nlmsghdr& header) {
      if (header.nlmsg_type != NLMSG_ERROR || outcome) return;
      const int failure = -static_cast<const nlmsgerr*>(::nlmsg_data(&header))->error;
      if (failure == 0 || holds_already(request->nlmsg_type, failure)) {
        outcome.emplace();
      } else {
        outcome.emplace(make_kernel_error(header, stage, object));
      }
    });
  }
  return *outcome;
}

Result<DumpEnd> RtnlSocket::dump(NlMessage request, const std::string& object,
                                 const std::function<void(const nlmsghdr&)>& take) {
  errno = 0;
  if (::nl_send_auto(socket_.get(), request.get()) < 0) {
    return make_io_error(ExitCode::facts, object, "cannot be asked for");
  }
  DumpEnd end = DumpEnd::consistent;
  bool done = false;
  std::optional<Error> error;
  while (!done && !error) {
    const auto datagram = receive(socket_.get(), ExitCode::facts, object);
    if (!datagram) return datagram.error();
    for_each_answer(datagram.value(), ::nlmsg_hdr(request.get())->nlmsg_seq,
                    [&](const nlmsghdr& header) {
                      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) end = DumpEnd::interrupted;
                      if (header.nlmsg_type == NLMSG_DONE) {
                        done = true;
                        if (const int failure = dump_failure(header); failure != 0) {
                          error = make_errno_error(ExitCode::facts, object, failure);
                        }
                      } else if (header.nlmsg_type == NLMSG_ERROR) {
                        error = make_kernel_error(header, ExitCode::facts, object);
                      } else {
                        take(header);
                      }
                    });
  }
  if (error) return *error;
  return end;
}

}  // namespace egress::router
