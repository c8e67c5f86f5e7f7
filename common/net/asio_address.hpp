// Between the project's addresses and Asio's. IPv4-mapped addresses (RFC 4291 §2.5.5.2), which the
// kernel gives for IPv4 peers of IPv6 sockets, become IPv4; zones are dropped.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "common/endpoint.hpp"
#include "common/ip.hpp"

namespace egress::net {

IpAddress to_ip_address(const boost::asio::ip::address& address);
Endpoint to_endpoint(const boost::asio::ip::tcp::endpoint& endpoint);
boost::asio::ip::address to_asio(const IpAddress& address);
boost::asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint);

}  // namespace egress::net
