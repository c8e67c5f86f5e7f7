#include "common/net/egress_interface.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "common/net/asio_address.hpp"
#include "common/net/own_addresses.hpp"

namespace egress::net {

namespace {

constexpr int kSaveWithLinkHeader = 2;   // of TCP_SAVE_SYN (net/ipv4/tcp.c), from Linux 5.10 on
constexpr std::size_t kLinkHeader = 14;  // Ethernet

MacAddress read_mac(const std::string& link) {
  MacAddress mac;
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return mac;
  if (::ioctl(any, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_ETHER)
    std::memcpy(mac.bytes.data(), request.ifr_hwaddr.sa_data, mac.bytes.size());
  ::close(any);
  return mac;
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
  State state{::if_nametoindex(name_.c_str()), read_mac(name_), std::move(*addresses)};
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
}

bool EgressInterface::holds(const IpAddress& local) const {
  const std::shared_lock lock(mutex_);
  return std::binary_search(state_.addresses.begin(), state_.addresses.end(), local);
}

bool EgressInterface::is_external(const IpAddress& local, unsigned interface) const {
  const std::shared_lock lock(mutex_);
  return (interface != 0 && interface == state_.index) ||
         std::binary_search(state_.addresses.begin(), state_.addresses.end(), local);
}

bool EgressInterface::has_mac(const MacAddress& mac) const {
  const std::shared_lock lock(mutex_);
  return state_.mac != MacAddress{} && state_.mac == mac;
}

void EgressInterface::watch(int listener) {
  ::setsockopt(listener, IPPROTO_TCP, TCP_SAVE_SYN, &kSaveWithLinkHeader,
               sizeof kSaveWithLinkHeader);
}

bool EgressInterface::is_external(int connection) const {
  boost::asio::ip::tcp::endpoint local;
  auto size = static_cast<socklen_t>(local.capacity());
  if (::getsockname(connection, local.data(), &size) != 0) return true;
  if (holds(to_ip_address(local.address()))) return true;
  // Headers only: 14 + 60 + 60 bytes, in IPv6 a few more. One with so many extension headers that
  // it does not fit (EINVAL) is no client's.
  std::array<std::uint8_t, 512> segment{};
  size = segment.size();
  if (::getsockopt(connection, IPPROTO_TCP, TCP_SAVED_SYN, segment.data(), &size) != 0)
    return errno == EINVAL;
  if (size < kLinkHeader) return false;
  // Without a link header it begins with the IP header, whose first bytes are no MAC address of
  // ours.
  MacAddress to;
  std::memcpy(to.bytes.data(), segment.data(), to.bytes.size());
  return has_mac(to);
}

}  // namespace egress::net
