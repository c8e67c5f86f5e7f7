#include "http-proxy/session_io.hpp"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <ctime>

namespace egress::http {

namespace asio = boost::asio;

namespace {

error_code last_error() { return {errno, boost::system::system_category()}; }

// recv(2), where 0 bytes are the end.
std::size_t receive(Socket& socket, void* data, std::size_t size, error_code& error) {
  for (;;) {
    const ssize_t count = ::recv(socket.native_handle(), data, size, MSG_DONTWAIT);
    if (count > 0) return static_cast<std::size_t>(count);
    if (count < 0 && errno == EINTR) continue;
    error = count == 0 ? error_code(asio::error::eof) : last_error();
    return 0;
  }
}

tcp_info read_tcp_info(Socket& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  ::getsockopt(socket.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info;
}

// Milliseconds.
std::uint32_t tick() {
  timespec resolution{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return static_cast<std::uint32_t>(resolution.tv_nsec / 1'000'000);
}

}  // namespace

error_code write_now(Socket& socket, Gather& gather) {
  while (!gather.empty()) {
    ssize_t sent = 0;
    if (gather.count() == 1) {
      sent = ::send(socket.native_handle(), gather.data()->iov_base, gather.data()->iov_len,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(gather.data());
      message.msg_iovlen = gather.count();
      sent = ::sendmsg(socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (sent >= 0) {
      gather.consume(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {};
    } else if (errno != EINTR) {
      return last_error();
    }
  }
  return {};
}

error_code read_now(Socket& socket, ReadBuffer& buffer, std::size_t room) {
  error_code error;
  buffer.commit(receive(socket, buffer.prepare(room).data(), room, error));
  return error;
}

std::size_t drop_now(Socket& socket, std::size_t most, error_code& error) {
  std::array<char, 16U << 10U> dropped;
  return receive(socket, dropped.data(), std::min(most, dropped.size()), error);
}

bool is_quiet(Socket& socket) {
  char byte = 0;
  const ssize_t count = ::recv(socket.native_handle(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool closed_with_last_bytes(Socket& socket) {
  const auto info = read_tcp_info(socket);
  // The segment that closes acknowledges, but is no data.
  return info.tcpi_last_data_recv <= info.tcpi_last_ack_recv + tick();
}

bool has_closed(Socket& socket) { return read_tcp_info(socket).tcpi_state == TCP_CLOSE_WAIT; }

bool is_reset(Socket& socket) { return read_tcp_info(socket).tcpi_state == TCP_CLOSE; }

std::size_t unacknowledged(Socket& socket) {
  int bytes = 0;
  if (::ioctl(socket.native_handle(), SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<std::size_t>(bytes);
}

void reset(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace egress::http
