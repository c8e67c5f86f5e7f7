#include "common/link/neighbour_probe.hpp"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "common/link/neighbour_messages.hpp"
#include "common/socket_filter.hpp"

namespace egress::link {
namespace {

using Clock = std::chrono::steady_clock;

// One more than a probe asks for: a gateway may be busy, and is asked once only per set-up.
constexpr int kProbes = 3;  // RFC 5227 §1.1, PROBE_NUM
constexpr int kRequests = 4;

constexpr std::uint32_t kPacketType = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);

// Passes ARP, and of IPv6 neighbour solicitations and advertisements only, so that a busy link does
// not fill the socket: ether type at 12, next header at 20, ICMPv6 type at 54. What is said in a
// VLAN is said on another network: the kernel takes the tag off, and marks the frame as another
// host's.
constexpr std::array<sock_filter, 11> kFilter{{
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kPacketType),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 8, 0),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 5, 0),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 2048),
    BPF_STMT(BPF_RET | BPF_K, 0),
}};

}  // namespace

Result<NeighbourSocket> NeighbourSocket::open(const std::string& link, Family family) {
  NeighbourSocket socket(link);
  if (!socket.open_for(family)) return socket.error(ExitCode::link, errno);
  return socket;
}

NeighbourSocket::NeighbourSocket(NeighbourSocket&& other) noexcept
    : link_(std::move(other.link_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      index_(other.index_),
      family_(other.family_),
      mac_(other.mac_) {}

NeighbourSocket::~NeighbourSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool NeighbourSocket::open_for(Family family) {
  family_ = family;
  index_ = static_cast<int>(::if_nametoindex(link_.c_str()));
  if (index_ == 0) return false;
  // Protocol 0 at first: what arrives before the filter and the link are set must not be taken in.
  descriptor_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return false;
  ifreq request{};
  link_.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(descriptor_, SIOCGIFHWADDR, &request) != 0) return false;
  std::memcpy(mac_.bytes.data(), request.ifr_hwaddr.sa_data, mac_.bytes.size());
  auto filter = kFilter;
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::setsockopt(descriptor_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return false;
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(family == Family::v4 ? ETH_P_ARP : ETH_P_IPV6);
  address.sll_ifindex = index_;
  return ::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Error NeighbourSocket::error(ExitCode stage, int errno_value) const {
  Error error = make_errno_error(stage, "packet socket on " + link_, errno_value);
  if (errno_value == EPERM || errno_value == EACCES) error.hint = "needs CAP_NET_RAW";
  if (errno_value == ENETDOWN) error.hint = "the link is down, or its parent on the node is";
  return error;
}

// Frames to this group are wanted although no address of the link says so.
bool NeighbourSocket::join(const MacAddress& group) {
  packet_mreq request{};
  request.mr_ifindex = index_;
  request.mr_type = PACKET_MR_MULTICAST;
  request.mr_alen = static_cast<unsigned short>(group.bytes.size());
  std::copy(group.bytes.begin(), group.bytes.end(), request.mr_address);
  return ::setsockopt(descriptor_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) ==
         0;
}

bool NeighbourSocket::send(const Frame& frame) {
  return ::send(descriptor_, frame.data(), frame.size(), MSG_DONTWAIT) ==
         static_cast<ssize_t>(frame.size());
}

// The next message of another host among those that have come in, or none. False: errno says why.
bool NeighbourSocket::receive_now(std::optional<NeighbourMessage>& message) {
  for (;;) {
    std::array<std::uint8_t, 2048> buffer{};
    const ssize_t size = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    message.reset();
    if (size < 0) return errno == EAGAIN;
    message = parse_neighbour(std::span(buffer).first(static_cast<std::size_t>(size)));
    if (message && message->sender != mac_) return true;
  }
}

// The same, waiting for one until `until`.
bool NeighbourSocket::receive(Clock::time_point until, std::optional<NeighbourMessage>& message) {
  message.reset();
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return true;
    pollfd ready{descriptor_, POLLIN, 0};
    const int polled = ::poll(&ready, 1, static_cast<int>(left.count()));
    if (polled < 0 && errno != EINTR) return false;
    if (polled <= 0) continue;
    if (!receive_now(message)) return false;
    if (message) return true;
  }
}

Result<std::optional<NeighbourMessage>> NeighbourSocket::receive() {
  std::optional<NeighbourMessage> message;
  if (!receive_now(message)) return error(ExitCode::link, errno);
  return message;
}

struct NeighbourSocket::Inquiry {
  ExitCode stage;
  Question question;
  int times;                       // how often it is asked, evenly over `time`
  std::chrono::milliseconds time;  // the last question, too, has its share of it to be answered in
  std::function<bool(const NeighbourMessage&)> is_answer;
};

// The sender of the first answer. A question that cannot be sent at once, on a link that is just
// coming up, is asked again; that none could be sent is an error.
Result<std::optional<MacAddress>> NeighbourSocket::inquire(const Inquiry& inquiry) {
  const Frame frame = encode_question(inquiry.question);
  const auto start = Clock::now();
  int sent = 0;
  int trouble = 0;
  for (int i = 0; i < inquiry.times; ++i) {
    if (send(frame)) {
      ++sent;
    } else {
      trouble = errno;
    }
    const auto until = start + inquiry.time * (i + 1) / inquiry.times;
    std::optional<NeighbourMessage> message;
    do {
      if (!receive(until, message)) return error(inquiry.stage, errno);
      if (message && inquiry.is_answer(*message)) return std::optional(message->sender);
    } while (message);
  }
  if (sent == 0) return error(inquiry.stage, trouble);
  return std::optional<MacAddress>();
}

Result<std::optional<MacAddress>> NeighbourSocket::find_holder(const IpAddress& address,
                                                               std::chrono::milliseconds time) {
  // Other hosts' probes, and answers to a probe from ::, go to groups that the link has not joined
  // for this address.
  if (address.is_v6() && !(join(solicited_node_mac(address)) && join(kAllNodesMac))) {
    return error(ExitCode::conflict, errno);
  }
  const auto claims_or_probes_too = [&](const NeighbourMessage& message) {
    return message.claims == address || (message.asks == address && !message.claims);
  };
  return inquire(
      {ExitCode::conflict, {mac_, std::nullopt, address}, kProbes, time, claims_or_probes_too});
}

Result<std::optional<MacAddress>> NeighbourSocket::resolve(const IpAddress& source,
                                                           const IpAddress& target,
                                                           std::chrono::milliseconds time) {
  const auto claims = [&](const NeighbourMessage& message) { return message.claims == target; };
  return inquire({ExitCode::gateway, {mac_, source, target}, kRequests, time, claims});
}

Result<void> NeighbourSocket::announce(const IpAddress& address) {
  if (!send(encode_announcement(mac_, address))) return error(ExitCode::address, errno);
  return {};
}

// An ARP message claims its sender's address, an advertisement its target, a solicitation its
// source (neighbour_messages.cpp).
Result<void> NeighbourSocket::hear_claims_of(const std::vector<IpAddress>& addresses) {
  using Filter = SocketFilter;
  Filter filter;
  filter.add(
      {Filter::load(BPF_W, kPacketType), Filter::unless_equal(PACKET_OTHERHOST, 1), Filter::kDrop});
  if (family_ == Family::v6) {
    filter.add({Filter::load(BPF_B, 20), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 1, 0),
                Filter::kDrop, Filter::load(BPF_B, 54),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 1, 0), Filter::kDrop});
  }
  for (const auto& address : addresses) {
    if (address.family() != family_) continue;
    if (address.is_v6()) filter.add_match(62, address, Filter::kPass);
    filter.add_match(address.is_v4() ? 28 : 22, address, Filter::kPass);
  }
  filter.add({Filter::kDrop});
  if (!filter.attach(descriptor_)) return error(ExitCode::link, errno);
  return {};
}

Result<void> NeighbourSocket::ask(const std::optional<IpAddress>& source, const IpAddress& target) {
  if (!send(encode_question({mac_, source, target}))) return error(ExitCode::gateway, errno);
  return {};
}

}  // namespace egress::link
