// Two connected TCP sockets on loopback, and blocking ends for the threads of a test.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace egress::test {

using Tcp = boost::asio::ip::tcp;

// A blocking descriptor; every wait of it ends after 20 s.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Peer() { close(); }

  int fd() const { return fd_; }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // At most `most` bytes; empty at the end. Throws where it was reset, or nothing came in time.
  std::string receive(std::size_t most = 65536) {
    std::string text(most, '\0');
    const auto got = ::recv(fd_, text.data(), text.size(), 0);
    if (got < 0) throw std::runtime_error("the connection broke");
    text.resize(static_cast<std::size_t>(got));
    return text;
  }
  std::string receive_to_end() {
    std::string text;
    for (;;) {
      const auto more = receive();
      if (more.empty()) return text;
      text += more;
    }
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct Pair {
  Tcp::socket ours;
  Peer theirs;
};

inline Pair make_pair(boost::asio::io_context& io) {
  Tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  Tcp::socket theirs(io);
  theirs.connect(acceptor.local_endpoint());
  auto ours = acceptor.accept();
  const int fd = ::dup(theirs.native_handle());
  return {std::move(ours), Peer(fd)};
}

}  // namespace egress::test
