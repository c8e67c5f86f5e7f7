#include "common/endpoint.hpp"

#include <string_view>

#include "common/host.hpp"

namespace egress {

std::string to_text(const Endpoint& endpoint) {
  return to_text(HostPort{Host(endpoint.address), endpoint.port});
}

}  // namespace egress

std::size_t std::hash<egress::Endpoint>::operator()(
    const egress::Endpoint& endpoint) const noexcept {
  const auto bytes = endpoint.address.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::hash<std::string_view>{}(text) ^ (std::size_t{endpoint.port} * 0x9e3779b97f4a7c15U);
}
