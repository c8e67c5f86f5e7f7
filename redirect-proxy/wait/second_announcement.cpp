#include "redirect-proxy/wait/second_announcement.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/link/neighbour_probe.hpp"
#include "redirect-proxy/wait/link_addresses.hpp"

namespace egress::wait {
namespace {

constexpr std::uint16_t kDiscardPort = 9;  // RFC 863

sockaddr_in socket_address(const IpAddress& address, std::uint16_t port) {
  sockaddr_in native{};
  native.sin_family = AF_INET;
  native.sin_port = htons(port);
  std::memcpy(&native.sin_addr, address.bytes().data(), sizeof native.sin_addr);
  return native;
}

bool send_datagram(const IpAddress& from, const IpAddress& to) {
  const int datagrams = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (datagrams < 0) return false;
  const sockaddr_in source = socket_address(from, 0);
  const sockaddr_in target = socket_address(to, kDiscardPort);
  const bool sent =
      ::bind(datagrams, reinterpret_cast<const sockaddr*>(&source), sizeof source) == 0 &&
      ::sendto(datagrams, "", 0, 0, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
  ::close(datagrams);
  return sent;
}

Announced announce_without_privilege(const std::string& link, const IpAddress& address) {
  const std::string name = to_text(address) + " on " + link;
  const auto gateway = read_default_gateway(link, Family::v4);
  const bool asks = gateway && !kernel_knows_neighbour(link, *gateway).value_or(false);
  if (address.is_v4() && asks && send_datagram(address, *gateway)) {
    return {LogLevel::info, "no CAP_NET_RAW: announced " + name + " by asking for the gateway " +
                                to_text(*gateway)};
  }
  return {
      LogLevel::warn,
      "no CAP_NET_RAW: " + name +
          " is not announced a second time; EGRESS_ANNOUNCE=twice has the init container do it"};
}

Announced announce_one(const std::string& link, const IpAddress& address) {
  auto socket = link::NeighbourSocket::open(link, address.family());
  const Result<void> announced = socket ? socket->announce(address) : socket.error();
  if (announced)
    return {LogLevel::info, "announced " + to_text(address) + " on " + link + " again"};
  if (announced.error().errno_value == EPERM)  // no CAP_NET_RAW
    return announce_without_privilege(link, address);
  return {LogLevel::warn, to_text(announced.error())};
}

}  // namespace

std::vector<Announced> announce_again(const std::string& link) {
  std::vector<Announced> all;
  for (const auto& address : read_link_addresses(link)) all.push_back(announce_one(link, address));
  if (all.empty()) all.push_back({LogLevel::info, link + " has no address to announce"});
  return all;
}

}  // namespace egress::wait
