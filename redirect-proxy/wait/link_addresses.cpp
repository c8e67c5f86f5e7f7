#include "redirect-proxy/wait/link_addresses.hpp"

#include <ifaddrs.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace egress::wait {
namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

std::optional<IpAddress> to_ip_address(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr,
                bytes.size());
    return IpAddress::from_bytes(bytes);
  }
  if (address->sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                bytes.size());
    return IpAddress::from_bytes(bytes);
  }
  return std::nullopt;
}

}  // namespace

std::vector<IpAddress> read_link_addresses(const std::string& link) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, FreeAddresses> list(first);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    const auto address = to_ip_address(one->ifa_addr);
    if (link == one->ifa_name && address && !address->is_link_local())
      addresses.push_back(*address);
  }
  return addresses;
}

namespace {

// The attributes of one message, of which each holds bytes of the kernel's.
class Attributes {
 public:
  Attributes(const rtattr* first, std::size_t length) : first_(first), length_(length) {}

  std::span<const std::uint8_t> bytes(unsigned type) const {
    auto left = static_cast<unsigned>(length_);
    for (const auto* one = first_; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
      if (one->rta_type == type)
        return {static_cast<const std::uint8_t*>(RTA_DATA(one)), RTA_PAYLOAD(one)};
    }
    return {};
  }
  std::optional<std::uint32_t> u32(unsigned type) const {
    const auto found = bytes(type);
    std::uint32_t value = 0;
    if (found.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, found.data(), sizeof value);
    return value;
  }
  std::optional<IpAddress> address(unsigned type) const {
    const auto found = bytes(type);
    if (found.size() != 4 && found.size() != 16) return std::nullopt;
    return IpAddress::from_bytes(found);
  }

 private:
  const rtattr* first_;
  std::size_t length_;
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

template <class Header>
bool request_dump(int socket, std::uint16_t type, Family family) {
  struct {
    nlmsghdr message;
    Header header;
  } request{};
  request.message.nlmsg_len = sizeof request;
  request.message.nlmsg_type = type;
  request.message.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  // Every header begins with its family.
  reinterpret_cast<unsigned char&>(request.header) = family == Family::v4 ? AF_INET : AF_INET6;
  return ::send(socket, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
}

// Hands header and attributes of each answer of a dump (rtnetlink(7)) to `take`, however many there
// are. Without an answer there is none to take.
template <class Header, class Take>
void dump(std::uint16_t type, Family family, Take take) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket.get() < 0 || !request_dump<Header>(socket.get(), type, family)) return;
  alignas(nlmsghdr) std::array<char, std::size_t{32} << 10U> buffer;
  for (;;) {
    // The kernel has each part of a dump ready before it is asked for.
    const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    auto left = static_cast<unsigned>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return;
      constexpr std::size_t kBefore = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(Header)));
      if (message->nlmsg_len < kBefore) continue;
      const auto* bytes = reinterpret_cast<const char*>(message);
      take(*reinterpret_cast<const Header*>(bytes + NLMSG_HDRLEN),
           Attributes(reinterpret_cast<const rtattr*>(bytes + kBefore),
                      message->nlmsg_len - kBefore));
    }
  }
}

}  // namespace

std::optional<IpAddress> read_default_gateway(const std::string& link, Family family) {
  const std::uint32_t index = ::if_nametoindex(link.c_str());
  std::optional<IpAddress> gateway;
  std::uint32_t best = 0;
  dump<rtmsg>(RTM_GETROUTE, family, [&](const rtmsg& route, const Attributes& attributes) {
    const auto found = attributes.address(RTA_GATEWAY);
    const std::uint32_t metric = attributes.u32(RTA_PRIORITY).value_or(0);
    if (route.rtm_dst_len != 0 || route.rtm_type != RTN_UNICAST || !found ||
        attributes.u32(RTA_TABLE).value_or(route.rtm_table) != RT_TABLE_MAIN ||
        attributes.u32(RTA_OIF) != index || (gateway && metric >= best)) {
      return;
    }
    gateway = found;
    best = metric;
  });
  return gateway;
}

std::optional<bool> kernel_knows_neighbour(const std::string& link, const IpAddress& neighbour) {
  const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
  std::optional<bool> known;
  dump<ndmsg>(RTM_GETNEIGH, neighbour.family(),
              [&](const ndmsg& entry, const Attributes& attributes) {
                if (entry.ndm_ifindex != index || attributes.address(NDA_DST) != neighbour ||
                    entry.ndm_state == NUD_NONE) {
                  return;
                }
                known = (entry.ndm_state & (NUD_INCOMPLETE | NUD_FAILED)) == 0;
              });
  return known;
}

}  // namespace egress::wait
