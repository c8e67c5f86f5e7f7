#include "redirect-proxy/wait/ruleset_generation.hpp"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace egress::wait {

constexpr std::size_t kMessageHeader = NLMSG_ALIGN(sizeof(nlmsghdr));
constexpr std::size_t kAttributeHeader = NLMSG_ALIGN(sizeof(nlattr));

std::optional<std::uint32_t> read_ruleset_generation() {
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (socket < 0) return std::nullopt;
  struct {
    nlmsghdr header{};
    nfgenmsg message{};
  } request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  alignas(nlmsghdr) std::array<char, 512> reply{};
  const timeval limit{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ssize_t size = ::send(socket, &request, sizeof request, 0);
  if (size > 0) size = ::recv(socket, reply.data(), reply.size(), 0);
  ::close(socket);

  nlmsghdr header{};
  if (size < static_cast<ssize_t>(sizeof header)) return std::nullopt;
  std::memcpy(&header, reply.data(), sizeof header);
  if (header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_NEWGEN)) return std::nullopt;
  std::size_t at = kMessageHeader + NLMSG_ALIGN(sizeof(nfgenmsg));
  nlattr attribute{};
  while (at + kAttributeHeader <= static_cast<std::size_t>(size)) {
    std::memcpy(&attribute, reply.data() + at, sizeof attribute);
    std::uint32_t id_be = 0;
    if (attribute.nla_type == NFTA_GEN_ID && attribute.nla_len == kAttributeHeader + sizeof id_be) {
      std::memcpy(&id_be, reply.data() + at + kAttributeHeader, sizeof id_be);
      return ntohl(id_be);
    }
    if (attribute.nla_len < sizeof attribute) break;
    at += NLA_ALIGN(attribute.nla_len);
  }
  return std::nullopt;
}

}  // namespace egress::wait
