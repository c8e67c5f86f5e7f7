#include "test/support/net_dns.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace egress::test {
namespace {

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16U);
  put16(out, value & 0xffffU);
}

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

std::optional<DnsQuery> parse_query(const Bytes& message, DnsQuery::Transport transport) {
  if (message.size() < 17) return std::nullopt;
  DnsQuery query;
  query.id = static_cast<std::uint16_t>(message[0] << 8U | message[1]);
  query.transport = transport;
  std::size_t at = 12;
  while (at < message.size() && message[at] != 0) {
    if (!query.name.empty()) query.name += '.';
    const std::size_t length = message[at];
    if (at + 1 + length + 4 > message.size()) return std::nullopt;
    query.name.append(message.begin() + static_cast<std::ptrdiff_t>(at + 1),
                      message.begin() + static_cast<std::ptrdiff_t>(at + 1 + length));
    at += 1 + length;
  }
  if (at + 3 > message.size()) return std::nullopt;
  query.type = static_cast<std::uint16_t>(message[at + 1] << 8U | message[at + 2]);
  return query;
}

int bind_socket(int type, const sockaddr_in& address) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      (type == SOCK_STREAM && ::listen(fd, 16) != 0)) {
    ::close(fd);
    return -1;
  }
  return fd;
}

bool read_exactly(int fd, std::uint8_t* data, std::size_t size) {
  while (size > 0) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, 1000) <= 0) return false;
    const auto got = ::recv(fd, data, size, 0);
    if (got <= 0) return false;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

Bytes encode_name(const std::string& name) {
  Bytes out;
  std::size_t at = 0;
  while (at < name.size()) {
    const auto end = std::min(name.find('.', at), name.size());
    out.push_back(static_cast<std::uint8_t>(end - at));
    for (; at < end; ++at) out.push_back(static_cast<std::uint8_t>(name[at]));
    at = end + 1;
  }
  out.push_back(0);
  return out;
}

DnsReplyBuilder::DnsReplyBuilder(const DnsQuery& query) {
  put16(head_, query.id);
  put16(head_, 0x8180);
  put16(head_, 1);
  put16(head_, 0);
  put16(head_, 0);
  put16(head_, 0);
  append(head_, encode_name(query.name));
  put16(head_, query.type);
  put16(head_, 1);
}

DnsReplyBuilder& DnsReplyBuilder::rcode(unsigned value) {
  head_[3] = static_cast<std::uint8_t>(0x80U | value);
  return *this;
}

DnsReplyBuilder& DnsReplyBuilder::truncated() {
  head_[2] |= 0x02U;
  return *this;
}

void DnsReplyBuilder::begin_record(const std::string& owner, std::uint16_t type,
                                   std::uint32_t ttl) {
  append(records_, encode_name(owner));
  put16(records_, type);
  put16(records_, 1);
  put32(records_, ttl);
}

DnsReplyBuilder& DnsReplyBuilder::address(const std::string& owner, const IpAddress& address,
                                          std::uint32_t ttl) {
  begin_record(owner, address.is_v4() ? kA : kAaaa, ttl);
  const auto bytes = address.bytes();
  put16(records_, static_cast<unsigned>(bytes.size()));
  records_.insert(records_.end(), bytes.begin(), bytes.end());
  ++answers_;
  return *this;
}

DnsReplyBuilder& DnsReplyBuilder::cname(const std::string& owner, const std::string& target,
                                        std::uint32_t ttl) {
  begin_record(owner, kCname, ttl);
  const auto name = encode_name(target);
  put16(records_, static_cast<unsigned>(name.size()));
  append(records_, name);
  ++answers_;
  return *this;
}

DnsReplyBuilder& DnsReplyBuilder::soa(const std::string& owner, std::uint32_t ttl,
                                      std::uint32_t minimum) {
  begin_record(owner, kSoa, ttl);
  put16(records_, 22);
  put16(records_, 0);  // two names, both the root
  for (int i = 0; i < 4; ++i) put32(records_, 1);
  put32(records_, minimum);
  ++authorities_;
  return *this;
}

DnsReplyBuilder& DnsReplyBuilder::raw_record(const Bytes& record) {
  append(records_, record);
  ++answers_;
  return *this;
}

Bytes DnsReplyBuilder::build() const {
  Bytes out = head_;
  out[6] = static_cast<std::uint8_t>(answers_ >> 8U);
  out[7] = static_cast<std::uint8_t>(answers_ & 0xffU);
  out[9] = static_cast<std::uint8_t>(authorities_);
  append(out, records_);
  return out;
}

DnsServer::DnsServer(Handler handler, const std::string& address, std::uint16_t port)
    : handler_(std::move(handler)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &at.sin_addr);
  // A port that is free for UDP may be taken for TCP.
  for (int attempt = 0; attempt < 20 && tcp_ < 0; ++attempt) {
    if (udp_ >= 0) ::close(udp_);
    at.sin_port = htons(port);
    udp_ = bind_socket(SOCK_DGRAM, at);
    socklen_t length = sizeof at;
    ::getsockname(udp_, reinterpret_cast<sockaddr*>(&at), &length);
    tcp_ = bind_socket(SOCK_STREAM, at);
  }
  if (tcp_ < 0) throw std::runtime_error("no port for the DNS server of the test");
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { run(); });
}

DnsServer::~DnsServer() {
  stopping_ = true;
  thread_.join();
  ::close(udp_);
  ::close(tcp_);
}

void DnsServer::run() {
  while (!stopping_) {
    pollfd ready[2] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
    if (::poll(ready, 2, 20) <= 0) continue;
    if ((ready[0].revents & POLLIN) != 0) answer_datagram();
    if ((ready[1].revents & POLLIN) != 0) answer_stream();
  }
}

void DnsServer::answer_datagram() {
  Bytes message(2048);
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  const auto got = ::recvfrom(udp_, message.data(), message.size(), 0,
                              reinterpret_cast<sockaddr*>(&peer), &length);
  if (got <= 0) return;
  message.resize(static_cast<std::size_t>(got));
  const auto query = parse_query(message, DnsQuery::Transport::udp);
  if (!query) return;
  ++queries_;
  for (const auto& reply : handler_(*query)) {
    ::sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }
}

void DnsServer::answer_stream() {
  const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  std::uint8_t size[2] = {};
  while (!stopping_ && read_exactly(fd, size, 2)) {
    Bytes message(static_cast<std::size_t>(size[0] << 8U | size[1]));
    if (!read_exactly(fd, message.data(), message.size())) break;
    const auto query = parse_query(message, DnsQuery::Transport::tcp);
    if (!query) break;
    ++queries_;
    const auto replies = handler_(*query);
    for (const auto& reply : replies) {
      Bytes framed;
      put16(framed, static_cast<unsigned>(reply.size()));
      append(framed, reply);
      ::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }
  ::close(fd);
}

}  // namespace egress::test
