#include "common/net/asio_address.hpp"

#include <algorithm>

namespace egress::net {

namespace ip = boost::asio::ip;

IpAddress to_ip_address(const ip::address& address) {
  if (address.is_v4()) return IpAddress::from_bytes(address.to_v4().to_bytes());
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) return to_ip_address(ip::make_address_v4(ip::v4_mapped, v6));
  return IpAddress::from_bytes(v6.to_bytes());
}

Endpoint to_endpoint(const ip::tcp::endpoint& endpoint) {
  return {to_ip_address(endpoint.address()), endpoint.port()};
}

ip::address to_asio(const IpAddress& address) {
  const auto bytes = address.bytes();
  if (address.is_v4()) {
    ip::address_v4::bytes_type v4;
    std::copy(bytes.begin(), bytes.end(), v4.begin());
    return ip::address_v4(v4);
  }
  ip::address_v6::bytes_type v6;
  std::copy(bytes.begin(), bytes.end(), v6.begin());
  return ip::address_v6(v6);
}

ip::tcp::endpoint to_asio(const Endpoint& endpoint) {
  return {to_asio(endpoint.address), endpoint.port};
}

}  // namespace egress::net
