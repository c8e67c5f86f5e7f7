#include "common/net/egress_interface.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <span>

#include "common/net/asio_address.hpp"
#include "common/net/own_addresses.hpp"

namespace egress::net {

namespace {

// The index of the interface that a message or connection arrived by; 0: not told.
unsigned arrival_interface(std::span<char> control) {
  msghdr message{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      return static_cast<unsigned>(info.ipi_ifindex);
    }
    if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      return info.ipi6_ifindex;
    }
  }
  return 0;
}

int open_changes() {
  const int netlink = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (netlink < 0) return -1;
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(netlink, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0)
    return netlink;
  ::close(netlink);
  return -1;
}

}  // namespace

EgressInterface::EgressInterface(boost::asio::io_context& io, std::string name)
    : name_(std::move(name)), changes_(io) {
  if (name_.empty()) return;
  open();
  read();
}

void EgressInterface::open() {
  const int netlink = open_changes();
  must_retry_ = netlink < 0;
  if (netlink < 0) return;
  changes_.assign(netlink);
  wait();
}

void EgressInterface::retry() {
  if (!must_retry_) return;
  if (!changes_.is_open()) open();
  read();
}

// What the messages say is not looked at: they may be lost (ENOBUFS), and the state is read anew.
void EgressInterface::wait() {
  changes_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](boost::system::error_code error) {
                        if (error) return;
                        std::array<char, 8192> buffer{};
                        ssize_t size = 0;
                        do {
                          size = ::recv(changes_.native_handle(), buffer.data(), buffer.size(), 0);
                        } while (size > 0 || (size < 0 && (errno == ENOBUFS || errno == EINTR)));
                        read();
                        wait();
                      });
}

void EgressInterface::read() {
  auto addresses = read_addresses_of(name_);
  must_retry_ = !addresses || !changes_.is_open();
  if (!addresses) return;  // out of descriptors, for example
  State state{::if_nametoindex(name_.c_str()), std::move(*addresses)};
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

bool EgressInterface::is_external(const IpAddress& local, unsigned interface) const {
  const std::shared_lock lock(mutex_);
  return (interface != 0 && interface == state_.index) ||
         std::binary_search(state_.addresses.begin(), state_.addresses.end(), local);
}

// Both families: a socket of IPv6 takes IPv4 as well. One of IPv4 refuses the other option.
void EgressInterface::watch(int listener) {
  const int on = 1;
  ::setsockopt(listener, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  ::setsockopt(listener, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

bool EgressInterface::is_external(int connection) const {
  if (name_.empty()) return false;
  boost::asio::ip::tcp::endpoint local;
  auto size = static_cast<socklen_t>(local.capacity());
  if (::getsockname(connection, local.data(), &size) != 0) return true;
  // What the kernel noted of the segment that completed the handshake, with SYN cookies as well
  // (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c: syn_recv_sock).
  alignas(cmsghdr) std::array<char, 512> control{};
  size = control.size();
  const bool is_v6 = local.protocol() == boost::asio::ip::tcp::v6();
  if (::getsockopt(connection, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   is_v6 ? IPV6_2292PKTOPTIONS : IP_PKTOPTIONS, control.data(), &size) != 0) {
    return true;
  }
  const auto interface = arrival_interface({control.data(), size});
  return interface == 0 || is_external(to_ip_address(local.address()), interface);
}

}  // namespace egress::net
