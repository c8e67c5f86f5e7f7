#include "common/link/neighbour_probe.hpp"

#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
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
#include <thread>
#include <utility>

#include "common/link/neighbour_messages.hpp"
#include "common/socket_filter.hpp"

namespace egress::link {
namespace {

using Clock = std::chrono::steady_clock;

// One more than a probe asks for: a gateway may be busy, and is asked once only per set-up.
constexpr int kProbes = 3;  // RFC 5227 §1.1, PROBE_NUM
constexpr int kRequests = 4;
constexpr std::chrono::milliseconds kCarrierInterval{10};  // between two looks

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

// The carrier itself counts from the start; IFF_RUNNING, which is set for a link that has just come
// up whatever its carrier, only once the kernel has taken a new carrier into account.
bool has_carrier(const std::string& link) {
  const int any_socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  const bool read = ::ioctl(any_socket, SIOCGIFFLAGS, &request) == 0;
  const bool is_running = read && (request.ifr_flags & IFF_RUNNING) != 0;
  ethtool_value carrier{ETHTOOL_GLINK, 0};
  request.ifr_data = reinterpret_cast<char*>(&carrier);
  const bool known = ::ioctl(any_socket, SIOCETHTOOL, &request) == 0;
  ::close(any_socket);
  return is_running && (!known || carrier.data != 0);
}

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

// The same from either socket, waiting for one until `until`.
bool NeighbourSocket::receive(const NeighbourSockets& sockets, Clock::time_point until,
                              std::optional<NeighbourMessage>& message) {
  message.reset();
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return true;
    std::array<pollfd, 2> ready{};
    for (std::size_t i = 0; i < ready.size(); ++i) {
      const NeighbourSocket* socket = sockets[kFamilies[i]];
      ready[i] = {socket != nullptr ? socket->descriptor_ : -1, POLLIN, 0};
    }
    const int polled = ::poll(ready.data(), ready.size(), static_cast<int>(left.count()));
    if (polled < 0 && errno != EINTR) return false;
    for (std::size_t i = 0; i < ready.size() && polled > 0; ++i) {
      if (ready[i].revents == 0) continue;
      if (!sockets[kFamilies[i]]->receive_now(message)) return false;
      if (message) return true;
    }
  }
}

Result<std::optional<NeighbourMessage>> NeighbourSocket::receive() {
  std::optional<NeighbourMessage> message;
  if (!receive_now(message)) return error(ExitCode::link, errno);
  return message;
}

struct NeighbourSocket::Inquiry {
  ExitCode stage;
  std::vector<Question> questions;
  bool probes_answer;              // a probe by another host is an answer too
  int times;                       // how often each is sent, evenly over `time`
  std::chrono::milliseconds time;  // the last question, too, has its share of it to be answered in

  std::optional<AddressHolder> answer_in(const NeighbourMessage& message) const {
    for (const auto& question : questions) {
      const bool probed = probes_answer && message.asks == question.target && !message.claims;
      if (probed || message.claims == question.target)
        return AddressHolder{question.target, message.sender};
    }
    return std::nullopt;
  }
};

// The first answer. A question that cannot be sent at once, on a link that is just coming up, is
// sent again; that one could never be sent is an error.
Result<std::optional<AddressHolder>> NeighbourSocket::inquire(const NeighbourSockets& sockets,
                                                              const Inquiry& inquiry) {
  struct Asked {
    NeighbourSocket* socket;
    Frame frame;
    bool sent;
  };
  std::vector<Asked> asked;
  for (const auto& question : inquiry.questions)
    asked.push_back({sockets[question.target.family()], encode_question(question), false});
  const auto start = Clock::now();
  int trouble = 0;
  for (int i = 0; i < inquiry.times; ++i) {
    for (auto& one : asked) {
      if (one.socket->send(one.frame)) {
        one.sent = true;
      } else {
        trouble = errno;
      }
    }
    const auto until = start + inquiry.time * (i + 1) / inquiry.times;
    std::optional<NeighbourMessage> message;
    do {
      if (!receive(sockets, until, message))
        return asked.front().socket->error(inquiry.stage, errno);
      if (!message) break;
      if (const auto holder = inquiry.answer_in(*message)) return holder;
    } while (message);
  }
  for (const auto& one : asked) {
    if (!one.sent) return one.socket->error(inquiry.stage, trouble);
  }
  return std::optional<AddressHolder>();
}

Result<std::optional<AddressHolder>> find_holder(const NeighbourSockets& sockets,
                                                 std::span<const IpAddress> addresses,
                                                 std::chrono::milliseconds time) {
  NeighbourSocket::Inquiry inquiry{ExitCode::conflict, {}, true, kProbes, time};
  for (const auto& address : addresses) {
    NeighbourSocket& socket = *sockets[address.family()];
    // Other hosts' probes, and answers to a probe from ::, go to groups that the link has not
    // joined for this address.
    if (address.is_v6() && !(socket.join(solicited_node_mac(address)) && socket.join(kAllNodesMac)))
      return socket.error(ExitCode::conflict, errno);
    inquiry.questions.push_back({socket.mac_, std::nullopt, address});
  }
  return NeighbourSocket::inquire(sockets, inquiry);
}

bool wait_for_carrier(const std::string& link, std::chrono::milliseconds time) {
  const auto deadline = Clock::now() + time;
  for (;;) {
    if (has_carrier(link)) return true;
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kCarrierInterval);
  }
}

Result<std::optional<MacAddress>> NeighbourSocket::resolve(const IpAddress& source,
                                                           const IpAddress& target,
                                                           std::chrono::milliseconds time) {
  NeighbourSockets sockets;
  sockets[target.family()] = this;
  const auto holder =
      inquire(sockets, {ExitCode::gateway, {{mac_, source, target}}, false, kRequests, time});
  if (!holder) return holder.error();
  return *holder ? std::optional((*holder)->mac) : std::nullopt;
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
