// Reads and writes of a session on its sockets, arranged for few system calls:
// each is tried at once, and the caller waits where it would block.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>

#include "http-proxy/gather.hpp"
#include "http-proxy/read_buffer.hpp"

namespace egress::http {

using Socket = boost::asio::ip::tcp::socket;
using boost::asio::awaitable;
using boost::system::error_code;

// Writes what the socket takes now. would_block is no error here: look at
// `gather` for what is left.
error_code write_now(Socket& socket, Gather& gather);
// Adds up to `room` bytes (> 0) to the buffer. Errors: eof at the end,
// would_block.
error_code read_now(Socket& socket, ReadBuffer& buffer, std::size_t room);
// Drops up to `most` bytes that wait to be read; 0 with an error as above.
std::size_t drop_now(Socket& socket, std::size_t most, error_code& error);

// Whether the peer has closed its sending side: its FIN is here, behind bytes that may be unread.
bool has_closed(Socket& socket);

// Whether a connection that nobody reads from is still as it was: open, and
// without a byte waiting.
bool is_quiet(Socket& socket);
// For a socket whose peer has closed its sending side: whether it did that
// together with the last bytes that it sent, within a tick of the kernel's
// clock.
bool closed_with_last_bytes(Socket& socket);
// Whether the peer has reset the connection, which this reports without
// reading.
bool is_reset(Socket& socket);
// Bytes written that the peer has not acknowledged.
std::size_t unacknowledged(Socket& socket);

// Closes with a reset, so that the peer cannot take what it has for the whole.
void reset(Socket& socket);

}  // namespace egress::http
