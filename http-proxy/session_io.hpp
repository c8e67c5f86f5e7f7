// Reads and writes of a session on Asio's sockets, arranged for few system calls: a write is tried
// at once and waits only where the socket is full. Every wait ends when the socket is cancelled or
// closed, which is how deadlines reach it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <string_view>

#include "http-proxy/session_buffer.hpp"

namespace egress::http {

using Socket = boost::asio::ip::tcp::socket;
using boost::asio::awaitable;
using boost::system::error_code;

// Pieces that go out in one system call where the socket takes them.
class Gather {
 public:
  static constexpr std::size_t kMost = 6;

  // `piece` must live until all is written. Empty ones are left out; more than kMost is a bug.
  void add(std::string_view piece);
  bool empty() const { return first_ == count_; }
  std::size_t size() const;
  void consume(std::size_t bytes);

  const iovec* data() const { return pieces_.data() + first_; }
  std::size_t count() const { return count_ - first_; }

 private:
  std::array<iovec, kMost> pieces_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

// Writes what the socket takes now. would_block is no error here: look at `gather` for what is
// left.
error_code write_now(Socket& socket, Gather& gather);
// The rest, waiting as long as it takes.
awaitable<error_code> write_rest(Socket& socket, Gather& gather);

// Reads at least one byte behind those that `buffer` keeps, which must have room. eof at the end.
awaitable<error_code> read_some(Socket& socket, ReadBuffer& buffer);

// Whether a connection that nobody reads from is still as it was: open, and without a byte waiting.
bool is_quiet(Socket& socket);

// Closes with a reset, so that the peer cannot take what it has for the whole.
void reset(Socket& socket);

}  // namespace egress::http
