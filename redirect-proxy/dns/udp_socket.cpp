#include "redirect-proxy/dns/udp_socket.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace egress::dns {

namespace asio = boost::asio;
using asio::ip::udp;

namespace {

// Room for one in_pktinfo or in6_pktinfo.
using Control = std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))>;

struct Name {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
};

Name to_name(const Endpoint& endpoint) {
  Name name;
  const auto bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&name.storage, &v4, sizeof v4);
    name.length = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&name.storage, &v6, sizeof v6);
    name.length = sizeof v6;
  }
  return name;
}

IpAddress to_address(const void* bytes, std::size_t size) {
  return IpAddress::from_bytes({static_cast<const std::uint8_t*>(bytes), size});
}

Endpoint to_endpoint(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    return {to_address(&v4.sin_addr, 4), ntohs(v4.sin_port)};
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, &storage, sizeof v6);
  return {to_address(&v6.sin6_addr, 16), ntohs(v6.sin6_port)};
}

struct Arrival {
  IpAddress to;
  unsigned interface = 0;
};

std::optional<Arrival> find_arrival(msghdr& message) {
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      return Arrival{to_address(&info.ipi_addr, 4), static_cast<unsigned>(info.ipi_ifindex)};
    }
    if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      return Arrival{to_address(&info.ipi6_addr, 16), info.ipi6_ifindex};
    }
  }
  return std::nullopt;
}

template <class Info>
void set_control(msghdr& message, int level, int type, const Info& info) {
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

bool set_option(int descriptor, int level, int option) {
  const int on = 1;
  return ::setsockopt(descriptor, level, option, &on, sizeof on) == 0;
}

// The caller's; nothing where the kernel does not have the family.
Result<std::optional<int>> open_one(Family family, std::uint16_t port) {
  const bool is_v4 = family == Family::v4;
  const int descriptor =
      ::socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0 && errno == EAFNOSUPPORT) return std::optional<int>();
  const std::string object = "UDP port " + std::to_string(port);
  if (descriptor < 0) return make_errno_error(ExitCode::runtime, object, errno);
  auto name = to_name({is_v4 ? *parse_ip_address("0.0.0.0") : *parse_ip_address("::"), port});
  const bool bound = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT) &&
                     (is_v4 ? set_option(descriptor, IPPROTO_IP, IP_PKTINFO)
                            : set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) &&
                                  set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO)) &&
                     ::bind(descriptor, name.data(), name.length) == 0;
  if (bound) return std::optional<int>(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (error == EADDRNOTAVAIL && !is_v4) return std::optional<int>();
  return make_errno_error(ExitCode::runtime, object, error);
}

}  // namespace

Result<std::vector<udp::socket>> open_udp(asio::io_context& io, std::uint16_t port) {
  std::vector<udp::socket> sockets;
  for (const auto family : {Family::v4, Family::v6}) {
    const auto descriptor = open_one(family, port);
    if (!descriptor) return descriptor.error();
    if (*descriptor)
      sockets.emplace_back(io, family == Family::v4 ? udp::v4() : udp::v6(), **descriptor);
  }
  return sockets;
}

std::optional<Datagram> receive_from(int descriptor, std::span<char> buffer) {
  for (;;) {
    Name from;
    alignas(cmsghdr) Control control;
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = from.data();
    message.msg_namelen = sizeof from.storage;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = ::recvmsg(descriptor, &message, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    // Errors of what was sent before come back here, each once; they say nothing of the next.
    if (size < 0) continue;
    const auto arrival = find_arrival(message);
    if (!arrival || (message.msg_flags & MSG_TRUNC) != 0) continue;
    return Datagram{{buffer.data(), static_cast<std::size_t>(size)},
                    to_endpoint(from.storage),
                    arrival->to,
                    arrival->interface};
  }
}

bool send_from(int descriptor, const IpAddress& from, const Endpoint& to, std::string_view bytes) {
  auto name = to_name(to);
  alignas(cmsghdr) Control control{};
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = name.data();
  message.msg_namelen = name.length;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (from.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, from.bytes().data(), 4);
    set_control(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, from.bytes().data(), 16);
    set_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  return ::sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace egress::dns
