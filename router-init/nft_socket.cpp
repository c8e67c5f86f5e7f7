#include "router-init/nft_socket.hpp"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <string_view>

#include "router-init/nft_encode.hpp"

namespace egress::router {
namespace {

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

struct FreeTable {
  void operator()(nftnl_table* table) const { nftnl_table_free(table); }
};
using NftTable = std::unique_ptr<nftnl_table, FreeTable>;

const std::string& our_table() {
  static const std::string kName = "table inet " + std::string(kTableName);
  return kName;
}

Error errno_error(const std::string& object, int errno_value) {
  return make_errno_error(ExitCode::ruleset, object, errno_value);
}

// nf_tables does all its work, answers included, before a send returns, so no read ever has to
// wait.
Result<Socket> open_socket() {
  Socket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return errno_error("netlink socket for nf_tables", errno);
  }
  // Errors without the message that they are about, which may be of 32 KiB.
  int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);
  // If there are more errors than the buffer holds, the first are those to report.
  mnl_socket_setsockopt(socket.get(), NETLINK_NO_ENOBUFS, &on, sizeof on);
  return socket;
}

// A transaction is one datagram. Without CAP_NET_ADMIN net.core.wmem_max limits it; if that is too
// little, sending says so.
void fit_send_buffer(const mnl_socket* socket, std::size_t bytes) {
  const int fd = mnl_socket_get_fd(socket);
  const int wanted = static_cast<int>(bytes);  // the kernel doubles it, for its own bookkeeping
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  }
}

// Hands each message that has come in to `take`; stops when there is no more.
template <class Take>
Result<void> read_all(const mnl_socket* socket, Take take) {
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const auto received = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    if (received < 0) return errno_error("answer of nf_tables", errno);
    int rest = static_cast<int>(received);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      take(*message);
    }
  }
}

// The errno in an acknowledgement, 0 for success; none in any other message.
std::optional<int> acknowledged(const nlmsghdr& message) {
  if (message.nlmsg_type != NLMSG_ERROR) return std::nullopt;
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message))->error;
}

Result<void> send(const NftBatch& batch) {
  const auto opened = open_socket();
  if (!opened) return opened.error();
  const mnl_socket* socket = opened->get();
  const auto bytes = batch.bytes();
  fit_send_buffer(socket, bytes.size());
  if (mnl_socket_sendto(socket, bytes.data(), bytes.size()) < 0) {
    return errno_error(our_table(), errno);
  }

  std::optional<Error> first;
  bool done = false;
  const auto read = read_all(socket, [&](const nlmsghdr& message) {
    const auto code = acknowledged(message);
    if (!code) return;
    if (*code != 0 && !first) {
      first = errno_error(our_table() + ": " + batch.object_of(message.nlmsg_seq), *code);
    }
    if (*code == 0 && message.nlmsg_seq == batch.last_sequence()) done = true;
  });
  if (first) return *first;
  if (!read) return read.error();
  if (!done) return Error{ExitCode::ruleset, our_table(), "the kernel did not acknowledge it", {}};
  return {};
}

std::string comment_of(const nftnl_table* table) {
  std::uint32_t length = 0;
  const void* data = nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &length);
  std::string comment;
  if (data == nullptr) return comment;
  nftnl_udata_parse(
      data, length,
      [](const nftnl_udata* attribute, void* result) {
        if (nftnl_udata_type(attribute) != NFTNL_UDATA_TABLE_COMMENT) return 0;
        const std::string_view text(static_cast<const char*>(nftnl_udata_get(attribute)),
                                    nftnl_udata_len(attribute));
        *static_cast<std::string*>(result) = text.substr(0, text.find('\0'));
        return 0;
      },
      &comment);
  return comment;
}

std::string fingerprint_of(const nlmsghdr& message) {
  const NftTable table(nftnl_table_alloc());
  if (!table) throw std::bad_alloc();
  if (nftnl_table_nlmsg_parse(&message, table.get()) < 0) return {};
  const std::string comment = comment_of(table.get());
  const std::string_view prefix = kCommentPrefix;
  return comment.starts_with(prefix) ? comment.substr(prefix.size()) : std::string();
}

}  // namespace

Result<void> load_ruleset(const Ruleset& ruleset) { return send(encode_ruleset(ruleset)); }

Result<void> delete_ruleset() { return send(encode_delete_table()); }

Result<std::optional<std::string>> read_fingerprint() {
  const auto opened = open_socket();
  if (!opened) return opened.error();
  const NftTable wanted(nftnl_table_alloc());
  if (!wanted) throw std::bad_alloc();
  nftnl_table_set_str(wanted.get(), NFTNL_TABLE_NAME, kTableName);
  alignas(nlmsghdr) std::array<char, 256> buffer{};
  constexpr auto kType = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE);
  nlmsghdr* request = nftnl_nlmsg_build_hdr(buffer.data(), kType, NFPROTO_INET, NLM_F_ACK, 1);
  nftnl_table_nlmsg_build_payload(request, wanted.get());
  if (mnl_socket_sendto(opened->get(), request, request->nlmsg_len) < 0) {
    return errno_error(our_table(), errno);
  }

  std::optional<std::string> found;
  std::optional<int> code;
  const auto read = read_all(opened->get(), [&](const nlmsghdr& message) {
    if (const auto acknowledgement = acknowledged(message)) {
      code = acknowledgement;
    } else {
      found = fingerprint_of(message);
    }
  });
  if (!read) return read.error();
  if (found || code == ENOENT) return found;
  return errno_error(our_table(), code.value_or(EPROTO));
}

}  // namespace egress::router
