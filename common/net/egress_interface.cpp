#include "common/net/egress_interface.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <span>

#include "common/net/own_addresses.hpp"
#include "common/socket_filter.hpp"

namespace egress::net {

namespace {

using Filter = SocketFilter;

constexpr std::size_t kMaxFiltered = 300;  // addresses; BPF_MAXINSNS is 4096
constexpr auto kArrival = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX);

constexpr std::uint32_t ip_header(int offset) {
  return static_cast<std::uint32_t>(SKF_NET_OFF + offset);
}

// Destination address: at 16 of the IPv4 header, at 24 of IPv6's.
Filter make_filter(unsigned index, std::span<const IpAddress> addresses) {
  Filter v4;
  Filter v6;
  for (const auto& address : addresses) {
    auto& filter = address.is_v4() ? v4 : v6;
    filter.add_match(ip_header(address.is_v4() ? 16 : 24), address, Filter::kDrop);
  }
  v4.add({Filter::kPass});
  v6.add({Filter::kPass});
  Filter filter;
  filter.add({Filter::load(BPF_W, kArrival), Filter::unless_equal(index, 1), Filter::kDrop,
              Filter::load(BPF_B, ip_header(0)), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
              Filter::unless_equal(6, 1),
              BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(v4.size()))});
  filter.add(v4);
  filter.add(v6);
  return filter;
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
  if (state == state_) return;
  state_ = std::move(state);
  for (const int socket : sockets_) attach(socket);
}

bool EgressInterface::holds(const IpAddress& local) const {
  const std::shared_lock lock(mutex_);
  return std::binary_search(state_.addresses.begin(), state_.addresses.end(), local);
}

void EgressInterface::guard(int socket) {
  const std::lock_guard lock(mutex_);
  sockets_.insert(socket);
  attach(socket);
}

void EgressInterface::release(int socket) {
  const std::lock_guard lock(mutex_);
  sockets_.erase(socket);
}

void EgressInterface::attach(int socket) const {
  if (state_.index == 0 && state_.addresses.empty()) return detach(socket);
  const auto size = std::min(state_.addresses.size(), kMaxFiltered);
  make_filter(state_.index, std::span(state_.addresses).first(size)).attach(socket);
}

void EgressInterface::detach(int connection) {
  const int unused = 0;
  ::setsockopt(connection, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
}

}  // namespace egress::net
