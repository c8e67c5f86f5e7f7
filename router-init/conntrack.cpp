#include "router-init/conntrack.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace egress::router {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr timeval kDeadline{5, 0};          // for one answer of the kernel
constexpr int kMostDumps = 5;               // where the kernel says that one was not consistent
constexpr std::uint32_t kMostDeletes = 64;  // in one datagram; their answers fit any receive buffer

constexpr std::uint16_t message_type(int type) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
}

constexpr std::size_t aligned(std::size_t length) { return (length + 3) / 4 * 4; }

// The payloads of the attributes in a nest by their types; the last of each counts.
class Attributes {
 public:
  explicit Attributes(Bytes nest) {
    nlattr header{};
    while (nest.size() >= sizeof header) {
      std::memcpy(&header, nest.data(), sizeof header);
      const std::size_t length = header.nla_len;
      if (length < sizeof header || length > nest.size()) return;
      const std::size_t type = header.nla_type & kTypeMask;
      if (type < found_.size()) found_[type] = nest.subspan(sizeof header, length - sizeof header);
      nest = nest.subspan(std::min(nest.size(), aligned(length)));
    }
  }

  Bytes bytes(std::size_t type) const { return found_[type]; }  // empty where it is missing

  // As it stands there, in network order; none where it is missing or of another length.
  template <class Number>
  std::optional<Number> number(std::size_t type) const {
    Number value{};
    if (found_[type].size() != sizeof value) return std::nullopt;
    std::memcpy(&value, found_[type].data(), sizeof value);
    return value;
  }
  std::optional<IpAddress> address(std::size_t type) const {
    const Bytes found = found_[type];
    if (found.size() != 4 && found.size() != 16) return std::nullopt;
    return IpAddress::from_bytes(found);
  }

 private:
  static constexpr unsigned kTypeMask = 0x3fff;  // NLA_TYPE_MASK, without its sign
  static constexpr std::size_t kMost =
      std::max<std::size_t>({CTA_MAX, CTA_TUPLE_MAX, CTA_IP_MAX, CTA_PROTO_MAX});
  std::array<Bytes, kMost + 1> found_{};
};

// One direction of a flow.
struct Tuple {
  std::uint8_t protocol = 0;
  IpAddress source;
  IpAddress destination;
  std::optional<std::uint16_t> source_port;
  std::optional<std::uint16_t> destination_port;
};

std::optional<std::uint16_t> port(const Attributes& attributes, std::size_t type) {
  const auto port_be = attributes.number<std::uint16_t>(type);
  return port_be ? std::optional<std::uint16_t>(ntohs(*port_be)) : std::nullopt;
}

std::optional<Tuple> decode_tuple(Bytes nest) {
  const Attributes tuple(nest);
  const Attributes addresses(tuple.bytes(CTA_TUPLE_IP));
  const Attributes protocol(tuple.bytes(CTA_TUPLE_PROTO));
  const auto v4 = addresses.address(CTA_IP_V4_SRC);
  const auto source = v4 ? v4 : addresses.address(CTA_IP_V6_SRC);
  const auto destination = addresses.address(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  const auto number = protocol.number<std::uint8_t>(CTA_PROTO_NUM);
  if (!source || !destination || !number || source->family() != destination->family())
    return std::nullopt;
  return Tuple{*number, *source, *destination, port(protocol, CTA_PROTO_SRC_PORT),
               port(protocol, CTA_PROTO_DST_PORT)};
}

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

Error errno_error(int errno_value) {
  Error error = make_errno_error(ExitCode::ruleset, "flows of the table of before", errno_value);
  // What nfnetlink says of a subsystem that it does not have.
  if (errno_value == EINVAL) error.hint = "does the node have the module nf_conntrack_netlink?";
  return error;
}

Result<Socket> open_socket() {
  Socket socket(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return errno_error(errno);
  if (::setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &kDeadline,
                   sizeof kDeadline) < 0) {
    return errno_error(errno);
  }
  int on = 1;  // errors without the message that they are about
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);
  return socket;
}

// Hands each message of the next datagram to `take`.
template <class Take>
Result<void> receive(const mnl_socket* socket, Take take) {
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  ssize_t received = 0;
  do {
    received = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
  } while (received < 0 && errno == EINTR);
  if (received < 0) return errno_error(errno == EAGAIN ? ETIMEDOUT : errno);
  int rest = static_cast<int>(received);
  for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
       mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    if (const auto taken = take(*message); !taken) return taken.error();
  }
  return {};
}

// The errno of an acknowledgement, or of the end of a dump; 0 for success.
int errno_of(const nlmsghdr& message) {
  int error = 0;
  if (mnl_nlmsg_get_payload_len(&message) < sizeof error) return 0;
  std::memcpy(&error, mnl_nlmsg_get_payload(&message), sizeof error);
  return -error;
}

// Gathers flows and has the kernel forget them.
class Deleter {
 public:
  explicit Deleter(Socket socket) : socket_(std::move(socket)) {}

  Result<void> add(const TrackedFlow& tracked) {
    append_delete(batch_, tracked, ++pending_);
    return pending_ < kMostDeletes ? Result<void>() : send();
  }

  Result<void> send() {
    if (pending_ == 0) return {};
    if (mnl_socket_sendto(socket_.get(), batch_.data(), batch_.size()) < 0)
      return errno_error(errno);
    while (pending_ > 0) {
      const auto received =
          receive(socket_.get(), [&](const nlmsghdr& answer) { return take(answer); });
      if (!received) return received.error();
    }
    batch_.clear();
    return {};
  }

  std::size_t deleted() const { return deleted_; }

 private:
  Result<void> take(const nlmsghdr& answer) {
    if (answer.nlmsg_type != NLMSG_ERROR || pending_ == 0) return {};
    --pending_;
    const int code = errno_of(answer);
    if (code != 0 && code != ENOENT) return errno_error(code);
    if (code == 0) ++deleted_;
    return {};
  }

  Socket socket_;
  std::vector<char> batch_;
  std::uint32_t pending_ = 0;
  std::size_t deleted_ = 0;
};

Result<void> request_dump(const mnl_socket* socket) {
  alignas(nlmsghdr) std::array<char, 64> buffer{};
  nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
  request->nlmsg_type = message_type(IPCTNL_MSG_CT_GET);
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) return errno_error(errno);
  return {};
}

enum class Dump { whole, interrupted };

// Deletes while it reads, so that it holds one datagram however many flows there are. The kernel
// goes on with the dump where it was.
Result<Dump> read_through(const mnl_socket* socket, const FlowJudge& judge, Deleter& deleter) {
  if (const auto requested = request_dump(socket); !requested) return requested.error();
  Dump dump = Dump::whole;
  bool done = false;
  const auto take = [&](const nlmsghdr& message) -> Result<void> {
    if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) dump = Dump::interrupted;
    if (message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR) {
      done = true;
      const int code = errno_of(message);
      return code == 0 ? Result<void>() : errno_error(code);
    }
    const auto tracked = decode_flow(message);
    return tracked && judge.has_moved(tracked->flow) ? deleter.add(*tracked) : Result<void>();
  };
  while (!done) {
    if (const auto received = receive(socket, take); !received) return received.error();
  }
  if (const auto sent = deleter.send(); !sent) return sent.error();
  return dump;
}

}  // namespace

std::optional<TrackedFlow> decode_flow(const nlmsghdr& message) {
  const bool whole = message.nlmsg_len >= sizeof(nlmsghdr) + sizeof(nfgenmsg);
  if (message.nlmsg_type != message_type(IPCTNL_MSG_CT_NEW) || !whole) return std::nullopt;
  const auto* payload = static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&message));
  const Attributes attributes(
      Bytes(payload, mnl_nlmsg_get_payload_len(&message)).subspan(sizeof(nfgenmsg)));

  TrackedFlow tracked;
  tracked.tuple = attributes.bytes(CTA_TUPLE_ORIG);
  const auto original = decode_tuple(tracked.tuple);
  const auto reply = decode_tuple(attributes.bytes(CTA_TUPLE_REPLY));
  const auto status_be = attributes.number<std::uint32_t>(CTA_STATUS);
  if (!original || !reply || !status_be) return std::nullopt;
  const std::uint32_t status = ntohl(*status_be);
  tracked.flow = {original->protocol,
                  original->source,
                  original->destination,
                  original->destination_port,
                  reply->source,
                  reply->source_port,
                  (status & IPS_SRC_NAT) != 0,
                  (status & IPS_DST_NAT) != 0};
  tracked.id_be = attributes.number<std::uint32_t>(CTA_ID);
  tracked.zone_be = attributes.number<std::uint16_t>(CTA_ZONE);
  return tracked;
}

void append_delete(std::vector<char>& batch, const TrackedFlow& tracked, std::uint32_t sequence) {
  constexpr std::size_t kAllButTuple = 64;
  const std::size_t start = batch.size();  // a multiple of 4, as every message's length
  batch.resize(start + kAllButTuple + aligned(tracked.tuple.size()));
  nlmsghdr* request = mnl_nlmsg_put_header(batch.data() + start);
  request->nlmsg_type = message_type(IPCTNL_MSG_CT_DELETE);
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request->nlmsg_seq = sequence;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
  header->nfgen_family = tracked.flow.destination.is_v4() ? AF_INET : AF_INET6;
  header->version = NFNETLINK_V0;
  mnl_attr_put(request, NLA_F_NESTED | CTA_TUPLE_ORIG, tracked.tuple.size(), tracked.tuple.data());
  if (tracked.zone_be) mnl_attr_put(request, CTA_ZONE, sizeof(std::uint16_t), &*tracked.zone_be);
  if (tracked.id_be) mnl_attr_put(request, CTA_ID, sizeof(std::uint32_t), &*tracked.id_be);
  batch.resize(start + request->nlmsg_len);
}

Result<std::size_t> end_moved_flows(const FlowJudge& judge) {
  auto reading = open_socket();
  if (!reading) return reading.error();
  auto deleting = open_socket();
  if (!deleting) return deleting.error();
  Deleter deleter(std::move(*deleting));
  for (int attempt = 0; attempt < kMostDumps; ++attempt) {
    const auto dump = read_through(reading->get(), judge, deleter);
    if (!dump) return dump.error();
    if (*dump == Dump::whole) return deleter.deleted();
  }
  return errno_error(EINTR);
}

}  // namespace egress::router
