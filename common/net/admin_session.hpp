// One connection to the administrator's endpoint, on any stream of Beast's. For admin.cpp and
// admin_tls.cpp alone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cstdint>

#include "common/net/admin.hpp"

namespace egress::net {

using AdminRequest = boost::beast::http::request<boost::beast::http::empty_body>;
using AdminResponse = boost::beast::http::response<boost::beast::http::string_body>;

AdminResponse answer_admin(const AdminRequest& request, const AdminHandlers& handlers);

// Until one side has had enough. Ends by an error of the connection, or of its deadline, as an
// exception: there is nobody to tell. `tcp` is what `stream` ends in, and holds the deadline.
template <class Stream>
boost::asio::awaitable<void> serve_admin(Stream& stream, boost::beast::tcp_stream& tcp,
                                         const AdminHandlers& handlers,
                                         const AdminOptions& options) {
  namespace http = boost::beast::http;
  boost::beast::flat_buffer buffer;
  buffer.max_size(options.head_bytes);
  for (;;) {
    tcp.expires_after(options.deadline);
    http::request_parser<http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(options.head_bytes));
    co_await http::async_read_header(stream, buffer, parser, boost::asio::use_awaitable);
    const auto response = answer_admin(parser.get(), handlers);
    tcp.expires_after(options.deadline);
    co_await http::async_write(stream, response, boost::asio::use_awaitable);
    if (!response.keep_alive()) break;
  }
}

}  // namespace egress::net
