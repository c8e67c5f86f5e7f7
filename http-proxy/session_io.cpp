#include "http-proxy/session_io.hpp"

#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <stdexcept>

namespace egress::http {

namespace asio = boost::asio;

void Gather::add(std::string_view piece) {
  if (piece.empty()) return;
  if (count_ == kMost) throw std::logic_error("too many pieces for one write");
  pieces_[count_++] = {const_cast<char*>(piece.data()), piece.size()};
}

std::size_t Gather::size() const {
  std::size_t sum = 0;
  for (std::size_t i = first_; i < count_; ++i) sum += pieces_[i].iov_len;
  return sum;
}

void Gather::consume(std::size_t bytes) {
  while (first_ < count_ && bytes >= pieces_[first_].iov_len) bytes -= pieces_[first_++].iov_len;
  if (bytes == 0) return;
  pieces_[first_].iov_base = static_cast<char*>(pieces_[first_].iov_base) + bytes;
  pieces_[first_].iov_len -= bytes;
}

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
      return {errno, boost::system::system_category()};
    }
  }
  return {};
}

awaitable<error_code> write_rest(Socket& socket, Gather& gather) {
  error_code error;
  while (!error && !gather.empty()) {
    co_await socket.async_wait(Socket::wait_write,
                               asio::redirect_error(asio::use_awaitable, error));
    if (!error) error = write_now(socket, gather);
  }
  co_return error;
}

awaitable<error_code> read_some(Socket& socket, ReadBuffer& buffer) {
  error_code error;
  const std::size_t count =
      co_await socket.async_read_some(asio::buffer(buffer.room(), buffer.room_size()),
                                      asio::redirect_error(asio::use_awaitable, error));
  buffer.commit(count);
  co_return error;
}

bool is_quiet(Socket& socket) {
  char byte = 0;
  const ssize_t count = ::recv(socket.native_handle(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void reset(Socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace egress::http
