#include "router-init/conntrack.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>

#include "router-init/nfnetlink_socket.hpp"

namespace egress::router {
namespace {

constexpr int kMaxDumps = 5;               // where the kernel says that one was not consistent
constexpr std::uint32_t kMaxDeletes = 64;  // in one datagram; their answers fit any receive buffer

static_assert(CTA_MAX < Attributes::kTypes);

// One direction of a flow.
struct Tuple {
  std::uint8_t protocol = 0;
  IpAddress source;
  IpAddress destination;
  std::optional<std::uint16_t> source_port;
  std::optional<std::uint16_t> destination_port;
};

std::optional<IpAddress> address_of(Bytes found) {
  if (found.size() != 4 && found.size() != 16) return std::nullopt;
  return IpAddress::from_bytes(found);
}

std::optional<std::uint16_t> port_of(const Attributes& attributes, std::size_t type) {
  const auto port_be = attributes.number<std::uint16_t>(type);
  return port_be ? std::optional<std::uint16_t>(ntohs(*port_be)) : std::nullopt;
}

std::optional<Tuple> decode_tuple(Bytes nest) {
  const Attributes tuple(nest);
  const Attributes addresses(tuple[CTA_TUPLE_IP]);
  const Attributes protocol(tuple[CTA_TUPLE_PROTO]);
  const auto v4 = address_of(addresses[CTA_IP_V4_SRC]);
  const auto source = v4 ? v4 : address_of(addresses[CTA_IP_V6_SRC]);
  const auto destination = address_of(addresses[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST]);
  const auto number = protocol.number<std::uint8_t>(CTA_PROTO_NUM);
  if (!source || !destination || !number || source->family() != destination->family())
    return std::nullopt;
  return Tuple{*number, *source, *destination, port_of(protocol, CTA_PROTO_SRC_PORT),
               port_of(protocol, CTA_PROTO_DST_PORT)};
}

Result<NfnetlinkSocket> open_socket() {
  return NfnetlinkSocket::open(
      {"conntrack entries",
       "the node's kernel lacks ctnetlink: load the module nf_conntrack_netlink"});
}

// Gathers entries and has the kernel delete them.
class Deleter {
 public:
  explicit Deleter(NfnetlinkSocket socket) : socket_(std::move(socket)) {}

  // The first error stays.
  void add(const TrackedFlow& tracked) {
    append_delete(batch_, tracked, ++pending_);
    if (pending_ == kMaxDeletes) send();
  }

  Result<std::size_t> finish() {
    send();
    if (error_) return *error_;
    return deleted_;
  }

 private:
  void send() {
    if (pending_ == 0 || error_) return;
    const auto sent = socket_.exchange(batch_.bytes(), [&](const nlmsghdr& answer) {
      const auto code = errno_of(answer);
      if (code == 0) ++deleted_;
      if (code.value_or(0) != 0 && code != ENOENT && !error_)
        error_ = socket_.subsystem().error(*code);
    });
    if (!sent && !error_) error_ = sent.error();
    batch_.clear();
    pending_ = 0;
  }

  NfnetlinkSocket socket_;
  MessageWriter batch_;
  std::uint32_t pending_ = 0;
  std::size_t deleted_ = 0;
  std::optional<Error> error_;
};

MessageWriter dump_request() {
  MessageWriter request;
  request.begin({NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, 0, AF_UNSPEC, 0});
  request.end();
  return request;
}

}  // namespace

std::optional<TrackedFlow> decode_flow(const nlmsghdr& message) {
  if (message.nlmsg_type != message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW))
    return std::nullopt;
  const Attributes attributes(attributes_of(message));
  TrackedFlow tracked;
  tracked.tuple = attributes[CTA_TUPLE_ORIG];
  const auto original = decode_tuple(tracked.tuple);
  const auto reply = decode_tuple(attributes[CTA_TUPLE_REPLY]);
  if (!original || !reply || attributes[CTA_STATUS].empty()) return std::nullopt;
  const std::uint32_t status = attributes.number_or_zero(CTA_STATUS);
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

void append_delete(MessageWriter& batch, const TrackedFlow& tracked, std::uint32_t sequence) {
  const std::uint8_t family = tracked.flow.destination.is_v4() ? AF_INET : AF_INET6;
  batch.begin({NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, sequence, family, 0});
  batch.put_nest(CTA_TUPLE_ORIG, [&] { batch.append(tracked.tuple); });
  if (tracked.zone_be) batch.put(CTA_ZONE, bytes_of(*tracked.zone_be));
  if (tracked.id_be) batch.put(CTA_ID, bytes_of(*tracked.id_be));
  batch.end();
}

// Deletes while it reads, so that it holds one datagram however many flows there are. The kernel
// goes on with the dump where it was.
Result<std::size_t> delete_stale_conntrack(const StaleConntrack& stale) {
  auto reading = open_socket();
  if (!reading) return reading.error();
  auto deleting = open_socket();
  if (!deleting) return deleting.error();
  Deleter deleter(std::move(*deleting));
  for (int attempt = 0; attempt < kMaxDumps; ++attempt) {
    const auto consistent = reading->dump(dump_request().bytes(), [&](const nlmsghdr& message) {
      const auto tracked = decode_flow(message);
      if (tracked && stale.contains(tracked->flow)) deleter.add(*tracked);
    });
    if (!consistent) return consistent.error();
    if (*consistent) return deleter.finish();
  }
  return reading->subsystem().error(EAGAIN, "they change faster than they can be read");
}

}  // namespace egress::router
